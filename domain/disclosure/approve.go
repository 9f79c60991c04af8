package disclosure

import (
	"slices"

	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/refusal"
)

// Reasons an approval does not count.
var (
	ErrUnknown = refusal.New(refusal.Missing, "disclosure.unknown",
		"There is no such request.", "Look for it in the list.")
	ErrErased = refusal.New(refusal.Gone, "disclosure.erased",
		"What was personal in this request is erased, and nothing can be done about it any more.", "Register it anew if it is asked again.")
	ErrOwn = refusal.New(refusal.Forbidden, "disclosure.own",
		"Whoever registered a request cannot approve it.", "Ask a colleague.")
	ErrTwice = refusal.New(refusal.Conflict, "disclosure.approved_twice",
		"You approved this request before, and count once.", "Ask another colleague.")
	ErrDecided = refusal.New(refusal.Conflict, "disclosure.decided",
		"This request is decided.", "Look at what became of it.")
)

// ByAnother says whether somebody is another person than the one who registered the request.
func (d Disclosure) ByAnother(who personal.Text) bool {
	return !who.IsEmpty() && !who.IsErased() && !who.IsSealed() && who != d.registrar
}

// DecideApprove returns the fact that follows when who approves. What is permitted can be approved, too, until it is made:
// rules that come into force in between may ask for more.
func DecideApprove(d Disclosure, who personal.Text) (Approved, error) {
	switch {
	case !d.Known():
		return Approved{}, ErrUnknown
	case d.registrar.IsErased():
		return Approved{}, ErrErased
	case d.Status() != Waiting && d.Status() != Allowed:
		return Approved{}, ErrDecided
	case !d.ByAnother(who):
		return Approved{}, ErrOwn
	case slices.Contains(d.approvers, who):
		return Approved{}, ErrTwice
	}
	return Approved{Approvals: len(d.approvers) + 1}, nil
}
