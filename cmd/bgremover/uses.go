package main

import (
	"context"
	"time"

	"github.com/bgremover/bgremover/adapters/postgres"
	"github.com/bgremover/bgremover/adapters/web"
	"github.com/bgremover/bgremover/adapters/web/capability"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/projections/analytics"
	"github.com/bgremover/bgremover/projections/images"
)

// uses are the use cases, each with what it asks for.
type uses struct {
	upload    usecase.Upload
	process   usecase.Process
	watch     usecase.Watch
	preview   usecase.Preview
	download  usecase.Download
	delete    usecase.Delete
	receipt   usecase.Receipt
	deleteDue usecase.DeleteDue
	attest    usecase.Attest

	compareKeys usecase.CompareKeys
	endKeys     usecase.EndKeys
}

func (s *service) openUses(context.Context) error {
	pool, cut, deliveries := s.ground.pool, s.cutter(), postgres.NewDeliveries(s.ground.pool)
	leases := postgres.NewLeases(pool)
	now := s.milliseconds
	s.decisions, s.trials = s.newDecisionLog(), newSimulations(s)
	s.apiLog = s.newAPILog()
	s.retention = s.newRetention()
	attest, err := s.attest()
	if err != nil {
		return err
	}
	s.uses = uses{
		attest: attest,
		upload: usecase.Upload{
			Record: s.ledger, Vault: s.vault, Blobs: s.blobs, Retention: usecase.ToldRetention{Retention: s.policy, Decisions: s.decisions}, Secrets: s.vault,
			Requests: postgres.NewRequests(pool), Inspect: inspect, Gate: s.gate(), Crowded: s.crowded, Holdup: s.retention.refuses, Now: now, NewImage: newImage,
		},
		process: usecase.Process{
			Record: s.ledger, Vault: s.vault, Blobs: s.blobs, Cutter: cut, Attempts: postgres.NewAttempts(pool), Reads: s.reads(), Now: now,
		},
		watch:   usecase.Watch{Record: s.ledger},
		preview: usecase.Preview{Record: s.ledger, Vault: s.vault, Blobs: s.blobs, Shrinker: cut, Reads: s.reads()},
		download: usecase.Download{
			Record: s.ledger, Vault: s.vault, Blobs: s.blobs, Retention: s.policy,
			Leases: leases, Deliveries: deliveries, Reads: s.reads(), Now: now,
		},
		delete: usecase.Delete{Record: s.ledger, Blobs: s.blobs, Retention: s.policy, Decisions: s.decisions, Now: now},
		receipt: usecase.Receipt{
			Record: s.ledger, Vault: s.vault, Blobs: s.blobs, Notary: notary{s.tree, s.logKeys}, Now: now,
		},
		deleteDue: usecase.DeleteDue{
			Record: s.ledger, Blobs: s.blobs, Retention: s.policy, Images: dueImages{s}, Leases: leases, Deliveries: deliveries, Now: s.retention.now,
		},

		compareKeys: usecase.CompareKeys{Record: s.ledger, Endings: s.ledger, Keys: s.vault, Policy: s.policy, Now: now},
		endKeys:     usecase.EndKeys{Record: s.ledger, Keys: s.retention.dueKeys(), Policy: s.policy, Sure: s.retention.lookAtClock, Held: s.retention.heldKeys, Now: s.retention.now},
	}
	return nil
}

// milliseconds is the time as the record holds it: answers speak of the same moments.
func (s *service) milliseconds() time.Time { return s.clock.Now().Truncate(time.Millisecond) }

func (s *service) cutter() cutter { return cutter{s.model.Model, &s.busy, s.metrics.Stage, s.asides} }

// dueImages asks the view of images.
type dueImages struct{ s *service }

// dueAhead is how far ahead due pictures are listed: further than the policy's lead.
const dueAhead = time.Minute

// Due implements usecase.DueImages. The view is waited for, so that what was just deleted is
// not listed again; but a view that does not follow is no reason to delete nothing.
func (d dueImages) Due(ctx context.Context, now time.Time, limit int) ([]id.Image, error) {
	if err := d.s.caughtUp(images.Name)(ctx); err != nil {
		d.s.log.WarnContext(ctx, "due pictures are listed by a view that is behind", "err", err)
	}
	return images.DueBefore(ctx, d.s.ground.pool, now.Add(dueAhead), limit)
}

// crowdedFrom is how many pictures may wait for their cutout: some minutes' work for a
// small machine. What comes on top is asked to come back.
const crowdedFrom = 500

func (s *service) crowded() bool { return s.waiting.Load() >= crowdedFrom }

// caughtUp waits until a view rests on everything that is published now.
func (s *service) caughtUp(view string) func(context.Context) error {
	return func(ctx context.Context) error {
		through, err := s.ledger.Published(ctx)
		if err != nil {
			return err
		}
		return s.views.WaitFor(ctx, view, through)
	}
}

func (s *service) imagesView() capability.View {
	return capability.View{
		CaughtUp: s.caughtUp(images.Name),
		Get: func(ctx context.Context, img id.Image) (images.Picture, error) {
			return images.Get(ctx, s.ground.pool, img)
		},
	}
}

// hours asks the view of analytics, for everybody: small groups are hidden, and so is the
// hour that runs, in which one could see single uploads arrive.
func (s *service) hours(ctx context.Context, from, to time.Time) ([]analytics.Hour, error) {
	if full := s.clock.Now().Truncate(time.Hour); to.After(full) {
		to = full
	}
	return analytics.Hours(ctx, s.ground.pool, from, to, analytics.Smallest)
}

// checks are what has to work before requests are sent here. The model is warm by then.
func (s *service) checks() []web.Check {
	return []web.Check{
		{Name: "record", OK: func(ctx context.Context) error { return s.recordWorks(ctx) }},
		{Name: "vault", OK: func(context.Context) error { return s.vaultCompared() }},
		{Name: "views", OK: func(context.Context) error { return s.viewsFollow() }},
	}
}
