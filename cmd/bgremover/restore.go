package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bgremover/bgremover/adapters/kafka"
	"github.com/bgremover/bgremover/adapters/postgres"
	"github.com/bgremover/bgremover/internal/clock"
	"github.com/bgremover/bgremover/internal/config"
	"github.com/bgremover/bgremover/internal/projector"
	"github.com/bgremover/bgremover/internal/telemetry"
)

// restoreCmd is `bgremover restore`: an empty database becomes again what the record in Kafka says.
type restoreCmd struct {
	FromKafka bool   `name:"from-kafka" required:"" help:"Make everything in PostgreSQL again from the record in Kafka, except the keys."`
	Vault     string `name:"vault" type:"existingfile" placeholder:"FILE" help:"Take this backup of the vault first, as 'bgremover vault restore' does; not needed when the database has its vault."`
	config.Tool
}

func (c *restoreCmd) run(ctx context.Context, std streams) (err error) {
	if c.Vault != "" {
		if err := (&vaultRestoreCmd{File: c.Vault, Tool: c.Tool}).run(ctx, std); err != nil {
			return err
		}
	}
	open, settings, err := openVaultTools(ctx, &c.Ground, std)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, open.close()) }()
	if open.running {
		return fmt.Errorf("a service is running on %s; stop it first: it has a record already, and takes by itself what Kafka has more", c.Data)
	}
	log, err := telemetry.NewLog(std.err, "auto", "warn")
	if err != nil {
		return err
	}
	moved, err := clock.Open(filepath.Join(c.Data, "clock-offset"), nil)
	if err != nil {
		return err
	}
	heads := config.Heads{Every: time.Hour} // the next start signs what is newer than the last one
	s := &service{cfg: config.Serve{Ground: c.Ground, Heads: heads}, log: log, ground: open.ground, clock: moved}
	defer func() { err = errors.Join(err, s.close()) }()
	facts, err := s.mayRestore(ctx)
	if err != nil {
		return err
	}
	if s.vault, err = postgres.OpenVault(ctx, open.db, settings); err != nil {
		return err
	}
	if err := errors.Join(s.openLedger(ctx), s.openViews(ctx)); err != nil {
		return err
	}
	if err := s.refill(ctx, newProgress(std.err, "restoring"), facts); err != nil {
		return err
	}
	through, err := s.ledger.Published(ctx)
	if err == nil {
		_, err = fmt.Fprintf(std.out, "%d facts are back, and every view has them. Start the service: it compares the keys with the record before it is ready.\n", through)
	}
	return err
}

// mayRestore makes the tables, and refuses to restore over something. It returns about how
// many facts Kafka has.
func (s *service) mayRestore(ctx context.Context) (facts int64, err error) {
	source := kafka.NewSource(s.ground.kafka)
	defer func() { err = errors.Join(err, source.Close()) }()
	record, err := source.Fetch(ctx, 0, 0)
	if err != nil {
		return 0, err
	}
	if record.End == 0 {
		return 0, errors.New("the record in this Kafka is empty, so there is nothing to restore; is it the right one?")
	}
	if err := s.makeTables(ctx); err != nil {
		return 0, err
	}
	switch used, err := postgres.VaultUsed(ctx, s.ground.db); {
	case err != nil:
		return 0, err
	case !used:
		return 0, errors.New("the vault of this database is empty, and without its keys nothing that the record seals can be read; give its backup with --vault FILE")
	}
	var used bool
	err = s.ground.pool.QueryRow(ctx, "select seq > 0 or exists (select from ledger.facts) from ledger.head").Scan(&used)
	if err == nil && used {
		err = errors.New("this database has a record already; restore into an empty one (a service that is started on an older one takes by itself what Kafka has more)")
	}
	return record.End, err
}

// refill lets a sequencer adopt the record, and the views follow it, until both have all of it.
func (s *service) refill(ctx context.Context, shown *progress, facts int64) error {
	defer shown.end()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() error { return s.ledger.Run(ctx) })
	work.Go(func() error { return s.sequencer.Run(ctx) })
	work.Go(func() error { s.views.Run(ctx); return nil })
	work.Go(func() error {
		defer stop()
		return s.watchRefill(ctx, shown, facts)
	})
	return work.Wait()
}

// stoppedFor is how long a view may be stopped once the record is back: the record can hold
// that the fact is to be skipped, and a view asks for that every few seconds.
const stoppedFor = 10 * time.Second

func (s *service) watchRefill(ctx context.Context, shown *progress, facts int64) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	var last int64
	var moved time.Time
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		state, err := s.ledger.State(ctx)
		if err != nil {
			return err
		}
		if state.Halted != "" {
			return fmt.Errorf("the record is halted: %s", state.Halted)
		}
		least, stopped := state.Head, projector.Health{}
		for _, h := range s.views.Health() {
			least = min(least, h.Seq)
			if h.State == projector.Stopped {
				stopped = h
			}
		}
		shown.at(least, facts)
		// The sequencer has a term once everything that Kafka has is adopted.
		back := s.sequencer.Health().Term > 0 && state.Head == state.Published
		if back && least == state.Published {
			return nil
		}
		if !back || least != last || stopped.View == "" {
			last, moved = least, time.Now()
		}
		if time.Since(moved) > stoppedFor {
			return fmt.Errorf("the record is back, but the view %s stopped after fact %d: %s; start the service, and see bgremover projections", stopped.View, stopped.Seq, stopped.Cause)
		}
	}
}
