package opa

import (
	"context"
	"errors"
	"slices"

	"github.com/bgremover/bgremover/domain/disclosure"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/internal/usecase"
)

var (
	_ usecase.Sharing    = (*Policy)(nil)
	_ usecase.DeskAccess = (*Policy)(nil)
)

// Disclose implements [usecase.Sharing].
func (p *Policy) Disclose(ctx context.Context, q usecase.SharingQuestion) (disclosure.Verdict, event.Decision, error) {
	return p.question("sharing.disclose").verdict(ctx, map[string]any{
		"approvals": int64(q.Approvals), "category": q.Category, "country": q.Country, "document": q.Document,
		"expires": text(q.Expires), "fields": slices.Clone(q.Fields), "now": text(q.Now), "treaty": q.Treaty,
	})
}

// Share implements [usecase.Sharing]. What the service knows of nobody, because it has no
// accounts, nobody has objected to: objection, restriction and Global Privacy Control are no.
//
// Rules of a release before, which stay in force after an upgrade until officers activate others, know no approvals: asked
// about them they would decide nothing, and whatever a partner asks for would be refused for good.
func (p *Policy) Share(ctx context.Context, q usecase.SharingQuestion) (disclosure.Verdict, event.Decision, error) {
	r := p.inForce.Load()
	input := map[string]any{
		"basis": q.Basis, "category": q.Category, "expires": text(q.Expires), "fields": slices.Clone(q.Fields), "gpc": false,
		"now": text(q.Now), "objected": false, "purpose": q.Purpose, "recipient": q.Recipient, "restricted": false,
	}
	if takesApprovals(r.data) {
		input["approvals"] = int64(q.Approvals)
	}
	return r.questions["sharing.share"].verdict(ctx, input)
}

// takesApprovals says whether the data has how many approvals each recipient takes.
func takesApprovals(data map[string]any) bool {
	for _, recipient := range entries(data["recipients"]) {
		_, has := entries(recipient)["approvals"]
		return has // the schema demands it of all, or of none
	}
	return false
}

// verdict asks a rule whose no has reasons. What it does not decide is a no for one of its own.
func (q *question) verdict(ctx context.Context, input map[string]any) (disclosure.Verdict, event.Decision, error) {
	a, d, err := q.ask(ctx, input)
	switch {
	case err == nil:
		return disclosure.Verdict{Allow: a.allow, Reasons: a.refusedBy()}, d, nil
	case errors.Is(err, errUndecided):
		return disclosure.Verdict{Reasons: []string{disclosure.ReasonUndecided}}, d, nil
	}
	return disclosure.Verdict{}, d, because(ctx, ErrDenied, err)
}

// AtDesk implements [usecase.DeskAccess].
func (p *Policy) AtDesk(ctx context.Context, m usecase.DeskMember) (event.Decision, error) {
	return p.question("access.personal").admits(ctx, map[string]any{
		"assigned": true, "category": "disclosure", "named": m.Named, "purpose": m.Purpose, "reason": m.Reason, "role": string(m.Role),
	})
}

// ApproveDisclosure implements [usecase.DeskAccess].
func (p *Policy) ApproveDisclosure(ctx context.Context, m usecase.DeskMember, second bool) (event.Decision, error) {
	return p.question("access.act").admits(ctx, map[string]any{
		"action": "approve_disclosure", "named": m.Named, "role": string(m.Role), "second": second,
	})
}

// admits asks a rule whether a member of staff may do something. A no is [usecase.ErrNotAtDesk], and so is
// no answer: of roles, the rules name those that may.
func (q *question) admits(ctx context.Context, input map[string]any) (event.Decision, error) {
	a, d, err := q.ask(ctx, input)
	switch {
	case errors.Is(err, errUndecided), err == nil && !a.allow:
		return d, usecase.ErrNotAtDesk
	case err != nil:
		return d, because(ctx, ErrDenied, err)
	}
	return d, nil
}
