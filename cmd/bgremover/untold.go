package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/projections/disclosures"
)

const (
	untoldEvery = 10 * time.Minute
	// untoldAgain is how long after an alarm the log has it again, while nobody does anything.
	untoldAgain = 24 * time.Hour
)

// untold calls somebody when those whom a disclosure concerns should know of it by now and do not: nothing else would notice
// that the day came until which an order had forbidden it.
type untold struct {
	count   func(ctx context.Context, now time.Time) (n int64, since time.Time, err error)
	measure func(late time.Duration)
	now     func() time.Time
	log     *slog.Logger
	last    time.Time // of the alarms
}

// lookWhoIsUntold is the chore.
func (s *service) lookWhoIsUntold() chore {
	u := untold{
		count: func(ctx context.Context, now time.Time) (int64, time.Time, error) {
			return disclosures.Untold(ctx, s.ground.pool, now)
		},
		measure: s.metrics.Untold, now: s.clock.Now, log: s.log,
	}
	return chore{"look who has to be told of a disclosure", untoldEvery, u.look}
}

func (u *untold) look(ctx context.Context) error {
	now := u.now()
	n, since, err := u.count(ctx, now)
	if err != nil {
		return err
	}
	late := now.Sub(since)
	u.measure(late)
	if late < usecase.UntoldAlarm || now.Sub(u.last) < untoldAgain {
		return nil
	}
	u.last = now
	u.log.ErrorContext(ctx, "ALARM: data was given away, and those whom it concerns should know by now; look at /officer/disclosures", "disclosures", n, "for", late.Round(time.Minute).String())
	return nil
}
