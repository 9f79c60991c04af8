package usecase

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/staff"
)

// Officers come in by a link that somebody on the service's machine asks for: see
// officer_link.go, then officer_session.go. Links and sessions are not in the record. Whoever
// reads where they are kept learns none: only MACs of their tokens stand there.

// How long a link waits for its one use, and a session for its end.
const (
	LinkLasts    = 15 * time.Minute
	SessionLasts = 12 * time.Hour
)

// MAC stands for a token that only its holder has. One token is found by its MAC, so that
// how long looking takes tells nothing about another.
type MAC = [32]byte

// The purposes of tokens, so that none can be used for another.
const (
	forLink    = "officer link"
	forSession = "officer session"
)

// Staff knows who there is.
type Staff interface {
	// Members lists everybody who was ever invited, as far as the record goes when it is called.
	Members(ctx context.Context) ([]id.Member, error)
}

// Links are what opens one session each.
type Links interface {
	Put(ctx context.Context, link MAC, m id.Member, until time.Time) error
	// Find returns whose link this is; ok is false when there is none whose time is not over.
	Find(ctx context.Context, link MAC, now time.Time) (m id.Member, ok bool, err error)
}

// Sessions are what a member of staff acts under.
type Sessions interface {
	// Begin uses up a link and opens a session for its member, both or none; ok is false
	// when there is no such link, or its time is over.
	Begin(ctx context.Context, link, session MAC, now, until time.Time) (ok bool, err error)
	// Find returns whose session this is, and when it ends; ok is as with [Links].
	Find(ctx context.Context, session MAC, now time.Time) (m id.Member, until time.Time, ok bool, err error)
	// End ends one session. One that is not there is no error.
	End(ctx context.Context, session MAC) error
	// EndAll ends every session and takes back every link of a member, and says how many.
	EndAll(ctx context.Context, m id.Member) (sessions, links int64, err error)
}

// Officer is a member of staff in a session.
type Officer struct {
	Member id.Member
	Name   personal.Text
	Role   event.Role
	Until  time.Time // when the session ends
}

// Actor returns the officer as who acts: what every fact that follows from it is recorded with.
func (o Officer) Actor() event.Actor { return event.Actor{Role: o.Role, Who: o.Name} }

// newToken makes 256 random bits, fit for an address.
func newToken() string {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(secret[:])
}

// loadMember replays a member's facts.
func loadMember(ctx context.Context, r Record, m id.Member) (staff.Member, error) {
	history, err := r.Load(ctx, staff.Stream(m))
	if err != nil {
		return staff.Member{}, fmt.Errorf("load a member of staff: %w", err)
	}
	return staff.FromRecord(history), nil
}

// named is a member of staff, as their facts say.
type named struct {
	id    id.Member
	state staff.Member
}

// membersNamed finds the members of a name who work here. Members are few, and their names are
// sealed: so everyone is opened and looked at. There can be two: an invitation that was given up
// while it waited for its number is not listed when the next one is decided.
func membersNamed(ctx context.Context, r Record, s Staff, name personal.Text) (found []named, err error) {
	everybody, err := s.Members(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the members of staff: %w", err)
	}
	for _, m := range everybody {
		state, err := loadMember(ctx, r, m)
		if err != nil {
			return nil, err
		}
		if state.Is(name) {
			found = append(found, named{m, state})
		}
	}
	return found, nil
}
