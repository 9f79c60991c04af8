package usecase_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/usecase"
)

// newest looks through a record in memory.
type newest struct{ *fake.Record }

func (n newest) Newest(_ context.Context, name event.Name) (found event.Fact, err error) {
	for _, env := range n.All() {
		if env.Fact.EventName() == name {
			found = env.Fact
		}
	}
	return found, nil
}

func TestRegionIsDeclaredWhenItChanges(t *testing.T) {
	record := fake.NewRecord(nil)
	declare := usecase.DeclareRegion{Record: record, Now: func() time.Time { return noon }}
	for _, region := range []string{"", "Frankfurt", "Frankfurt", "", "Paris", "Frankfurt"} {
		if err := declare.Do(t.Context(), region); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, env := range record.All() {
		got = append(got, env.Fact.(system.RegionDeclared).Region)
	}
	if len(got) != 3 || got[0] != "Frankfurt" || got[1] != "Paris" || got[2] != "Frankfurt" {
		t.Errorf("declared: %v", got)
	}
}

func TestModelsAreRecordedWhenTheyChange(t *testing.T) {
	record := fake.NewRecord(nil)
	declare := usecase.DeclareModel{Record: record, Newest: newest{record}, Now: func() time.Time { return noon }}
	by := event.Decision{Rule: "model.load", Promises: []string{"model.licensed"}, Revision: 1, Outcome: "allow", Input: []byte(`{}`)}
	load := func(name, digest string, established bool) func() error {
		return func() error {
			return declare.Loaded(t.Context(), usecase.ModelPassport{Name: name, Digest: digest}, usecase.ModelAnswer{Allow: true, Established: established}, by)
		}
	}
	refuse := func(name string, reasons ...string) func() error {
		return func() error {
			return declare.Refused(t.Context(), usecase.ModelPassport{Name: name, Digest: "1"}, usecase.ModelAnswer{RefusedBy: reasons}, by)
		}
	}
	steps := []struct {
		when  func() error
		facts int // there are then
	}{
		{load("u2net", "1", false), 1},
		{load("u2net", "1", false), 1},
		{load("u2net", "1", true), 2}, // somebody established the licence
		{load("u2net", "2", true), 3}, // another passport
		{load("u2netp", "1", true), 4},
		{load("u2net", "2", true), 5}, // back again: what is in service is what was loaded last
		{refuse("mine", "data"), 6},
		{refuse("mine", "data"), 6},
		{refuse("mine", "data", "weights"), 7},
		{load("mine", "1", true), 8},
		{refuse("mine", "data", "weights"), 9},
	}
	for i, step := range steps {
		if err := step.when(); err != nil {
			t.Fatal(err)
		}
		if got := len(record.All()); got != step.facts {
			t.Errorf("after step %d there are %d facts, want %d", i+1, got, step.facts)
		}
	}
	if last := record.All()[0]; last.Decision == nil || last.Decision.Rule != "model.load" || last.Actor.Role != event.Operator {
		t.Errorf("recorded: %+v", last)
	}
}

func TestTextsArePublishedOnce(t *testing.T) {
	record := fake.NewRecord(nil)
	publish := usecase.PublishTexts{Record: record, Now: func() time.Time { return noon }}
	one := policy.Published{Version: 1, Date: "2026-03-02", Digest: "a", Text: "We cut out."}
	two := policy.Published{Version: 2, Date: "2026-03-09", Digest: "b", Text: "We cut out, still."}
	for _, versions := range [][]policy.Published{{one}, {one}, {one, two}} {
		known, err := publish.Do(t.Context(), versions)
		if err != nil || len(known) != len(versions) {
			t.Fatalf("of %d versions the record knows %d, %v", len(versions), len(known), err)
		}
		if last := known[len(known)-1]; last.Published != versions[len(versions)-1] || last.Seq != int64(len(known)) {
			t.Errorf("got %+v", last)
		}
	}
	changed := one
	changed.Digest = "c"
	for name, versions := range map[string][]policy.Published{"changed": {changed, two}, "an older release": {one}} {
		known, err := publish.Do(t.Context(), versions)
		if !errors.Is(err, usecase.ErrTextChanged) || len(known) != 2 {
			t.Errorf("%s: %v, and the record knows %d", name, err, len(known))
		}
	}
	if n := len(record.All()); n != 2 {
		t.Errorf("%d facts", n)
	}
}

// Of two processes that start at once, the record hears each thing once.
func TestDeclaringLosesARace(t *testing.T) {
	record := fake.NewRecord(nil)
	other := usecase.DeclareRegion{Record: record, Now: func() time.Time { return noon }}
	raced := false
	record.Refuse = func(event.Append) error {
		if raced {
			return nil
		}
		raced = true
		return event.ErrConflict
	}
	if err := other.Do(t.Context(), "Frankfurt"); err != nil || len(record.All()) != 1 {
		t.Errorf("%v, %d facts", err, len(record.All()))
	}
}
