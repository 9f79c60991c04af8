package main

import (
	"context"
	"fmt"

	"github.com/bgremover/bgremover/adapters/web/officer"
	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/domain/refusal"
)

// trialPages is what officers' pages know and start.
func (s *service) trialPages() *officer.Trials {
	d := s.trials
	return &officer.Trials{
		Start: d.start,
		State: d.state,
		Decisions: func(ctx context.Context, from, to int64, each func(event.Envelope) error) error {
			through, err := s.ledger.Published(ctx)
			if to == 0 || to > through {
				to = through
			}
			if err != nil || from > to {
				return err
			}
			return s.between(ctx, from, to, each)
		},
	}
}

// start has a stored revision tried in the background.
func (d *simulations) start(ctx context.Context, revision int64) error {
	stored, err := d.stored(ctx, revision)
	if err != nil {
		return err
	}
	if stored == nil {
		return policy.ErrNotStored
	}
	if d.state().Running != 0 {
		return errSimulating
	}
	select {
	case d.wants <- revision:
		return nil
	default:
		return errSimulating
	}
}

func (d *simulations) state() officer.TrialState {
	d.mu.Lock()
	defer d.mu.Unlock()
	state := officer.TrialState{Running: d.now.revision, Began: d.now.began, Seq: d.now.seq, Of: d.now.of}
	for _, t := range d.last {
		state.Last = append(state.Last, t.shown())
	}
	return state
}

// shown is a report as the page has it. Of an error of ours, only the service's log says more.
func (t tried) shown() officer.Trial {
	out := officer.Trial{
		Revision: t.revision, Ended: t.ended, Digest: t.digest,
		From: t.report.From, To: t.report.To, Facts: t.report.Facts, Limits: t.report.Limits,
	}
	if t.err != nil {
		out.Failed = "Something went wrong in the service."
		if refused, ok := refusal.As(t.err); ok {
			out.Failed = refused.Text + " " + refused.Help
		}
	}
	for _, r := range t.report.Rules {
		out.Rules = append(out.Rules, officer.TriedRule{
			Rule: r.Rule, Same: r.Same, Different: r.Different, NotCompared: r.Erased + r.Unrecorded + r.WithoutBundle, Findings: r.Findings(),
		})
	}
	for _, e := range t.report.Excluded {
		out.Excluded = append(out.Excluded, fmt.Sprintf("%s is left out with %d reads that were only counted, and %d refusals whose questions were not kept.", e.Rule, e.Reads, e.More))
	}
	return out
}

// work runs what was asked for on the page, until ctx ends.
func (d *simulations) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case revision := <-d.wants:
			done, _, err := d.run(ctx, operator.SimulationRequest{Revision: revision}, event.Officer, func(int64, int64) {})
			if err == nil || ctx.Err() != nil {
				continue
			}
			d.s.log.ErrorContext(ctx, "a simulation failed", "revision", revision, "err", err)
			if done.ended.IsZero() { // it did not even begin
				d.end(tried{revision: revision, ended: d.s.clock.Now(), err: err})
			}
		}
	}
}
