package system_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/system"
)

func TestDecideSkip(t *testing.T) {
	skipped := []event.Envelope{{Fact: system.ProjectionSkipped{View: "images", Seq: 7, Reason: personal.Sealed}}}
	tests := map[string]struct {
		before []event.Envelope
		skip   system.Skip
		then   error
	}{
		"where it is stopped":  {nil, system.Skip{View: "images", Seq: 7, Reason: " broken ", StoppedAt: 7}, nil},
		"another fact":         {nil, system.Skip{View: "images", Seq: 6, Reason: "broken", StoppedAt: 7}, system.ErrNotStopped},
		"a view that goes on":  {nil, system.Skip{View: "images", Seq: 7, Reason: "broken"}, system.ErrNotStopped},
		"no fact":              {nil, system.Skip{View: "images", Reason: "broken"}, system.ErrNotStopped},
		"no reason":            {nil, system.Skip{View: "images", Seq: 7, Reason: " \n", StoppedAt: 7}, system.ErrNoReason},
		"a very long reason":   {nil, system.Skip{View: "images", Seq: 7, Reason: strings.Repeat("ä", 1001), StoppedAt: 7}, system.ErrNoReason},
		"a long reason":        {nil, system.Skip{View: "images", Seq: 7, Reason: strings.Repeat("ä", 1000), StoppedAt: 7}, nil},
		"skipped before":       {skipped, system.Skip{View: "images", Seq: 7, Reason: "broken", StoppedAt: 7}, system.ErrSkippedBefore},
		"skipped by another":   {skipped, system.Skip{View: "trail", Seq: 7, Reason: "broken", StoppedAt: 7}, nil},
		"something else first": {[]event.Envelope{{Fact: system.ProjectionCertified{}}}, system.Skip{View: "images", Seq: 7, Reason: "broken", StoppedAt: 7}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := system.DecideSkip(tt.before, tt.skip)
			if !errors.Is(err, tt.then) {
				t.Fatalf("got %v, want %v", err, tt.then)
			}
			want := system.ProjectionSkipped{View: tt.skip.View, Seq: tt.skip.Seq, Reason: personal.Of(strings.TrimSpace(tt.skip.Reason))}
			if err == nil && got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestDecideWithdrawal(t *testing.T) {
	skipped := event.Envelope{Fact: system.ProjectionSkipped{View: "images", Seq: 7, Reason: personal.Sealed}}
	withdrawn := event.Envelope{Fact: system.ProjectionSkipWithdrawn{View: "images", Seq: 7, Reason: personal.Sealed}}
	tests := map[string]struct {
		before []event.Envelope
		reason string
		then   error
	}{
		"skipped":          {[]event.Envelope{skipped}, "mended", nil},
		"no reason":        {[]event.Envelope{skipped}, "", system.ErrNoReason},
		"never skipped":    {nil, "mended", system.ErrNotSkipped},
		"withdrawn before": {[]event.Envelope{skipped, withdrawn}, "mended", system.ErrNotSkipped},
		"skipped again":    {[]event.Envelope{skipped, withdrawn, skipped}, "mended", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := system.DecideWithdrawal(tt.before, system.Skip{View: "images", Seq: 7, Reason: tt.reason})
			if !errors.Is(err, tt.then) {
				t.Fatalf("got %v, want %v", err, tt.then)
			}
			if want := (system.ProjectionSkipWithdrawn{View: "images", Seq: 7, Reason: personal.Of("mended")}); err == nil && got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if skips := system.IsSkipped(tt.before, "images", 7); skips != !errors.Is(tt.then, system.ErrNotSkipped) {
				t.Errorf("skipped: %v", skips)
			}
			if system.IsSkipped(tt.before, "images", 8) || system.IsSkipped(tt.before, "trail", 7) {
				t.Error("something else is skipped, too")
			}
		})
	}
}

var uuid8 = regexp.MustCompile(`^projection/[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// The name is in the record for ever: it must never come out differently.
func TestProjectionStream(t *testing.T) {
	if got := system.ProjectionStream("images", 7); got != "projection/d07175df-63b9-870a-8a7b-cca62875d76d" {
		t.Errorf("got %s", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		view, seq := rapid.StringMatching(`[a-z]{1,40}`).Draw(t, "view"), rapid.Int64Min(0).Draw(t, "seq")
		other, at := rapid.StringMatching(`[a-z]{1,40}`).Draw(t, "other"), rapid.Int64Min(0).Draw(t, "at")
		got := system.ProjectionStream(view, seq)
		if !uuid8.MatchString(string(got)) {
			t.Fatalf("%s is no UUID of version 8", got)
		}
		if same := view == other && seq == at; (got == system.ProjectionStream(other, at)) != same {
			t.Fatalf("%s %d and %s %d", view, seq, other, at)
		}
	})
}
