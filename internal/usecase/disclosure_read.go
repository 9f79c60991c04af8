package usecase

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/bgremover/bgremover/domain/disclosure"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/staff"
)

// Unsealed is what a disclosure says, opened.
type Unsealed struct {
	Request disclosure.Requested
	Scope   disclosure.Scoped
}

// Read shows a member of staff what is sealed in a request. That they looked, and why, is in the
// record before they see it.
func (d DisclosureDesk) Read(ctx context.Context, o Officer, which id.Disclosure, reason string) (Unsealed, error) {
	state, err := d.load(ctx, which)
	if err != nil {
		return Unsealed{}, err
	}
	if !state.Known() {
		return Unsealed{}, disclosure.ErrUnknown
	}
	purpose, decision, err := d.mayRead(ctx, o, reason)
	if err != nil {
		return Unsealed{}, err
	}
	for range conflictRetries {
		member, err := loadMember(ctx, d.Record, o.Member)
		if err != nil {
			return Unsealed{}, err
		}
		fact, err := staff.DecideRead(member, staff.Read{Category: deskCategory, Purpose: purpose, Subject: disclosure.Stream(which), Reason: reason})
		if err != nil {
			return Unsealed{}, err
		}
		_, err = d.Record.Append(ctx, event.Append{
			At: d.Now(), Actor: member.Actor(),
			Parts: []event.Part{{Stream: staff.Stream(o.Member), Expected: member.Version(), Facts: []event.Pending{{Fact: fact, Decision: &decision}}}},
		})
		if errors.Is(err, event.ErrConflict) {
			continue // they sign in, or look at something else, at this moment
		}
		if err != nil {
			return Unsealed{}, fmt.Errorf("record who looks at personal data: %w", err)
		}
		return Unsealed{Request: state.Request(), Scope: state.Scope()}, nil
	}
	return Unsealed{}, event.ErrConflict
}

// mayRead asks the rules whether somebody may look, as who works on disclosures or as who looks
// them through, and returns the purpose that they may look for.
func (d DisclosureDesk) mayRead(ctx context.Context, o Officer, reason string) (purpose string, decision event.Decision, err error) {
	for _, purpose = range []string{deskPurpose, auditPurpose} {
		m := memberOf(o, strings.TrimSpace(reason) != "")
		m.Purpose = purpose
		if decision, err = d.Access.AtDesk(ctx, m); err == nil {
			return purpose, decision, nil
		}
		if !errors.Is(err, ErrNotAtDesk) {
			return "", decision, err
		}
	}
	d.Decisions.Refused(decision)
	if strings.TrimSpace(reason) == "" {
		return "", decision, staff.ErrReason
	}
	return "", decision, err
}
