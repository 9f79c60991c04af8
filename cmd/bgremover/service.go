package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/bgremover/bgremover/adapters/blob"
	"github.com/bgremover/bgremover/adapters/kafka"
	"github.com/bgremover/bgremover/adapters/opa"
	"github.com/bgremover/bgremover/adapters/postgres"
	"github.com/bgremover/bgremover/adapters/web"
	"github.com/bgremover/bgremover/adapters/web/verify"
	"github.com/bgremover/bgremover/deploy/verifier"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/internal/clock"
	"github.com/bgremover/bgremover/internal/config"
	"github.com/bgremover/bgremover/internal/embedded"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/projector"
	"github.com/bgremover/bgremover/internal/telemetry"
	"github.com/bgremover/bgremover/internal/usecase"
)

// service is the whole program, wired. Everything is opened here, top to bottom; run.go sets it going.
type service struct {
	cfg    config.Serve
	log    *slog.Logger
	closed []func() error // in the order in which they were opened

	clock     *clock.Clock
	ground    *ground
	model     candidate
	judged    judged // what the rule said of the model
	texts     publishedTexts
	cores     int // how many cutouts run at once
	vault     *postgres.Vault
	compared  chan struct{} // closed once the vault was compared with the record
	blobs     *blob.FS
	policy    *opa.Policy
	rules     rules
	providers []policy.Provider // who works for the service
	ledger    *ledger.Ledger
	tree      *ledger.Tree
	logKeys   *ledger.LogKeys
	sequencer *ledger.Sequencer
	views     *projector.Projector
	decisions *usecase.DecisionLog
	trials    *simulations
	apiLog    *apiLog
	uses      uses
	retention *retention
	sentinel  *usecase.Sentinel
	lookout   *postgres.Sentinel // the sentinel's own way to the database
	processor *message.Router
	site      *web.Site
	metrics   *telemetry.Metrics
	busy      atomic.Int64 // slots that are taken
	waiting   atomic.Int64 // pictures that wait for their cutout, as last measured
	asides    chan struct{}
	address   string // of the site, once it listens
	ownMark   string // by which the service knows its own requests
}

// openService opens everything that the service needs. What it opened is closed again when a step fails.
func openService(ctx context.Context, cfg config.Serve, log *slog.Logger) (_ *service, err error) {
	s := &service{cfg: cfg, log: log, cores: runtime.GOMAXPROCS(0), ownMark: rand.Text(), asides: make(chan struct{}, asides), compared: make(chan struct{}), metrics: telemetry.NewMetrics(telemetry.ThisBuild())}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	steps := []func(context.Context) error{
		s.openData, s.openGround, s.makeTables, s.openStores, s.judgeTransfers, s.openLedger, s.decideModel, s.openViews, s.openUses, s.openSentinel, s.openProcessor, s.openSite,
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// close closes everything, the last opened first.
func (s *service) close() error {
	var errs []error
	for _, stop := range slices.Backward(s.closed) {
		errs = append(errs, stop())
	}
	return errors.Join(errs...)
}

func (s *service) onClose(f func() error) { s.closed = append(s.closed, f) }

// openData takes the data folder for this process alone.
func (s *service) openData(context.Context) error {
	lock, err := embedded.LockDir(s.cfg.Data)
	if err != nil {
		return fmt.Errorf("take the data folder: %w", err)
	}
	s.onClose(lock.Unlock)
	if s.clock, err = clock.Open(filepath.Join(s.cfg.Data, "clock-offset"), s.cfg.ClockOffset); err != nil {
		return err
	}
	if ahead := s.clock.Offset(); ahead > 0 {
		if !s.cfg.Listen.OnlyHere() {
			return fmt.Errorf("the clock of this data folder is %s ahead, for trying out; on an --addr that others can reach, use another --data", ahead)
		}
		s.log.Warn("the service's clock is ahead of the machine's", "by", ahead)
	}
	return nil
}

// openGround loads the model while the rest starts.
func (s *service) openGround(ctx context.Context) error {
	var both errgroup.Group // not its context: what has started is stopped in order, by close
	both.Go(func() error {
		g, err := openGround(ctx, s.cfg.Ground, s.log)
		if err == nil {
			s.ground = g
		}
		return err
	})
	both.Go(func() (err error) { s.model, err = loadModel(ctx, s.cfg.Model, s.cores); return err })
	err := both.Wait()
	if s.ground != nil {
		s.onClose(s.ground.close)
	}
	if s.model.Model != nil {
		s.onClose(s.model.Close)
	}
	return err
}

func (s *service) makeTables(ctx context.Context) error {
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return kafka.EnsureTopics(ctx, s.ground.kafka) })
	all.Go(func() error { return ledger.Migrate(ctx, s.ground.pool) })
	all.Go(func() error { return postgres.Migrate(ctx, s.ground.db) })
	return all.Wait()
}

func (s *service) openStores(ctx context.Context) (err error) {
	if err := s.openPolicy(ctx); err != nil {
		return err
	}
	if s.vault, err = openVault(ctx, s.ground, s.cfg.Data, s.policy, s.clock.Now); err != nil {
		return err
	}
	s.onClose(s.letGo)
	s.vault.Withhold() // until it was compared with the record
	if s.blobs, err = blob.OpenFS(s.cfg.BlobDir()); err != nil {
		return fmt.Errorf("open the blob store: %w", err)
	}
	s.onClose(s.blobs.Close)
	return nil
}

func (s *service) openLedger(ctx context.Context) error {
	s.ledger = ledger.New(s.ground.pool, s.vault, ledger.Options{NewID: newID, Log: s.log, Follow: s.followPolicy})
	publisher, source := kafka.NewPublisher(s.ground.kafka), kafka.NewSource(s.ground.kafka)
	s.onClose(publisher.Close)
	s.onClose(source.Close)
	signing, err := s.openSigning(ctx)
	if err != nil {
		return err
	}
	s.sequencer = ledger.NewSequencer(s.ledger, ledger.SequencerConfig{Publisher: publisher, Record: source, Signing: signing, Log: s.log})
	return nil
}

// newID makes ids that sort by time (UUID version 7).
func newID() string { return uuid.Must(uuid.NewV7()).String() }

func newImage() id.Image { return id.Image(newID()) }

func (s *service) openViews(ctx context.Context) (err error) {
	s.views, err = projector.New(projector.Config{
		DB: s.ground.pool, Record: readRecord(s.ground.kafka, s.log), Decode: sealedCodec().Decode, Skipped: skipped(s.ledger), Skips: s.ledger.Skips, Log: s.log,
	}, views()...)
	if err != nil {
		return err
	}
	return s.views.Prepare(ctx)
}

// sealedCodec decodes for those who need nothing personal: they have no keys.
func sealedCodec() *ledger.Codec { return ledger.NewCodec("", ledger.Facts(), nil) }

func (s *service) openProcessor(context.Context) error {
	work, err := kafka.NewSubscriber(s.ground.kafka, "processor", s.log)
	if err != nil {
		return err
	}
	dead := kafka.NewPublisher(s.ground.kafka)
	s.onClose(dead.Close)
	s.processor, err = newProcessor(work, dead, sealedCodec(), s.uses.process, s.log)
	return err
}

func (s *service) openSite(ctx context.Context) error {
	inBrowser, err := verify.New(verifier.Files())
	if err != nil {
		return err
	}
	promised, err := promised(s.cfg.Operator)
	if err != nil {
		return err
	}
	promised.Evidence, promised.Now = s.standings(promised.Promises), s.clock.Now
	promised.Recorded = s.texts.seq
	models, err := s.models(ctx)
	if err != nil {
		return err
	}
	s.site = web.New(web.Config{
		Upload:       countedUpload{s.uses.upload, s.metrics},
		Watch:        s.uses.watch,
		Preview:      s.uses.preview,
		Download:     s.uses.download,
		Delete:       s.uses.delete,
		Receipt:      receipts{s.uses.receipt, s.log},
		Transform:    s.cutter().transform,
		View:         s.imagesView(),
		Hours:        s.hours,
		Tree:         s.tree,
		Verifier:     inBrowser,
		Policy:       promised,
		Models:       models,
		Compare:      s.compare,
		Transparency: s.transparency(),
		Processing:   s.processing(),
		Officer:      s.officerPages(),
		Now:          s.clock.Now,
		Log:          s.log,
		Metrics:      s.metrics,
		Ready:        s.checks(),
		HTTPS:        s.cfg.Listen.TLSCert != "" || s.cfg.Listen.BehindTLSProxy,

		BehindProxy: s.cfg.Listen.BehindTLSProxy,
		Calls:       s.apiLog,
		Own:         s.isOwn,
		Gate:        s.uses.upload.Gate,
	})
	return nil
}
