package disclosure

import "github.com/bgremover/bgremover/domain/refusal"

// Reasons nothing is given.
var (
	ErrNotPermitted = refusal.New(refusal.Conflict, "disclosure.not_permitted",
		"Nothing is given before the rules have allowed it.", "Have the request approved and decided.")
	ErrMade = refusal.New(refusal.Gone, "disclosure.made",
		"The export was made, and handed out once.", "Register the request anew if it did not arrive.")
	ErrNoData = refusal.New(refusal.Unusable, "disclosure.no_such_data",
		"This service holds no such data: there are no accounts and no payments in this release.", "Tell those who asked; the record says so from now on.")
	ErrNobody = refusal.New(refusal.Invalid, "disclosure.recipient",
		"An export is sealed for the recipient's public key, and this is none.", "Ask them for an age key: it begins with age1, and age-keygen makes one.")
)

// Export is what was put together for a recipient.
type Export struct {
	Count  int64
	Digest string // SHA-256 of the sealed bytes, in hexadecimal
}

// MayMake says whether an export can be put together now.
func MayMake(d Disclosure) error {
	switch d.Status() {
	case Unknown:
		return ErrUnknown
	case Waiting:
		return ErrNotPermitted
	case Denied:
		return ErrDecided
	case Untold, Closed, Unreachable, Empty:
		return ErrMade
	case Allowed:
	}
	return nil
}

// DecideMake returns the fact that follows from what the rules say now, because approvals and
// orders end, and from what was put together: [Made] or [Refused]. It has what was asked for and
// nothing else.
func DecideMake(d Disclosure, v Verdict, e Export) (Event, error) {
	if err := MayMake(d); err != nil {
		return nil, err
	}
	if !v.Allow {
		return refusedFor(v)
	}
	r := d.Request()
	return Made{Category: r.Category, Fields: r.Fields, Count: e.Count, Digest: e.Digest, Recipient: d.scope.Sender}, nil
}

// NotHeld says that nothing was refused in it: the rules allowed what the service has not got.
func (r Refused) NotHeld() bool { return len(r.Reasons) == 1 && r.Reasons[0] == ReasonNoData }

// DecideNoData returns the fact that follows when the service holds nothing of the category.
func DecideNoData(d Disclosure) (Refused, error) {
	if err := MayMake(d); err != nil {
		return Refused{}, err
	}
	return Refused{Reasons: []string{ReasonNoData}}, nil
}
