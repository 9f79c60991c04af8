package disclosure

import (
	"slices"

	"github.com/bgremover/bgremover/domain/refusal"
)

// ErrApprovals says that others have to approve first. Nothing is refused for good by that.
var ErrApprovals = refusal.New(refusal.Conflict, "disclosure.approvals",
	"Not enough members of staff have approved this request yet.", "Ask colleagues to look at it; whoever registered it does not count.")

// The reasons that are not the rules' own.
const (
	ReasonApprovals = "approvals"    // of the rules, and the one that can pass
	ReasonUndecided = "undecided"    // the rules name nothing of the kind that could ever be given
	ReasonStaff     = "by_staff"     // a member of staff says no where the rules would not
	ReasonNoData    = "no_such_data" // the service holds nothing of the category
)

// Verdict is what the rules say about a request.
type Verdict struct {
	Allow   bool
	Reasons []string // of a no
}

// DecideVerdict returns the fact that follows from what the rules say: [Permitted] or [Refused].
func DecideVerdict(d Disclosure, v Verdict) (Event, error) {
	switch {
	case !d.Known():
		return nil, ErrUnknown
	case d.Status() != Waiting:
		return nil, ErrDecided
	case v.Allow:
		return Permitted{}, nil
	}
	return refusedFor(v)
}

// refusedFor returns the refusal that follows from a no. A lack of approvals alone is none.
func refusedFor(v Verdict) (Event, error) {
	reasons := slices.Sorted(slices.Values(v.Reasons))
	switch {
	case len(reasons) == 0:
		reasons = []string{ReasonUndecided}
	case len(reasons) == 1 && reasons[0] == ReasonApprovals:
		return nil, ErrApprovals
	}
	return Refused{Reasons: reasons}, nil
}

// DecideRefuse returns the fact that follows when a member of staff says no.
func DecideRefuse(d Disclosure) (Refused, error) {
	switch d.Status() {
	case Unknown:
		return Refused{}, ErrUnknown
	case Waiting, Allowed:
		return Refused{Reasons: []string{ReasonStaff}}, nil
	case Denied, Untold, Closed, Unreachable, Empty:
	}
	return Refused{}, ErrDecided
}
