package system_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/system"
)

var (
	signing  = time.Date(2026, 12, 30, 9, 0, 0, 0, time.UTC)
	firewall = system.Statement{Promise: "secure.firewall", Words: "The firewall is up.", SignedBy: event.Officer, HoldsDays: 180}
)

func TestDecideAttestation(t *testing.T) {
	good := system.Sign{Role: event.Officer, Seen: firewall.Digest(), Looked: true, At: signing}
	tests := map[string]struct {
		of   system.Statement
		when func(*system.Sign)
		then error
	}{
		"signed":             {firewall, func(*system.Sign) {}, nil},
		"with a note":        {firewall, func(s *system.Sign) { s.Note = " Looked at all hosts. " }, nil},
		"in another role":    {firewall, func(s *system.Sign) { s.Role = event.Responder }, system.ErrSigner},
		"without looking":    {firewall, func(s *system.Sign) { s.Looked = false }, system.ErrNotLooked},
		"other words":        {firewall, func(s *system.Sign) { s.Seen = "abc" }, system.ErrOtherWords},
		"a novel":            {firewall, func(s *system.Sign) { s.Note = strings.Repeat("ä", 1001) }, system.ErrNote},
		"no words":           {system.Statement{Promise: "x.y", SignedBy: event.Officer, HoldsDays: 1}, func(*system.Sign) {}, system.ErrNothingToSign},
		"nobody signs":       {system.Statement{Promise: "x.y", Words: "x", HoldsDays: 1}, func(*system.Sign) {}, system.ErrNothingToSign},
		"it would not hold":  {system.Statement{Promise: "x.y", Words: "x", SignedBy: event.Officer}, func(*system.Sign) {}, system.ErrNothingToSign},
		"as long as allowed": {firewall, func(s *system.Sign) { s.Note = strings.Repeat("ä", 1000) }, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			wish := good
			tt.when(&wish)
			fact, err := system.DecideAttestation(tt.of, wish)
			if !errors.Is(err, tt.then) {
				t.Fatalf("got %v, want %v", err, tt.then)
			}
			if err == nil && (fact.Promise != "secure.firewall" || fact.Statement != firewall.Digest() || !fact.Until.Equal(signing.AddDate(0, 0, 180)) || fact.Note.IsEmpty() != (wish.Note == "")) {
				t.Errorf("got %+v", fact)
			}
		})
	}
}

func TestDecideWithdrawnAttestation(t *testing.T) {
	holding := system.Attestation{Made: signing, Until: signing.AddDate(0, 0, 180), Digest: firewall.Digest()}
	withdrawn := holding
	withdrawn.Withdrawn = signing
	tests := map[string]struct {
		last system.Attestation
		when func(*system.Sign)
		then error
	}{
		"holds":           {holding, func(*system.Sign) {}, nil},
		"never signed":    {system.Attestation{}, func(*system.Sign) {}, system.ErrNotSigned},
		"twice":           {withdrawn, func(*system.Sign) {}, system.ErrNotSigned},
		"too late":        {holding, func(s *system.Sign) { s.At = holding.Until }, system.ErrNotSigned},
		"in another role": {holding, func(s *system.Sign) { s.Role = event.Responder }, system.ErrSigner},
		"a novel":         {holding, func(s *system.Sign) { s.Note = strings.Repeat("x", 1001) }, system.ErrNote},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			wish := system.Sign{Role: event.Officer, At: signing.Add(time.Hour)}
			tt.when(&wish)
			fact, err := system.DecideWithdrawnAttestation(firewall, tt.last, wish)
			if !errors.Is(err, tt.then) || err == nil && fact.Promise != "secure.firewall" {
				t.Errorf("got %+v, %v", fact, err)
			}
		})
	}
}

func TestTheLastWordCounts(t *testing.T) {
	made := func(promise string, at, until time.Time) event.Envelope {
		return event.Envelope{At: at, Fact: system.AttestationMade{Promise: promise, Until: until, Statement: firewall.Digest()}}
	}
	until, later := signing.AddDate(0, 0, 180), signing.AddDate(0, 1, 0)
	facts := []event.Envelope{made("secure.firewall", signing, until)}
	if a := system.AttestationOf(facts, "secure.firewall"); !a.Holds(later) || !a.Current(firewall) || a.Holds(until) {
		t.Errorf("signed: %+v", a)
	}
	if a := system.AttestationOf(facts, "model.licensed"); a.Holds(later) || !a.Made.IsZero() {
		t.Errorf("another promise: %+v", a)
	}
	facts = append(facts, event.Envelope{At: later, Fact: system.AttestationWithdrawn{Promise: "secure.firewall"}})
	if a := system.AttestationOf(facts, "secure.firewall"); a.Holds(later) || a.Withdrawn.IsZero() {
		t.Errorf("withdrawn: %+v", a)
	}
	facts = append(facts, made("secure.firewall", later, later.AddDate(0, 0, 180)))
	if a := system.AttestationOf(facts, "secure.firewall"); !a.Holds(later) || !a.Withdrawn.IsZero() {
		t.Errorf("signed again: %+v", a)
	}
	changed := firewall
	changed.Words = "The firewall is up, mostly."
	if a := system.AttestationOf(facts, "secure.firewall"); a.Current(changed) {
		t.Error("other words were not signed")
	}
}

// Whenever something was signed that holds, its stream is among those that are looked at.
func TestYearsHoldWhatCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := system.Statement{Promise: "x.y", HoldsDays: rapid.IntRange(1, 1000).Draw(t, "holds")}
		at := signing.Add(time.Duration(rapid.Int64Range(0, int64(2000*24*time.Hour)).Draw(t, "at")))
		now := at.Add(time.Duration(rapid.Int64Range(0, int64(time.Duration(s.HoldsDays)*24*time.Hour)-1).Draw(t, "since")))
		for _, year := range s.Years(now) {
			if system.AttestationStream(s.Promise, year) == system.AttestationStream(s.Promise, at) {
				return
			}
		}
		t.Fatalf("signed at %s, and at %s only %v are looked at", at, now, s.Years(now))
	})
}
