package opa

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/internal/usecase"
)

// kindImage is what the retention rules call a picture with its result.
const kindImage = "image"

var _ usecase.Retention = (*Policy)(nil)

// checkPeriod asks the rule itself, about a picture of any day, whether the configured period will do.
func (p *Policy) checkPeriod(ctx context.Context, period time.Duration) error {
	if period%time.Second != 0 {
		return fmt.Errorf("--delete-after %v: give whole seconds", period)
	}
	a, _, err := p.question("retention.deadline").ask(ctx, p.upload(time.Unix(0, 0)))
	switch {
	case errors.Is(err, errUndecided):
		return fmt.Errorf("--delete-after %v: this is no period after which photos can be deleted", period)
	case err != nil:
		return err
	case !a.allow:
		return fmt.Errorf("--delete-after %v: photos are deleted after %v at the latest (%s, policy revision %d); choose at most that",
			period, a.maximum(), "retention.deadline", p.Revision())
	}
	_, _, err = p.Deadline(ctx, time.Unix(0, 0))
	return err
}

// maximum is the longest period that the rule allows; 0 if it did not say.
func (a answer) maximum() time.Duration {
	n, _ := a.more["maximum_s"].(json.Number)
	seconds, _ := n.Int64()
	return time.Duration(seconds) * time.Second
}

func (p *Policy) upload(at time.Time) map[string]any {
	return map[string]any{"kind": kindImage, "period_s": p.period, "uploaded": text(at)}
}

// text is a time as rules read it.
func text(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// Deadline implements [usecase.Retention]. Without an answer it is [image.ErrNoDeadline].
func (p *Policy) Deadline(ctx context.Context, uploaded time.Time) (time.Time, event.Decision, error) {
	a, d, err := p.question("retention.deadline").ask(ctx, p.upload(uploaded))
	if err != nil {
		return time.Time{}, d, because(ctx, image.ErrNoDeadline, err)
	}
	if !a.allow {
		return time.Time{}, d, image.ErrNoDeadline
	}
	said, _ := a.more["due"].(string)
	due, err := time.Parse(time.RFC3339Nano, said)
	if err != nil {
		return time.Time{}, overruled(d), fmt.Errorf("%w (ask %s: it named no time)", image.ErrNoDeadline, d.Rule)
	}
	return due, d, nil
}

// Downloaded implements [usecase.Retention].
func (p *Policy) Downloaded(ctx context.Context, whole bool) (bool, event.Decision, error) {
	return p.question("retention.downloaded").decide(ctx, map[string]any{"kind": kindImage, "whole": whole})
}

// Due implements [usecase.Retention].
func (p *Policy) Due(ctx context.Context, due, now time.Time) (bool, event.Decision, error) {
	return p.question("retention.due").decide(ctx, map[string]any{"kind": kindImage, "due": text(due), "now": text(now)})
}

// Requested implements [usecase.Retention].
func (p *Policy) Requested(ctx context.Context) (bool, event.Decision, error) {
	return p.question("retention.requested").decide(ctx, map[string]any{"kind": kindImage})
}

// decide asks a rule that says yes or no. A no is an answer; no answer is [ErrDenied].
func (q *question) decide(ctx context.Context, input map[string]any) (bool, event.Decision, error) {
	a, d, err := q.ask(ctx, input)
	if err != nil {
		return false, d, because(ctx, ErrDenied, err)
	}
	return a.allow, d, nil
}

// because joins a refusal with why no rule decided. A caller who has gone was refused nothing.
func because(ctx context.Context, refused *refusal.Error, err error) error {
	if gone := ctx.Err(); gone != nil {
		return gone
	}
	return fmt.Errorf("%w (%w)", refused, err)
}
