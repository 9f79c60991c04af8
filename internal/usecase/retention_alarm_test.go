package usecase_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/usecase"
)

// lateKinds says what is late as a record says.
func lateKinds(r *fake.Record) func(context.Context) (map[string]bool, error) {
	return func(context.Context) (map[string]bool, error) {
		late := map[string]bool{}
		for _, env := range r.All() {
			switch e := env.Fact.(type) {
			case system.RetentionStalled:
				late[e.Kind] = true
			case system.RetentionResumed:
				delete(late, e.Kind)
			}
		}
		return late, nil
	}
}

func TestWatchRetention(t *testing.T) {
	record := fake.NewRecord(nil)
	at := noon
	watch := usecase.WatchRetention{Record: record, Late: lateKinds(record), Now: func() time.Time { return at }}
	s := usecase.Standing{Kind: "api_log", Count: 7, Oldest: noon.AddDate(0, 0, -90), Due: noon}
	held := s
	held.KeptBy = []string{"hold"}
	done := s
	done.Due = noon.AddDate(0, 0, 1)
	for _, step := range []struct {
		name  string
		after time.Duration
		seen  usecase.Standing
		late  []bool
	}{
		{"due", 0, s, nil},
		{"nearly late", 15*time.Minute - 1, s, nil},
		{"held", 20 * time.Minute, held, nil},
		{"late", 15 * time.Minute, s, []bool{true}},
		{"still late: once is enough", time.Hour, s, nil},
		{"less late, but late", time.Minute, s, nil},
		{"done", 2 * time.Hour, done, []bool{false}},
		{"still done", 2 * time.Hour, done, nil},
		{"late again", 3 * time.Hour, s, []bool{true}},
		{"held since", 3 * time.Hour, held, []bool{false}},
	} {
		at = noon.Add(step.after)
		turns, err := watch.Do(t.Context(), []usecase.Standing{step.seen})
		var late []bool
		for _, turn := range turns {
			late = append(late, turn.Late)
		}
		if err != nil || !slices.Equal(late, step.late) {
			t.Errorf("%s: turned %v, want %v; %v", step.name, late, step.late, err)
		}
	}
	var facts []event.Fact
	for _, env := range record.All() {
		facts = append(facts, env.Fact)
	}
	stalled := system.RetentionStalled{Kind: "api_log", Due: noon, Waiting: 7}
	if want := []event.Fact{stalled, system.RetentionResumed{Kind: "api_log"}, stalled, system.RetentionResumed{Kind: "api_log"}}; !slices.Equal(facts, want) {
		t.Errorf("recorded %+v, want %+v", facts, want)
	}
}

func TestHoldup(t *testing.T) {
	image := usecase.Standing{Kind: "image", Count: 1, Oldest: noon.Add(-24 * time.Hour), Due: noon}
	log := usecase.Standing{Kind: "api_log", Count: 1, Oldest: noon.AddDate(0, 0, -90), Due: noon}
	held := log
	held.KeptBy = []string{"hold"}
	type run struct {
		n    int
		took time.Duration
	}
	tests := map[string]struct {
		after   time.Duration
		seen    []usecase.Standing
		overdue int64
		runs    []run
		stalled bool
	}{
		"nothing there":                     {},
		"late, but not for an hour":         {after: time.Hour - 1, seen: []usecase.Standing{log}},
		"an hour late":                      {after: time.Hour, seen: []usecase.Standing{log}, stalled: true},
		"a picture an hour late":            {after: time.Hour, seen: []usecase.Standing{image}, overdue: 1, stalled: true},
		"held":                              {after: 2 * time.Hour, seen: []usecase.Standing{held}},
		"a backlog at an unknown rate":      {after: time.Minute, seen: []usecase.Standing{image}, overdue: 1_000_000},
		"a round with nothing says nothing": {after: time.Minute, seen: []usecase.Standing{image}, overdue: 1_000_000, runs: []run{{0, time.Minute}}},
		"a backlog that is soon gone":       {after: time.Minute, seen: []usecase.Standing{image}, overdue: 1770, runs: []run{{10, 10 * time.Second}}},
		"a backlog that takes too long":     {after: time.Minute, seen: []usecase.Standing{image}, overdue: 1771, runs: []run{{10, 10 * time.Second}}, stalled: true},
		"the same, with less time left":     {after: 31 * time.Minute, seen: []usecase.Standing{image}, overdue: 871, runs: []run{{10, 10 * time.Second}}, stalled: true},
		"rounds count together":             {after: time.Minute, seen: []usecase.Standing{image}, overdue: 1771, runs: []run{{10, 10 * time.Second}, {90, time.Second}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var h usecase.Holdup
			now := noon.Add(tt.after)
			for _, r := range tt.runs {
				h.Deleted(now, r.n, r.took)
			}
			stalled, changed := h.Judge(now, tt.seen, tt.overdue)
			if stalled != tt.stalled || changed != tt.stalled {
				t.Errorf("stalled %v, changed %v, want %v", stalled, changed, tt.stalled)
			}
			err := h.Refuses()
			if refused, ok := refusal.As(err); ok != tt.stalled || errors.Is(err, usecase.ErrStalled) != tt.stalled || ok && refused.Kind != refusal.Unavailable {
				t.Errorf("a photo is answered with %v", err)
			}
			if _, changed := h.Judge(now, tt.seen, tt.overdue); changed {
				t.Error("the same again is a change")
			}
			if stalled, changed := h.Judge(now, nil, 0); stalled || changed != tt.stalled || h.Refuses() != nil {
				t.Errorf("when all is done: stalled %v, changed %v", stalled, changed)
			}
		})
	}
}

// A rate is forgotten when nothing was deleted for a while.
func TestRateIsOfTheLastMinutes(t *testing.T) {
	var h usecase.Holdup
	h.Deleted(noon, 100, time.Second)
	h.Deleted(noon.Add(6*time.Minute), 10, time.Second)
	if rate, ok := h.Rate(noon.Add(7 * time.Minute)); !ok || rate != 55 {
		t.Errorf("%v, %v", rate, ok)
	}
	if rate, ok := h.Rate(noon.Add(11 * time.Minute)); !ok || rate != 10 {
		t.Errorf("%v, %v", rate, ok)
	}
	if rate, ok := h.Rate(noon.Add(17 * time.Minute)); ok {
		t.Errorf("%v", rate)
	}
}

// While deletions are late, a photo is refused before anything is kept of it.
func TestNoPhotoIsTakenWhileDeletionsAreLate(t *testing.T) {
	w := newWorld()
	w.holdup.Judge(noon.Add(time.Hour), []usecase.Standing{{Kind: "api_log", Due: noon}}, 0)
	if _, err := w.upload().Do(t.Context(), usecase.UploadCommand{Picture: []byte("a photo")}); !errors.Is(err, usecase.ErrStalled) {
		t.Errorf("got %v", err)
	}
	if w.stored(t) != 0 || w.story() != "" {
		t.Errorf("kept %d objects, recorded %q", w.stored(t), w.story())
	}
	w.holdup.Judge(noon.Add(time.Hour), nil, 0)
	if _, err := w.upload().Do(t.Context(), usecase.UploadCommand{Picture: []byte("a photo")}); err != nil {
		t.Errorf("when they have caught up: %v", err)
	}
}
