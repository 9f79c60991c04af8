package opa

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/internal/usecase"
)

var _ usecase.Limits = (*Policy)(nil)

// Limit implements [usecase.Limits].
func (p *Policy) Limit(ctx context.Context, kind string, started, due time.Time) (time.Time, event.Decision, error) {
	input := map[string]any{"kind": kind, "started": text(started)}
	if !due.IsZero() {
		input["due"] = text(due)
	}
	a, d, err := p.question("retention.limit").ask(ctx, input)
	if err != nil {
		return time.Time{}, d, because(ctx, ErrDenied, err)
	}
	said, _ := a.more["due"].(string)
	limit, err := time.Parse(time.RFC3339Nano, said)
	if err != nil || !a.allow {
		return time.Time{}, overruled(d), fmt.Errorf("%w (ask %s: it named no time)", ErrDenied, d.Rule)
	}
	return limit, d, nil
}

// Deletion implements [usecase.Limits].
func (p *Policy) Deletion(ctx context.Context, q usecase.Question) (bool, []string, event.Decision, error) {
	a, d, err := p.question("retention.deletion").ask(ctx, map[string]any{
		"kind": q.Kind, "field": q.Field, "started": text(q.Started), "due": text(q.Due), "now": text(q.Now),
		"held": q.Held, "restricted": q.Restricted, "erasure": q.Erasure,
	})
	if err != nil {
		return false, nil, d, because(ctx, ErrDenied, err)
	}
	return a.allow, words(a.more["kept_by"]), d, nil
}

// Hold implements [usecase.Limits].
func (p *Policy) Hold(ctx context.Context, kind string) (bool, event.Decision, error) {
	return p.question("retention.hold").decide(ctx, map[string]any{"kind": kind})
}

// words are the texts of a rule's set, sorted.
func words(set any) (all []string) {
	members, _ := set.([]any)
	for _, m := range members {
		if s, ok := m.(string); ok {
			all = append(all, s)
		}
	}
	slices.Sort(all)
	return all
}
