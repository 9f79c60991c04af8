package usecase

import (
	"context"
	"time"

	"github.com/bgremover/bgremover/domain/disclosure"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
)

// UntoldAlarm is how long those whom a disclosure concerns may stay untold, once they can be told, before somebody is
// called. They should know when their data is given (GDPR article 14(3)(c)); a day lets whoever is at the desk do it.
const UntoldAlarm = 24 * time.Hour

// Tell records that those whom a disclosure concerns were told of it.
func (d DisclosureDesk) Tell(ctx context.Context, o Officer, which id.Disclosure) error {
	return d.settle(ctx, o, which, func(s disclosure.Disclosure, at time.Time) (event.Fact, error) {
		return disclosure.DecideTell(s, at)
	})
}

// Unreachable records that nobody can be told, because what is held has no contact in it.
func (d DisclosureDesk) Unreachable(ctx context.Context, o Officer, which id.Disclosure) error {
	return d.settle(ctx, o, which, func(s disclosure.Disclosure, at time.Time) (event.Fact, error) {
		return disclosure.DecideUnreachable(s, at)
	})
}

// Defer records until when an order forbids to tell anybody.
func (d DisclosureDesk) Defer(ctx context.Context, o Officer, which id.Disclosure, until time.Time) error {
	return d.settle(ctx, o, which, func(s disclosure.Disclosure, at time.Time) (event.Fact, error) {
		return disclosure.DecideDefer(s, until, at)
	})
}

func (d DisclosureDesk) settle(ctx context.Context, o Officer, which id.Disclosure, decide func(disclosure.Disclosure, time.Time) (event.Fact, error)) error {
	state, err := d.open(ctx, o, which)
	if err != nil {
		return err
	}
	fact, err := decide(state, d.Now())
	if err != nil {
		return err
	}
	return d.add(ctx, o, which, state, fact, nil)
}
