package usecase

import (
	"context"

	"github.com/bgremover/bgremover/domain/disclosure"
	"github.com/bgremover/bgremover/domain/id"
)

// Approve records that another member of staff approves a request. Who may is for the rules to say:
// also some who do nothing else at the desk.
func (d DisclosureDesk) Approve(ctx context.Context, o Officer, which id.Disclosure) error {
	state, err := d.load(ctx, which)
	if err != nil {
		return err
	}
	m := memberOf(o, true)
	fact, err := disclosure.DecideApprove(state, o.Name)
	if err != nil && m.Named {
		return err
	}
	decision, denied := d.Access.ApproveDisclosure(ctx, m, state.ByAnother(o.Name))
	if denied != nil {
		if ctx.Err() == nil {
			d.Decisions.Refused(decision)
		}
		return denied
	}
	if err != nil {
		return err
	}
	return d.add(ctx, o, which, state, fact, &decision)
}

// Decide asks the rules and records what they say, a no with its reasons. When nothing but
// approvals is missing it is [disclosure.ErrApprovals], and the request stays open.
func (d DisclosureDesk) Decide(ctx context.Context, o Officer, which id.Disclosure) error {
	state, err := d.open(ctx, o, which)
	if err != nil {
		return err
	}
	if _, err := disclosure.DecideVerdict(state, disclosure.Verdict{}); err != nil {
		return err // nothing that the rules should be asked about
	}
	verdict, decision, err := d.ask(ctx, state)
	if err != nil {
		return err
	}
	fact, err := disclosure.DecideVerdict(state, verdict)
	if err != nil {
		d.Decisions.Refused(decision)
		return err
	}
	return d.add(ctx, o, which, state, fact, &decision)
}

// Refuse records that a member of staff says no, whatever the rules would say.
func (d DisclosureDesk) Refuse(ctx context.Context, o Officer, which id.Disclosure) error {
	state, err := d.open(ctx, o, which)
	if err != nil {
		return err
	}
	fact, err := disclosure.DecideRefuse(state)
	if err != nil {
		return err
	}
	return d.add(ctx, o, which, state, fact, nil)
}
