package staff

import (
	"time"

	"github.com/bgremover/bgremover/domain/refusal"
)

// ErrLink answers an unknown link, one that was used and one whose time is over alike.
var ErrLink = refusal.New(refusal.Forbidden, "staff.link",
	"This link does not open anything, or not any more.", "Ask for another one; each opens one session, within a quarter of an hour.")

// SignIn is the wish to begin a session.
type SignIn struct{ At, Until time.Time }

// DecideSignIn returns the fact that follows, or why nobody signs in.
func DecideSignIn(m Member, s SignIn) (SignedIn, error) {
	if !m.Works() || !s.Until.After(s.At) {
		return SignedIn{}, ErrLink
	}
	return SignedIn{Until: s.Until}, nil
}
