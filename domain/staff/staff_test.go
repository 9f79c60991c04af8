package staff_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/staff"
)

const grace id.Member = "01900000-0000-7000-8000-000000000001"

var (
	noon    = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	name    = personal.Of("Grace Hopper")
	invited = staff.Invited{Role: event.Officer, Name: name}
	erased  = staff.Invited{Role: event.Officer, Name: personal.Erased}
)

// member replays facts of one stream.
func member(facts ...event.Fact) staff.Member {
	var history []event.Envelope
	for i, f := range facts {
		history = append(history, event.Envelope{Stream: staff.Stream(grace), Version: int64(i + 1), Fact: f})
	}
	return staff.FromRecord(history)
}

func TestMember(t *testing.T) {
	tests := map[string]struct {
		given []event.Fact
		role  event.Role
		works bool
		is    bool
	}{
		"nobody":              {},
		"invited":             {given: []event.Fact{invited}, role: event.Officer, works: true, is: true},
		"signed in":           {given: []event.Fact{invited, staff.SignedIn{Until: noon}}, role: event.Officer, works: true, is: true},
		"the newest counts":   {given: []event.Fact{invited, staff.Invited{Role: event.Responder, Name: name}}, role: event.Responder, works: true, is: true},
		"of a newer release":  {given: []event.Fact{invited, event.Unknown{Name: "staff.retired.v1"}}, role: event.Officer, works: true, is: true},
		"read without a key":  {given: []event.Fact{staff.Invited{Role: event.Officer, Name: personal.Sealed}}, role: event.Officer, works: true},
		"erased":              {given: []event.Fact{erased}, role: event.Officer},
		"erased after a role": {given: []event.Fact{erased, staff.Invited{Role: event.Responder, Name: personal.Erased}}, role: event.Responder},
	}
	for title, tt := range tests {
		t.Run(title, func(t *testing.T) {
			m := member(tt.given...)
			if m.Role() != tt.role || m.Works() != tt.works || m.Is(name) != tt.is || m.Version() != int64(len(tt.given)) {
				t.Errorf("role %q, works %v, is %v, version %d", m.Role(), m.Works(), m.Is(name), m.Version())
			}
		})
	}
	if member(erased).Is(personal.Erased) || member().Is(personal.Text{}) {
		t.Error("what says nothing is taken for a name")
	}
	if got := member(invited).Actor(); got != (event.Actor{Role: event.Officer, Who: name}) {
		t.Errorf("acts as %v", got)
	}
}

func TestDecideInvite(t *testing.T) {
	tests := map[string]struct {
		given staff.Member
		when  staff.Invite
		then  staff.Invited
		ok    bool
		fails error
	}{
		"first":        {when: staff.Invite(invited), then: invited, ok: true},
		"again":        {given: member(invited), when: staff.Invite(invited)},
		"another role": {given: member(invited), when: staff.Invite{Role: event.Responder, Name: name}, then: staff.Invited{Role: event.Responder, Name: name}, ok: true},
		"no name":      {when: staff.Invite{Role: event.Officer}, fails: staff.ErrName},
		"no role":      {when: staff.Invite{Name: name}, fails: staff.ErrRole},
		"a clock":      {when: staff.Invite{Role: event.Clock, Name: name}, fails: staff.ErrRole},
	}
	for title, tt := range tests {
		t.Run(title, func(t *testing.T) {
			got, ok, err := staff.DecideInvite(tt.given, tt.when)
			if got != tt.then || ok != tt.ok || !errors.Is(err, tt.fails) {
				t.Errorf("got %v, %v, %v", got, ok, err)
			}
		})
	}
}

func TestDecideSignIn(t *testing.T) {
	tests := map[string]struct {
		given staff.Member
		until time.Time
		fails error
	}{
		"a member":   {given: member(invited), until: noon.Add(time.Hour)},
		"nobody":     {until: noon.Add(time.Hour), fails: staff.ErrLink},
		"erased":     {given: member(erased), until: noon.Add(time.Hour), fails: staff.ErrLink},
		"over by it": {given: member(invited), until: noon, fails: staff.ErrLink},
	}
	for title, tt := range tests {
		t.Run(title, func(t *testing.T) {
			got, err := staff.DecideSignIn(tt.given, staff.SignIn{At: noon, Until: tt.until})
			if !errors.Is(err, tt.fails) || (err == nil && got.Until != tt.until) {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestNames(t *testing.T) {
	tests := map[string]struct {
		plain, then string
		fails       bool
	}{
		"as it is":     {plain: "Grace Hopper", then: "Grace Hopper"},
		"spaces":       {plain: "  Grace \t Hopper ", then: "Grace Hopper"},
		"not latin":    {plain: "山田 太郎", then: "山田 太郎"},
		"empty":        {plain: " ", fails: true},
		"a bell":       {plain: "Grace\a", fails: true},
		"not UTF-8":    {plain: "\xff", fails: true},
		"longest":      {plain: strings.Repeat("ä", 100), then: strings.Repeat("ä", 100)},
		"longer":       {plain: strings.Repeat("ä", 101), fails: true},
		"writes other": {plain: "Grace\u202e", fails: true}, // a character that turns the text around
	}
	for title, tt := range tests {
		t.Run(title, func(t *testing.T) {
			got, err := staff.NameOf(tt.plain)
			plain, _ := got.Reveal()
			if (err != nil) != tt.fails || plain != tt.then {
				t.Errorf("got %q, %v", plain, err)
			}
		})
	}
}

// However a name is written, it is recorded in one way.
func TestNameOfIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first, err := staff.NameOf(rapid.String().Draw(t, "plain"))
		if err != nil {
			return
		}
		plain, _ := first.Reveal()
		if second, err := staff.NameOf(" " + plain + "\t"); err != nil || second != first {
			t.Fatalf("%q becomes another name: %v", plain, err)
		}
	})
}

func TestStreams(t *testing.T) {
	if m, ok := staff.OfStream(staff.Stream(grace)); !ok || m != grace {
		t.Errorf("got %s, %v", m, ok)
	}
	for _, other := range []event.Stream{"image/" + event.Stream(grace), "staff/grace", "staff"} {
		if _, ok := staff.OfStream(other); ok {
			t.Errorf("%s is taken for a member", other)
		}
	}
}

// Nobody reads without a reason, and only who works here.
func TestDecideRead(t *testing.T) {
	grace := staff.FromRecord([]event.Envelope{{Version: 1, Fact: staff.Invited{Role: event.Officer, Name: personal.Of("Grace")}}})
	for reason, want := range map[string]error{" to approve it ": nil, " ": staff.ErrReason, strings.Repeat("x", 501): staff.ErrReason, "\xff": staff.ErrReason} {
		fact, err := staff.DecideRead(grace, staff.Read{Category: "disclosure", Purpose: "disclosure", Subject: "disclosure/1", Reason: reason})
		if !errors.Is(err, want) || err == nil && (fact.Reason != personal.Of("to approve it") || fact.Subject != personal.Of("disclosure/1")) {
			t.Errorf("%q: %+v, %v", reason, fact, err)
		}
	}
	if _, err := staff.DecideRead(staff.Member{}, staff.Read{Reason: "curious"}); !errors.Is(err, staff.ErrLink) {
		t.Errorf("a stranger: %v", err)
	}
}
