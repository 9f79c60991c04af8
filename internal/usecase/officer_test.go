package usecase_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/staff"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/usecase"
)

var (
	grace = personal.Of("Grace Hopper")
	ada   = personal.Of("Ada Lovelace")
)

// office is a service in memory, as its officers see it.
type office struct {
	*testing.T
	*world
	access  fake.Access
	members int
}

func newOffice(t *testing.T) *office { return &office{T: t, world: newWorld()} }

func (o *office) linking() usecase.LinkOfficer {
	return usecase.LinkOfficer{
		Record: o.record, Vault: o.vault, Staff: fake.Staff{Record: o.record}, Links: o.access.Links(), Leases: o.leases,
		Secrets: fake.Secrets{}, Now: o.now, NewMember: func() id.Member {
			o.members++
			return id.Member(fmt.Sprintf("02900000-0000-7000-8000-%012d", o.members))
		},
	}
}

func (o *office) sessions() usecase.OfficerSessions {
	return usecase.OfficerSessions{
		Record: o.record, Links: o.access.Links(), Sessions: o.access.Sessions(), Secrets: fake.Secrets{}, Now: o.now,
	}
}

func (o *office) ending() usecase.EndOfficer {
	return usecase.EndOfficer{Record: o.record, Staff: fake.Staff{Record: o.record}, Sessions: o.access.Sessions()}
}

func (o *office) link(name personal.Text, role event.Role) usecase.Link {
	o.Helper()
	link, err := o.linking().Do(o.Context(), name, role)
	if err != nil {
		o.Fatal(err)
	}
	return link
}

func (o *office) signIn(name personal.Text, role event.Role) usecase.Session {
	o.Helper()
	s, err := o.sessions().Begin(o.Context(), o.link(name, role).Token)
	if err != nil {
		o.Fatal(err)
	}
	return s
}

// story lists what is recorded.
func (o *office) story() (facts []string) {
	for _, env := range o.record.All() {
		facts = append(facts, string(env.Actor.Role)+" "+string(env.Fact.EventName()))
	}
	return facts
}

func TestOfficerSignsIn(t *testing.T) {
	o := newOffice(t)
	link := o.link(grace, event.Officer)
	if !link.Invited || link.Until != noon.Add(15*time.Minute) {
		t.Errorf("the link is %+v", link)
	}
	if err := o.sessions().Opens(t.Context(), link.Token); err != nil {
		t.Error(err)
	}
	session, err := o.sessions().Begin(t.Context(), link.Token)
	if err != nil {
		t.Fatal(err)
	}
	officer, err := o.sessions().Open(t.Context(), session.Token)
	if err != nil || officer.Name != grace || officer.Role != event.Officer || officer.Until != noon.Add(12*time.Hour) {
		t.Fatalf("the session is of %+v, %v", officer, err)
	}
	facts := o.record.All()
	if got := o.story(); len(got) != 2 || got[0] != "operator staff.invited.v1" || got[1] != "officer staff.signed_in.v1" {
		t.Fatalf("recorded: %v", got)
	}
	if signed := facts[1]; signed.Actor != officer.Actor() || signed.Stream != staff.Stream(officer.Member) || signed.Fact != (staff.SignedIn{Until: officer.Until}) {
		t.Errorf("recorded: %+v", signed)
	}
	if _, err := o.vault.Key(t.Context(), staff.Key(officer.Member)); err != nil {
		t.Errorf("the member has no key: %v", err)
	}
	if err := o.sessions().End(t.Context(), session.Token); err != nil {
		t.Fatal(err)
	}
	if _, err := o.sessions().Open(t.Context(), session.Token); !errors.Is(err, usecase.ErrNoSession) {
		t.Errorf("after its end: %v", err)
	}
}

func TestLinksThatDoNotOpen(t *testing.T) {
	tests := map[string]func(*office, string) string{
		"unknown": func(*office, string) string { return "nonsense" },
		"empty":   func(*office, string) string { return "" },
		"used": func(o *office, link string) string {
			if _, err := o.sessions().Begin(o.Context(), link); err != nil {
				o.Fatal(err)
			}
			return link
		},
		"too late":   func(o *office, link string) string { o.at = o.at.Add(usecase.LinkLasts); return link },
		"taken back": func(o *office, link string) string { _, _, _ = o.ending().Do(o.Context(), grace); return link },
		"a session": func(o *office, link string) string {
			s, err := o.sessions().Begin(o.Context(), link)
			if err != nil {
				o.Fatal(err)
			}
			return s.Token
		},
	}
	for name, given := range tests {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			link := given(o, o.link(grace, event.Officer).Token)
			before := len(o.record.All())
			if err := o.sessions().Opens(t.Context(), link); !errors.Is(err, staff.ErrLink) {
				t.Errorf("it seems to open: %v", err)
			}
			if _, err := o.sessions().Begin(t.Context(), link); !errors.Is(err, staff.ErrLink) {
				t.Errorf("it opens: %v", err)
			}
			if after := len(o.record.All()); after != before {
				t.Errorf("%d facts were recorded for nothing", after-before)
			}
		})
	}
}

// Many who use one link at the same moment: one is let in, and the record knows of one.
func TestOneOfManyIsLetIn(t *testing.T) {
	o := newOffice(t)
	link := o.link(grace, event.Officer).Token
	var in atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			_, err := o.sessions().Begin(t.Context(), link)
			switch {
			case err == nil:
				in.Add(1)
			case !errors.Is(err, staff.ErrLink) && !errors.Is(err, event.ErrConflict):
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := o.story(); in.Load() != 1 || len(got) != 2 {
		t.Errorf("%d were let in, and recorded is %v", in.Load(), got)
	}
}

// A sign-in whose answer got lost is the same one when it is sent again.
func TestLostAnswerCostsNothing(t *testing.T) {
	o := newOffice(t)
	link := o.link(grace, event.Officer).Token
	away := errors.New("the store of sessions is away")
	s := o.sessions()
	s.Sessions = awaySessions{s.Sessions, away}
	if _, err := s.Begin(t.Context(), link); !errors.Is(err, away) {
		t.Fatal(err)
	}
	o.at = o.at.Add(time.Minute)
	session, err := o.sessions().Begin(t.Context(), link)
	if err != nil || session.Until != noon.Add(12*time.Hour) || len(o.record.All()) != 2 {
		t.Errorf("the second time: %+v, %v; recorded %v", session, err, o.story())
	}
}

func TestAfterItsTimeASessionIsOver(t *testing.T) {
	o := newOffice(t)
	session := o.signIn(grace, event.Officer)
	o.at = noon.Add(12*time.Hour - time.Millisecond)
	if _, err := o.sessions().Open(t.Context(), session.Token); err != nil {
		t.Error(err)
	}
	o.at = noon.Add(12 * time.Hour)
	if _, err := o.sessions().Open(t.Context(), session.Token); !errors.Is(err, usecase.ErrNoSession) {
		t.Errorf("after twelve hours: %v", err)
	}
}

func TestMembersAreInvitedOnce(t *testing.T) {
	o := newOffice(t)
	first := o.signIn(grace, event.Officer)
	o.signIn(ada, event.Responder)
	if again := o.link(grace, event.Officer); again.Invited {
		t.Error("somebody who works here is invited again")
	}
	if other := o.link(grace, event.Responder); !other.Invited {
		t.Error("another role is not recorded")
	}
	officer, err := o.sessions().Open(t.Context(), first.Token)
	if err != nil || officer.Role != event.Responder || o.members != 2 {
		t.Errorf("the session is of %+v of %d members, %v", officer, o.members, err)
	}
	if _, err := o.linking().Do(t.Context(), grace, event.Clock); !errors.Is(err, staff.ErrRole) {
		t.Errorf("a clock: %v", err)
	}
}

func TestEndingIsForOnePerson(t *testing.T) {
	o := newOffice(t)
	hers, others := o.signIn(grace, event.Officer), o.signIn(ada, event.Officer)
	o.link(grace, event.Officer)
	sessions, links, err := o.ending().Do(t.Context(), grace)
	if sessions != 1 || links != 1 || err != nil {
		t.Errorf("ended %d sessions and %d links, %v", sessions, links, err)
	}
	if _, err := o.sessions().Open(t.Context(), hers.Token); !errors.Is(err, usecase.ErrNoSession) {
		t.Errorf("hers: %v", err)
	}
	if _, err := o.sessions().Open(t.Context(), others.Token); err != nil {
		t.Errorf("another's: %v", err)
	}
	if _, _, err := o.ending().Do(t.Context(), personal.Of("Nobody")); !errors.Is(err, usecase.ErrStranger) {
		t.Errorf("a stranger: %v", err)
	}
}

// blindStaff does not see yet who was invited: their invitation waits for its number.
type blindStaff struct{}

func (blindStaff) Members(context.Context) ([]id.Member, error) { return nil, nil }

// A person who became two members is let out as both.
func TestEndingEndsEverybodyOfThatName(t *testing.T) {
	o := newOffice(t)
	first := o.signIn(grace, event.Officer)
	again := o.linking()
	again.Staff = blindStaff{}
	link, err := again.Do(t.Context(), grace, event.Officer)
	if err != nil || !link.Invited {
		t.Fatalf("%+v, %v", link, err)
	}
	second, err := o.sessions().Begin(t.Context(), link.Token)
	if err != nil {
		t.Fatal(err)
	}
	if sessions, links, err := o.ending().Do(t.Context(), grace); sessions != 2 || links != 0 || err != nil {
		t.Errorf("ended %d sessions and %d links, %v", sessions, links, err)
	}
	for _, s := range []usecase.Session{first, second} {
		if _, err := o.sessions().Open(t.Context(), s.Token); !errors.Is(err, usecase.ErrNoSession) {
			t.Errorf("a session is still open: %v", err)
		}
	}
}

// Whoever is invited while another is gets told to come back: nobody becomes two members.
func TestInvitationsWaitForEachOther(t *testing.T) {
	o := newOffice(t)
	release, ok, err := o.leases.Take(t.Context(), "invite staff", time.Minute)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if _, err := o.linking().Do(t.Context(), grace, event.Officer); !errors.Is(err, usecase.ErrInviting) {
		t.Errorf("got %v", err)
	}
	release()
	o.link(grace, event.Officer)
}

// awaySessions fails once a link is to be used up.
type awaySessions struct {
	usecase.Sessions
	err error
}

func (a awaySessions) Begin(context.Context, usecase.MAC, usecase.MAC, time.Time, time.Time) (bool, error) {
	return false, a.err
}
