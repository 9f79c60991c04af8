package staff

import (
	"strings"
	"unicode/utf8"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/refusal"
)

// ErrReason says that personal data is not shown without a reason.
var ErrReason = refusal.New(refusal.Invalid, "staff.reason",
	"Personal data is opened for a reason, which becomes part of the record: 1 to 500 characters.", "Say what you need it for.")

const longestReason = 500

// Read is a member's wish to see what is personal.
type Read struct {
	Category, Purpose string
	Subject           event.Stream
	Reason            string
}

// DecideRead returns the fact that follows, once the rules of access have allowed it.
func DecideRead(m Member, r Read) (DataRead, error) {
	reason := strings.TrimSpace(r.Reason)
	switch {
	case !m.Works():
		return DataRead{}, ErrLink
	case reason == "" || !utf8.ValidString(reason) || utf8.RuneCountInString(reason) > longestReason:
		return DataRead{}, ErrReason
	}
	return DataRead{Category: r.Category, Purpose: r.Purpose, Subject: personal.Of(string(r.Subject)), Reason: personal.Of(reason)}, nil
}
