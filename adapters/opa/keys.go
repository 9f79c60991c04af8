package opa

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/internal/usecase"
)

var _ usecase.KeyPolicy = (*Policy)(nil)

// Lifetime implements [usecase.KeyPolicy]. What a fact ends has the same lifetime whenever it is
// made, so the rule is asked once for each such kind.
func (p *Policy) Lifetime(ctx context.Context, kind string, made time.Time) (usecase.Lifetime, error) {
	in := p.inForce.Load()
	if known, ok := in.lifetimes.Load(kind); ok {
		return known.(usecase.Lifetime), nil
	}
	a, _, err := in.questions["keys.lifetime"].ask(ctx, map[string]any{"kind": kind, "made": text(made)})
	switch {
	case errors.Is(err, errUndecided), errors.Is(err, errNotCanonical), err == nil && !a.allow:
		return usecase.Lifetime{}, fmt.Errorf("a key of the kind %q: %w", kind, usecase.ErrKeyKind)
	case err != nil:
		return usecase.Lifetime{}, because(ctx, ErrDenied, err)
	}
	own, ok := a.more["owns_stream"].(bool)
	if !ok {
		return usecase.Lifetime{}, fmt.Errorf("%w (ask %s: it did not say whose the stream is)", ErrDenied, "keys.lifetime")
	}
	lifetime := usecase.Lifetime{OwnStream: own}
	said, ends := a.more["due"]
	if !ends {
		in.lifetimes.Store(kind, lifetime)
		return lifetime, nil
	}
	due, _ := said.(string)
	if lifetime.Due, err = time.Parse(time.RFC3339Nano, due); err != nil {
		return usecase.Lifetime{}, fmt.Errorf("%w (ask %s: it named no time)", ErrDenied, "keys.lifetime")
	}
	return lifetime, nil
}

// KeyDue implements [usecase.KeyPolicy].
func (p *Policy) KeyDue(ctx context.Context, kind string, due, now time.Time) (bool, event.Decision, error) {
	return p.question("keys.due").decide(ctx, map[string]any{"kind": kind, "due": text(due), "now": text(now)})
}

// WrappingDue implements [usecase.KeyPolicy]. It concerns no fact, so the decision stays here.
func (p *Policy) WrappingDue(ctx context.Context, retired, now time.Time) (bool, error) {
	destroy, _, err := p.question("keys.retired").decide(ctx, map[string]any{"retired": text(retired), "now": text(now)})
	return destroy, err
}
