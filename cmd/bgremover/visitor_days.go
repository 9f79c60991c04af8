package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/visit"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/projections/trail"
)

// visitorDays finds visits by way of the view of all facts, and opens each with its key: nothing else knows whose
// they are. A visit begins at the time of its fact, so that its day is the day of that.
type visitorDays struct {
	db       trail.DB
	caughtUp func(context.Context) error // with that view
	load     func(context.Context, event.Stream) ([]event.Envelope, error)
	oldest   func(context.Context) (time.Time, error) // when the oldest visit began that can be left
}

var _ usecase.VisitorDays = visitorDays{}

func (s *service) visitorDays() visitorDays {
	return visitorDays{
		db: s.ground.pool, caughtUp: s.caughtUp(trail.Name), load: s.ledger.Load,
		oldest: func(ctx context.Context) (time.Time, error) {
			return usecase.LimitUpTo(ctx, s.policy, "technical", s.milliseconds())
		},
	}
}

// on is where the visits of some days are.
func (v visitorDays) on(ctx context.Context, first, last string) (f trail.Filter, err error) {
	f = trail.Filter{Type: visit.Began{}.EventName(), Oldest: true}
	if first == "" {
		f.From, err = v.oldest(ctx)
	} else {
		f.From, err = time.Parse(time.DateOnly, first)
	}
	if err != nil {
		return f, fmt.Errorf("the first day: %w", err)
	}
	to, err := time.Parse(time.DateOnly, last)
	if err != nil {
		return f, fmt.Errorf("the last day: %w", err)
	}
	f.To = to.AddDate(0, 0, 1)
	return f, v.caughtUp(ctx)
}

// Count implements usecase.VisitorDays.
func (v visitorDays) Count(ctx context.Context, first, last string) (int64, error) {
	f, err := v.on(ctx, first, last)
	if err != nil {
		return 0, err
	}
	return trail.Count(ctx, v.db, f)
}

// Began implements usecase.VisitorDays.
func (v visitorDays) Began(ctx context.Context, first, last string, each func(visit.Began) error) error {
	next, err := v.on(ctx, first, last)
	if err != nil {
		return err
	}
	for {
		page, err := trail.List(ctx, v.db, next)
		if err != nil {
			return err
		}
		visits, err := v.open(ctx, page)
		if err != nil {
			return err
		}
		for _, began := range visits {
			if err := each(began); err != nil {
				return err
			}
		}
		if len(page) < trail.Most {
			return nil
		}
		next.After = page[len(page)-1].Seq
	}
}

// openers is how many visits are opened at a time. Most of the time is waiting for PostgreSQL, of whose connections
// everybody else needs the larger part.
const openers = 6

// open opens visits, and returns them in their order.
func (v visitorDays) open(ctx context.Context, facts []trail.Fact) ([]visit.Began, error) {
	visits := make([]visit.Began, len(facts))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	for worker := range openers {
		all.Go(func() {
			for i := worker; i < len(facts) && ctx.Err() == nil; i += openers {
				var err error
				if visits[i], err = v.one(ctx, facts[i].Stream); err != nil {
					cancel(err)
				}
			}
		})
	}
	all.Wait()
	return visits, context.Cause(ctx)
}

// one opens the visit that began in a stream.
func (v visitorDays) one(ctx context.Context, stream event.Stream) (visit.Began, error) {
	facts, err := v.load(ctx, stream)
	if err != nil {
		return visit.Began{}, err
	}
	for _, env := range facts {
		if began, ok := env.Fact.(visit.Began); ok {
			return began, nil
		}
	}
	return visit.Began{}, fmt.Errorf("the record has no visit that began as %s", stream)
}
