package usecase

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/domain/staff"
)

// ErrNoSession answers whoever has no session, or none any more.
var ErrNoSession = refusal.New(refusal.Forbidden, "staff.no_session",
	"This page is for members of staff who have signed in.",
	"Whoever runs the service can give you a link: bgremover officer link prints one.")

// OfficerSessions begins, finds and ends sessions.
type OfficerSessions struct {
	Record   Record
	Links    Links
	Sessions Sessions
	Secrets  Secrets
	Now      Now
}

// Session is a session that has just begun.
type Session struct {
	Token string // given out once, here
	Until time.Time
}

// Opens says whether a link would open a session now; else it is [staff.ErrLink]. It does
// not use the link up: programs that look ahead open links, too.
func (s OfficerSessions) Opens(ctx context.Context, link string) error {
	_, err := s.holder(ctx, s.link(link))
	return err
}

// Begin uses a link up and opens a session. The record says who signed in before anything is
// open, once for each link; a link that does not open is [staff.ErrLink], whatever the reason.
func (s OfficerSessions) Begin(ctx context.Context, link string) (Session, error) {
	m, err := s.holder(ctx, s.link(link))
	if err != nil {
		return Session{}, err
	}
	until, err := s.record(ctx, m, link)
	if err != nil {
		return Session{}, err
	}
	session := Session{Token: newToken(), Until: until}
	ok, err := s.Sessions.Begin(ctx, s.link(link), s.session(session.Token), s.Now(), until)
	if err != nil {
		return Session{}, fmt.Errorf("begin a session: %w", err)
	}
	if !ok { // somebody else was quicker with the same link
		return Session{}, staff.ErrLink
	}
	return session, nil
}

// record appends that a member signs in and returns when the session ends.
func (s OfficerSessions) record(ctx context.Context, m id.Member, link string) (until time.Time, err error) {
	// The same link again, after an answer that got lost, is the same request.
	name := s.Secrets.MAC("officer signs in", []byte(link))
	for range conflictRetries {
		state, err := loadMember(ctx, s.Record, m)
		if err != nil {
			return time.Time{}, err
		}
		at := s.Now()
		fact, err := staff.DecideSignIn(state, staff.SignIn{At: at, Until: at.Add(SessionLasts)})
		if err != nil {
			return time.Time{}, err
		}
		appended, err := s.Record.Append(ctx, event.Append{
			Request: id.Request(hex.EncodeToString(name[:16])),
			At:      at,
			Actor:   state.Actor(),
			Parts:   []event.Part{{Stream: staff.Stream(m), Expected: state.Version(), Facts: []event.Pending{{Fact: fact}}}},
		})
		switch {
		case errors.Is(err, event.ErrConflict):
			continue
		case err != nil:
			return time.Time{}, fmt.Errorf("record who signs in: %w", err)
		}
		if first, ok := appended.Facts[0].Fact.(staff.SignedIn); ok {
			return first.Until, nil
		}
		return time.Time{}, errors.New("a request id of signing in names another append")
	}
	return time.Time{}, event.ErrConflict
}

// Open returns who has a session, or [ErrNoSession]. What the record says about the member now
// is what counts: their role, and whether they are still there.
func (s OfficerSessions) Open(ctx context.Context, session string) (Officer, error) {
	m, until, ok, err := s.Sessions.Find(ctx, s.session(session), s.Now())
	if err != nil {
		return Officer{}, fmt.Errorf("find a session: %w", err)
	}
	if !ok {
		return Officer{}, ErrNoSession
	}
	state, err := loadMember(ctx, s.Record, m)
	if err != nil {
		return Officer{}, err
	}
	if !state.Works() {
		return Officer{}, ErrNoSession
	}
	return Officer{Member: m, Name: state.Name(), Role: state.Role(), Until: until}, nil
}

// End ends a session.
func (s OfficerSessions) End(ctx context.Context, session string) error {
	if err := s.Sessions.End(ctx, s.session(session)); err != nil {
		return fmt.Errorf("end a session: %w", err)
	}
	return nil
}

// holder returns whose link this is.
func (s OfficerSessions) holder(ctx context.Context, link MAC) (id.Member, error) {
	m, ok, err := s.Links.Find(ctx, link, s.Now())
	if err != nil {
		return "", fmt.Errorf("find a link: %w", err)
	}
	if !ok {
		return "", staff.ErrLink
	}
	return m, nil
}

func (s OfficerSessions) link(token string) MAC    { return s.Secrets.MAC(forLink, []byte(token)) }
func (s OfficerSessions) session(token string) MAC { return s.Secrets.MAC(forSession, []byte(token)) }
