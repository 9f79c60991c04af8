package opa

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/internal/usecase"
)

func TestLimit(t *testing.T) {
	p := policy(t, time.Hour)
	tests := map[string]struct {
		kind  string
		due   time.Time
		then  time.Time
		input string
	}{
		"a day":            {kind: "idempotency_answer", then: noon.AddDate(0, 0, 1), input: `{"kind":"idempotency_answer","started":"2026-03-02T12:00:00.123456Z"}`},
		"a year":           {kind: "analytics", then: noon.AddDate(1, 0, 0), input: `{"kind":"analytics","started":"2026-03-02T12:00:00.123456Z"}`},
		"earlier as it is": {kind: "api_log", due: noon.Add(1), then: noon.Add(1), input: `{"due":"2026-03-02T12:00:00.123456001Z","kind":"api_log","started":"2026-03-02T12:00:00.123456Z"}`},
		"shorter by now":   {kind: "image", due: noon.AddDate(1, 0, 0), then: noon.AddDate(0, 0, 1), input: `{"due":"2027-03-02T12:00:00.123456Z","kind":"image","started":"2026-03-02T12:00:00.123456Z"}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			due, d, err := p.Limit(t.Context(), tt.kind, noon, tt.due)
			if err != nil || !due.Equal(tt.then) || d.Rule != "retention.limit" || d.Outcome != "allow" || string(d.Input) != tt.input {
				t.Errorf("due %v, want %v; %+v, input %s; %v", due, tt.then, d, d.Input, err)
			}
		})
	}
	if _, d, err := p.Limit(t.Context(), "selfie", noon, time.Time{}); !errors.Is(err, ErrDenied) || d.Outcome != "deny" {
		t.Errorf("a kind that nobody knows: %+v, %v", d, err)
	}
}

func TestDeletion(t *testing.T) {
	p := policy(t, time.Hour)
	started, due := noon.AddDate(0, 0, -90), noon
	tests := map[string]struct {
		ask    usecase.Question
		yes    bool
		keptBy []string
	}{
		"due":              {ask: usecase.Question{Kind: "api_log", Now: noon}, yes: true},
		"not yet":          {ask: usecase.Question{Kind: "api_log", Now: noon.Add(-1)}},
		"held":             {ask: usecase.Question{Kind: "api_log", Now: noon, Held: true}, keptBy: []string{"hold"}},
		"held, restricted": {ask: usecase.Question{Kind: "api_log", Now: noon, Held: true, Restricted: true}, keptBy: []string{"hold", "restriction"}},
		"no hold for it":   {ask: usecase.Question{Kind: "analytics", Now: noon, Held: true}, yes: true},
		"erasure":          {ask: usecase.Question{Kind: "api_log", Now: noon.Add(-1), Erasure: true}, yes: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.ask.Field, tt.ask.Started, tt.ask.Due = usecase.Whole, started, due
			yes, keptBy, d, err := p.Deletion(t.Context(), tt.ask)
			if err != nil || yes != tt.yes || !slices.Equal(keptBy, tt.keptBy) || (d.Outcome == "allow") != tt.yes {
				t.Errorf("%v, kept by %v, %+v, %v", yes, keptBy, d, err)
			}
			var asked map[string]any
			if err := json.Unmarshal(d.Input, &asked); err != nil || asked["field"] != "whole" || len(asked) != 8 {
				t.Errorf("asked %s", d.Input)
			}
		})
	}
	if _, _, d, err := p.Deletion(t.Context(), usecase.Question{Kind: "selfie", Field: "whole", Now: noon}); !errors.Is(err, ErrDenied) || d.Outcome != "deny" {
		t.Errorf("a kind that nobody knows: %+v, %v", d, err)
	}
}

// No hold ever lengthens the life of a picture.
func TestHold(t *testing.T) {
	p := policy(t, time.Hour)
	for kind, may := range map[string]bool{"image": false, "result": false, "preview": false, "analytics": false, "api_log": true, "technical": true} {
		got, d, err := p.Hold(t.Context(), kind)
		if err != nil || got != may || d.Rule != "retention.hold" {
			t.Errorf("%s: %v, %+v, %v", kind, got, d, err)
		}
	}
	if _, _, err := p.Hold(t.Context(), "selfie"); !errors.Is(err, ErrDenied) {
		t.Errorf("a kind that nobody knows: %v", err)
	}
}

// Whatever the moment: what began by then is due by now, and what began a day and a second later is not.
func TestLimitUpTo(t *testing.T) {
	p := policy(t, time.Hour)
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(rapid.Int64Range(0, 1<<32).Draw(t, "now"), 0)
		kind := rapid.SampledFrom([]string{"abuse_counter", "analytics", "api_key", "api_log", "capability", "idempotency_answer", "payment"}).Draw(t, "kind")
		upTo, err := usecase.LimitUpTo(t.Context(), p, kind, now)
		if err != nil {
			t.Fatal(err)
		}
		due, _, err := p.Limit(t.Context(), kind, upTo, time.Time{})
		if err != nil || due.After(now) {
			t.Fatalf("%s: what began %v is due %v, after %v: %v", kind, upTo, due, now, err)
		}
		late, _, err := p.Limit(t.Context(), kind, upTo.AddDate(0, 0, 1).Add(time.Second), time.Time{})
		if err != nil || !late.After(now) {
			t.Fatalf("%s: what began a day after %v is due by %v: %v", kind, upTo, now, err)
		}
	})
}
