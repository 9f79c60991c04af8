package usecase

import (
	"context"
	"fmt"
	"time"

	"github.com/bgremover/bgremover/domain/disclosure"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/domain/visit"
)

// Sharing is the policy about what leaves the service.
type Sharing interface {
	// Disclose answers whether an authority may be given what it asks for, and Share whether
	// anybody else may. What no rule decides is a no for the reason "undecided", with its decision; an error
	// says that nobody could be asked.
	Disclose(ctx context.Context, q SharingQuestion) (disclosure.Verdict, event.Decision, error)
	Share(ctx context.Context, q SharingQuestion) (disclosure.Verdict, event.Decision, error)
}

// SharingQuestion is what the rules of sharing look at. Country, Document and Treaty count of
// authorities only; Recipient, Purpose and Basis of all others only.
type SharingQuestion struct {
	Recipient, Purpose, Category, Basis, Country string
	Fields                                       []string
	Document, Treaty                             bool
	Approvals                                    int
	Expires, Now                                 time.Time
}

// DeskAccess is the policy about who may do what at the desk. A no is [ErrNotAtDesk].
type DeskAccess interface {
	// AtDesk answers whether a member of staff may work on disclosures, and see what is sealed in
	// them if there is a reason.
	AtDesk(ctx context.Context, m DeskMember) (event.Decision, error)
	// ApproveDisclosure answers whether they may approve one; second says that somebody else registered it.
	ApproveDisclosure(ctx context.Context, m DeskMember, second bool) (event.Decision, error)
}

// DeskMember is what the rules of access know of a member of staff. Disclosures are the business of
// everybody at the desk: who opens one has it assigned.
type DeskMember struct {
	Role          event.Role
	Purpose       string // of the access data: [deskPurpose], or [auditPurpose] for who only looks
	Named, Reason bool
}

// The words of the access data for who works on disclosures and who looks them through.
const (
	deskCategory = "disclosure"
	deskPurpose  = "disclosure"
	auditPurpose = "audit"
)

// ErrNotAtDesk refuses members of staff in another role.
var ErrNotAtDesk = refusal.New(refusal.Forbidden, "disclosure.not_at_desk",
	"Requests for data are handled by officers, signed in under their name.", "Ask one of them.")

// VisitorDays lists technical data.
type VisitorDays interface {
	// Count returns how many visitor-days began from the first to the last day, as Began has them, without opening any.
	Count(ctx context.Context, first, last string) (int64, error)
	// Began calls each for every visitor-day that began from the first to the last day, both
	// inclusive and in the form 2026-11-24; no first day is as far back as there is data. What is
	// erased is erased. An error of each ends it.
	Began(ctx context.Context, first, last string, each func(visit.Began) error) error
}

// Sealer seals exports for their recipients.
type Sealer interface {
	// Recipient returns a public key as it is recorded, or [disclosure.ErrNobody].
	Recipient(key string) (personal.Text, error)
	// Seal returns the export as JSON, encrypted for the recipient alone. Nothing of it touches a disk.
	Seal(recipient personal.Text, e Export) ([]byte, error)
}

// Export is what is given: records of granted fields.
type Export struct {
	Disclosure id.Disclosure
	Category   string
	Fields     []string
	Made       time.Time
	Records    []map[string]personal.Text
}

// DisclosureDesk is where a request for data from outside is registered, approved, decided,
// carried out or refused: disclosure_register.go, disclosure_decide.go, disclosure_make.go,
// disclosure_tell.go, disclosure_read.go. It has no way to the store of pictures.
type DisclosureDesk struct {
	Record        Record
	Vault         Vault
	Sharing       Sharing
	Access        DeskAccess
	Decisions     Decisions
	Visits        VisitorDays
	Sealer        Sealer
	Now           Now
	NewDisclosure func() id.Disclosure
}

// enter lets somebody work at the desk.
func (d DisclosureDesk) enter(ctx context.Context, o Officer) (event.Decision, error) {
	decision, err := d.Access.AtDesk(ctx, memberOf(o, true))
	if err != nil && ctx.Err() == nil { // whoever has gone was refused nothing
		d.Decisions.Refused(decision)
	}
	return decision, err
}

func memberOf(o Officer, reason bool) DeskMember {
	return DeskMember{Role: o.Role, Purpose: deskPurpose, Named: !o.Name.IsEmpty() && !o.Name.IsErased(), Reason: reason}
}

// open lets somebody in and loads a disclosure.
func (d DisclosureDesk) open(ctx context.Context, o Officer, which id.Disclosure) (disclosure.Disclosure, error) {
	decision, err := d.enter(ctx, o)
	if err != nil {
		return disclosure.Disclosure{}, err
	}
	d.Decisions.Allowed(decision)
	return d.load(ctx, which)
}

func (d DisclosureDesk) load(ctx context.Context, which id.Disclosure) (disclosure.Disclosure, error) {
	history, err := d.Record.Load(ctx, disclosure.Stream(which))
	if err != nil {
		return disclosure.Disclosure{}, fmt.Errorf("load a disclosure: %w", err)
	}
	return disclosure.FromRecord(history), nil
}

// add appends one fact to a disclosure, by an officer.
func (d DisclosureDesk) add(ctx context.Context, o Officer, which id.Disclosure, state disclosure.Disclosure, fact event.Fact, by *event.Decision) error {
	_, err := d.Record.Append(ctx, event.Append{
		At: d.Now(), Actor: o.Actor(),
		Parts: []event.Part{{
			Stream: disclosure.Stream(which), Expected: state.Version(), Facts: []event.Pending{{Fact: fact, Decision: by}},
		}},
	})
	if err != nil {
		return fmt.Errorf("record what became of a disclosure: %w", err)
	}
	return nil
}

// question is what the rules are asked about a disclosure now.
func (d DisclosureDesk) question(state disclosure.Disclosure) SharingQuestion {
	r := state.Request()
	return SharingQuestion{
		Recipient: r.From, Purpose: state.Scope().Purpose, Category: r.Category, Basis: r.Basis, Country: r.Country, Fields: r.Fields,
		Document:  (r.Basis == disclosure.Order || r.Basis == disclosure.TreatyOrder) && !r.Reference.IsEmpty(),
		Treaty:    r.Basis == disclosure.TreatyOrder,
		Approvals: state.Approvals(), Expires: r.Expires, Now: d.Now(),
	}
}

// ask asks the rule that the sender falls under.
func (d DisclosureDesk) ask(ctx context.Context, state disclosure.Disclosure) (disclosure.Verdict, event.Decision, error) {
	q := d.question(state)
	if q.Recipient == disclosure.Authority {
		return d.Sharing.Disclose(ctx, q)
	}
	return d.Sharing.Share(ctx, q)
}
