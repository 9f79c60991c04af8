package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bgremover/bgremover/adapters/postgres"
	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/internal/projector"
)

const (
	// shutdownTime is how long requests may take to end when the service stops.
	shutdownTime = 20 * time.Second

	janitorEvery = 5 * time.Second // how soon another process takes over
	dueEvery     = 5 * time.Second // far less than the policy's lead before a deadline

	deliveredEvery = 15 * time.Second
	sweepEvery     = 15 * time.Minute
	purgeEvery     = time.Hour

	// unfinishedKept is how long an upload that a crash cut off lies in the store, unreadable.
	unfinishedKept = 30 * time.Minute
)

// run serves until ctx ends or something that everything rests on falls. ready is told
// the address once requests are answered.
func (s *service) run(ctx context.Context, ready io.Writer) error {
	fronts, err := s.listen(ctx)
	if err != nil {
		return err
	}
	// The record goes on until the processor has ended, and that until the last request. A
	// cutout that is running then is delivered again at the next start.
	below, stopBelow := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBelow()
	var foundation errgroup.Group
	foundation.Go(func() error { return s.ledger.Run(below) })
	foundation.Go(func() error { return s.sequence(below) })
	// Not before the record is known to be whole; and views that are built from nothing would take both
	// cores from the comparison, which everybody waits for.
	foundation.Go(func() error { s.afterComparison(below, func() { s.views.Run(below) }); return nil })

	ctx, stopAbove := context.WithCancelCause(ctx)
	defer stopAbove(nil)
	work, stopWork := context.WithCancel(below)
	defer stopWork()
	var processing errgroup.Group
	processing.Go(func() error { return s.process(work, stopAbove) })

	above, ctx := errgroup.WithContext(ctx)
	for _, c := range s.watches() {
		above.Go(func() error { keepHouse(ctx, c, s.log); return nil })
	}
	for _, c := range s.chores() {
		above.Go(func() error { s.afterComparison(ctx, func() { keepHouse(ctx, c, s.log) }); return nil })
	}
	for _, f := range fronts {
		above.Go(func() error { return f.serve(ctx) })
	}
	above.Go(func() error { s.compareVault(ctx); return nil })
	above.Go(func() error { s.trials.work(ctx); return nil })
	above.Go(func() error { return s.watchGround(ctx) })
	above.Go(func() error { return s.announce(ctx, ready) })
	err = above.Wait()
	stopWork()
	err = errors.Join(err, processing.Wait())
	s.lastVisits(below)
	s.lastDecisions(below)
	s.lastCalls(below)
	stopBelow()
	return errors.Join(err, foundation.Wait())
}

// errProcessorEnded says that no cutout would be made any more.
var errProcessorEnded = errors.New("the processor ended by itself")

// process makes cutouts until ctx ends. A service whose processor ends before that stops as a whole.
func (s *service) process(ctx context.Context, stop context.CancelCauseFunc) error {
	var err error
	s.afterComparison(ctx, func() { err = s.processor.Run(ctx) })
	if ctx.Err() != nil {
		return err
	}
	stop(errProcessorEnded)
	return errors.Join(errProcessorEnded, err)
}

// sequence numbers and publishes. A damaged record is no reason to take the pages down that say so: the
// alarm is out, nothing is appended, and the service is not ready.
func (s *service) sequence(ctx context.Context) error {
	if err := s.sequencer.Run(ctx); err != nil {
		s.log.ErrorContext(ctx, "the record takes nothing until it is whole again", "err", err)
	}
	return nil
}

// watchGround ends the service when its own PostgreSQL died: a start repairs more than limping on.
func (s *service) watchGround(ctx context.Context) error {
	select {
	case <-s.ground.fell:
		return errors.New("the private PostgreSQL stopped by itself; its messages stand in the log at level debug")
	case <-ctx.Done():
		return nil
	}
}

// announce waits until the sequencer works and the vault gives keys, because only then is anything answered.
func (s *service) announce(ctx context.Context, ready io.Writer) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for s.recordWorks(ctx) != nil || s.vaultCompared() != nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
	if err := s.declare(ctx); err != nil {
		return err
	}
	_, err := io.WriteString(ready, s.welcome())
	return err
}

// front is a server on its listener.
type front struct {
	*http.Server
	listener  net.Listener
	cert, key string // files; empty for plain HTTP
}

// listen opens the site's address, the operator's socket and the metrics' address.
func (s *service) listen(ctx context.Context) (fronts []front, err error) {
	defer func() {
		if err != nil {
			for _, f := range fronts {
				err = errors.Join(err, f.listener.Close())
			}
		}
	}()
	site, err := listenTCP(ctx, s.cfg.Listen.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen on --addr: %w", err)
	}
	fronts = append(fronts, front{s.site.Server(), site, s.cfg.Listen.TLSCert, s.cfg.Listen.TLSKey})
	s.address = "http://" + site.Addr().String()
	if s.cfg.Listen.TLSCert != "" {
		s.address = "https://" + site.Addr().String()
	}
	control, err := listenControl(ctx, s.cfg.Data)
	if err != nil {
		return fronts, err
	}
	fronts = append(fronts, front{listener: control, Server: &http.Server{
		Handler:           operator.Routes(s.operatorConfig()),
		ReadHeaderTimeout: time.Minute,
		BaseContext:       func(net.Listener) context.Context { return ctx }, // who follows the log is no reason to stay
	}})
	if s.cfg.Listen.MetricsAddr == "" {
		return fronts, nil
	}
	metrics, err := listenTCP(ctx, s.cfg.Listen.MetricsAddr)
	if err != nil {
		return fronts, fmt.Errorf("listen on --metrics-addr: %w", err)
	}
	return append(fronts, front{Server: &http.Server{Handler: s.metrics.Handler(), ReadHeaderTimeout: time.Minute}, listener: metrics}), nil
}

// operatorConfig wires what the control socket answers.
func (s *service) operatorConfig() operator.Config {
	return operator.Config{
		Log: s.show, Place: s.office().Place, Stream: s.office().Story, Staff: s.staffDesk(), Views: s.projections(), Ground: s.where, Vault: s.vaultDesk(), Heads: s.heads(), Policy: s.policyDesk(), Attestations: s.uses.attest, Now: s.clock.Now, Audit: s.audit, Simulate: s.trials.try, To: s.log, Retention: s.retention.desk(),
	}
}

func listenTCP(ctx context.Context, addr string) (net.Listener, error) {
	return new(net.ListenConfig).Listen(ctx, "tcp", addr)
}

// serve serves until ctx ends, then lets the requests that run come to their end.
func (f front) serve(ctx context.Context) error {
	stopped := make(chan error, 1)
	go func() {
		if f.cert != "" {
			stopped <- f.ServeTLS(f.listener, f.cert, f.key)
			return
		}
		stopped <- f.Serve(f.listener)
	}()
	select {
	case err := <-stopped:
		return fmt.Errorf("serve %s: %w", f.listener.Addr(), err)
	case <-ctx.Done():
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	if err := f.Shutdown(limited); err != nil {
		return errors.Join(err, f.Close())
	}
	return nil
}

// watches are what the service does by itself, whatever works and whatever does not.
func (s *service) watches() []chore {
	return []chore{
		{"measure", measureEvery, s.measure},
		{"hold the vault", holdEvery, s.vault.Hold},
	}
}

// chores are what the service does by itself once the vault gives keys. What the record stamps is aged by the service's
// time, leases and files by the real one.
func (s *service) chores() []chore {
	return append(slices.Concat(s.vaultChores(), s.policyChores(), s.apiLogChores()), []chore{
		{"look after deadlines", janitorEvery, func(ctx context.Context) error {
			_, err := postgres.Exclusive(ctx, s.ground.pool, "janitor", s.janitor)
			return err
		}},
		{"remove unfinished objects", sweepEvery, func(ctx context.Context) error {
			_, err := s.blobs.Sweep(ctx, time.Now().Add(-unfinishedKept))
			return err
		}},
		s.auditing(),
		{"remove what has ended", purgeEvery, s.tidy},
		s.retention.judging(),
		{"record rotations of the log's key", purgeEvery, s.recordRotations},
		{"remind of signatures that end", remindEvery, s.remind},
		{"ask about transfers", transfersEvery, s.declareTransfers},
		s.lookWhoIsUntold(),
		s.verifying(),
		s.recordDecisions(),
		s.recordVisits(),
	}...)
}

// tidy removes what has ended by itself: leases, links and sessions, what views hold again that was deleted
// before, and what a rebuild left. Views wait for a clock that is believed: figures of promises would forget what
// went wrong in the last month.
func (s *service) tidy(ctx context.Context) error {
	_, work := postgres.PurgeWork(ctx, s.ground.pool)
	_, sessions := postgres.PurgeSessions(ctx, s.ground.pool, s.clock.Now())
	sure, err := s.retention.lookAtClock(ctx)
	if err == nil && sure {
		err = s.views.Purge(ctx, s.clock.Now())
	}
	return errors.Join(work, sessions, err)
}

// recordWorks says whether an append would be answered.
func (s *service) recordWorks(ctx context.Context) error {
	state, err := s.ledger.State(ctx)
	switch {
	case err != nil:
		return err
	case state.Halted != "":
		return fmt.Errorf("the record is halted: %s", state.Halted)
	}
	h := s.sequencer.Health()
	// On a database that is shared, another process may hold the sequencer's lock.
	another := s.cfg.Postgres != "" && state.Term > 0
	switch {
	case h.Trouble != "":
		return fmt.Errorf("the sequencer is in trouble: %s", h.Trouble)
	case h.Term == 0 && !another:
		return errors.New("no sequencer has begun its work yet")
	}
	return nil
}

func (s *service) viewsFollow() error {
	for _, h := range s.views.Health() {
		if h.State == projector.Stopped || h.State == projector.Retrying {
			return fmt.Errorf("the view %s is %s: %s", h.View, h.State, h.Cause)
		}
	}
	return nil
}
