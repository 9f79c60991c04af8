package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/bgremover/bgremover/adapters/postgres"
	"github.com/bgremover/bgremover/internal/audit"
)

// The service verifies its own record after the start and daily, slowly: at this rate it
// takes about a twentieth of a core, and less than two minutes for a million facts.
const (
	verifyAfter = time.Minute // the start is over by then
	verifyEvery = 24 * time.Hour
	verifyAgain = time.Hour // how soon it is tried again where Kafka or Postgres was away
	verifyRate  = 10_000    // facts a second
)

// verifying is the chore: one process of the service verifies, the others need not.
func (s *service) verifying() chore {
	var last time.Time // of the last verdict
	return chore{"verify the record", verifyAgain, func(ctx context.Context) error {
		if !last.IsZero() && time.Since(last) < verifyEvery-verifyAgain/2 {
			return nil
		}
		if last.IsZero() && !sleepFor(ctx, verifyAfter) {
			return nil
		}
		verdict := false
		_, err := postgres.Exclusive(ctx, s.ground.pool, "verify", func(ctx context.Context) error {
			report, err := s.verify(ctx)
			if err != nil {
				return err
			}
			verdict = true
			s.tellVerdict(ctx, report)
			return nil
		})
		if verdict {
			last = time.Now()
		}
		return err
	}}
}

// sleepFor says whether the time has passed before ctx ended.
func sleepFor(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func (s *service) verify(ctx context.Context) (audit.Report, error) {
	o := audit.Options{Rate: verifyRate, Workers: 1, Patience: verifyPatience}
	withLedger(&o, s.ground.pool)
	return verifyRecord(ctx, s.ground.kafka, o)
}

// tellVerdict raises the alarm if something is wrong. What is told of a finding is its kind,
// the number of the fact, and text of the auditor's own.
func (s *service) tellVerdict(ctx context.Context, r audit.Report) {
	s.metrics.Verified(r.Facts, !r.Holds())
	if r.Holds() {
		s.log.InfoContext(ctx, "the record was verified", slog.Int64("facts", r.Facts), slog.Int64("repeated", r.Repeated),
			slog.Int64("checkpoints", r.Checkpoints), slog.Int64("covered", r.Covered))
		return
	}
	s.log.ErrorContext(ctx, "ALARM: the record does not hold; keep everything as it is, look at bgremover log verify, and find out who could write to Kafka",
		slog.String("what", string(r.Finding.What)), slog.Int64("seq", r.Finding.Seq), slog.Int64("through", r.Finding.Through),
		slog.String("finding", r.Finding.Text))
}
