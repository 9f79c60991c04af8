package usecase

import (
	"context"
	"errors"
	"fmt"

	"github.com/bgremover/bgremover/domain/disclosure"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/staff"
)

// The words of the access data for a look at what a disclosure seals.
const (
	deskCategory = "disclosure"
	deskPurpose  = "disclosure"
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
	for range conflictRetries {
		member, err := loadMember(ctx, d.Record, o.Member)
		if err != nil {
			return Unsealed{}, err
		}
		fact, err := staff.DecideRead(member, staff.Read{Category: deskCategory, Purpose: deskPurpose, Subject: disclosure.Stream(which), Reason: reason})
		if err != nil {
			return Unsealed{}, err
		}
		decision, err := d.Access.AtDesk(ctx, memberOf(o, !fact.Reason.IsEmpty()))
		if err != nil {
			d.Decisions.Refused(decision)
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
