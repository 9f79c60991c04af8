package usecase

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/domain/staff"
)

// LinkOfficer makes a link that opens a session for a named person, and the person a member
// of staff, if they are none or have another role.
type LinkOfficer struct {
	Record    Record
	Vault     Vault
	Staff     Staff
	Links     Links
	Leases    Leases
	Secrets   Secrets
	Now       Now
	NewMember func() id.Member
}

// Link is a fresh link.
type Link struct {
	Token   string // given out once, here
	Until   time.Time
	Invited bool // the record says so since now
}

// ErrInviting says that somebody else is being invited right now: of two who invite one
// person at once, both would make them.
var ErrInviting = refusal.New(refusal.Unavailable, "staff.inviting",
	"Somebody else is being invited right now.", "Try again in a few seconds.")

// invitingLease is what inviting may take, with a crash in between.
const invitingLease = 30 * time.Second

// Do makes the link. The name must be one of [staff.NameOf].
func (l LinkOfficer) Do(ctx context.Context, name personal.Text, role event.Role) (Link, error) {
	release, ok, err := l.Leases.Take(ctx, "invite staff", invitingLease)
	if err != nil {
		return Link{}, fmt.Errorf("invite: %w", err)
	}
	if !ok {
		return Link{}, ErrInviting
	}
	defer release()
	m, invited, err := l.invite(ctx, staff.Invite{Role: role, Name: name})
	if err != nil {
		return Link{}, err
	}
	link := Link{Token: newToken(), Until: l.Now().Add(LinkLasts), Invited: invited}
	if err := l.Links.Put(ctx, l.Secrets.MAC(forLink, []byte(link.Token)), m, link.Until); err != nil {
		return Link{}, fmt.Errorf("keep a link: %w", err)
	}
	return link, nil
}

// invite makes sure that the record knows the person in that role.
func (l LinkOfficer) invite(ctx context.Context, wish staff.Invite) (m id.Member, invited bool, err error) {
	for range conflictRetries {
		known, err := membersNamed(ctx, l.Record, l.Staff, wish.Name)
		if err != nil {
			return "", false, err
		}
		var member named
		if len(known) > 0 {
			member = known[0]
		}
		fact, ok, err := staff.DecideInvite(member.state, wish)
		if err != nil || !ok {
			return member.id, false, err
		}
		a := event.Append{At: l.Now(), Actor: event.Actor{Role: event.Operator}}
		if len(known) == 0 {
			member.id = l.NewMember()
			key, err := l.Vault.New(staff.Key(member.id))
			if err != nil {
				return "", false, fmt.Errorf("make a key: %w", err)
			}
			a.Make = []personal.Key{key}
		}
		a.Parts = []event.Part{{Stream: staff.Stream(member.id), Expected: member.state.Version(), Facts: []event.Pending{{Fact: fact}}}}
		switch _, err := l.Record.Append(ctx, a); {
		case errors.Is(err, event.ErrConflict):
			continue // the member signs in at this moment
		case err != nil:
			return "", false, fmt.Errorf("record the invitation: %w", err)
		}
		return member.id, true, nil
	}
	return "", false, event.ErrConflict
}

// ErrStranger says that nobody of a name works here.
var ErrStranger = refusal.New(refusal.Missing, "staff.unknown",
	"Nobody of this name was invited.", "Write the name as it was written then.")

// EndOfficer ends everything that a named person has open.
type EndOfficer struct {
	Record   Record
	Staff    Staff
	Sessions Sessions
}

// Do ends the sessions and takes back the links, and says how many of each. The name must be
// one of [staff.NameOf].
func (e EndOfficer) Do(ctx context.Context, name personal.Text) (sessions, links int64, err error) {
	known, err := membersNamed(ctx, e.Record, e.Staff, name)
	if err != nil {
		return 0, 0, err
	}
	if len(known) == 0 {
		return 0, 0, ErrStranger
	}
	for _, m := range known {
		ended, takenBack, err := e.Sessions.EndAll(ctx, m.id)
		if err != nil {
			return sessions, links, fmt.Errorf("end sessions: %w", err)
		}
		sessions, links = sessions+ended, links+takenBack
	}
	return sessions, links, nil
}
