package usecase_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/usecase"
)

// Keys were made under a period of 90 days. When it becomes 30, those older than that end at once; those that a
// hold keeps do not, and a longer period keeps none beyond its time.
func TestShorterPeriodOfKeys(t *testing.T) {
	r := newKeyRecord()
	began := map[personal.KeyID]time.Time{
		"visit/1": noon.AddDate(0, 0, -91), "visit/2": noon.AddDate(0, 0, -31), "visit/3": noon.AddDate(0, 0, -29), "disclosure/1": noon.AddDate(0, 0, -40),
	}
	for id, at := range began {
		r.begin(t, id)
		r.keys.due[id] = at.AddDate(0, 0, 90)
	}
	rules := fake.Limits{Periods: map[string]time.Duration{"technical": 120 * day, "disclosure": 30 * day}}
	var away error
	keys := usecase.KeysByRules{
		Vault: r.keys, Rules: rules, Kinds: map[string]string{"technical": "visit", "disclosure": "disclosure"},
		Began: func(_ context.Context, kind string, upTo time.Time, limit int) (found []usecase.WaitingKey, err error) {
			of := map[string]string{"technical": "visit", "disclosure": "disclosure"}[kind]
			for id, at := range began {
				if _, live := r.keys.live[id]; live && system.KeyKind(id) == of && !at.After(upTo) && len(found) < limit {
					found = append(found, usecase.WaitingKey{Key: id, Started: at})
				}
			}
			return found, away
		},
	}
	end := r.endKeys()
	end.Keys = keys
	for _, step := range []struct {
		name string
		days time.Duration
		held []string
		left int
	}{
		{"a longer one keeps nothing beyond its time", 120, []string{"disclosure"}, 3},
		{"a shorter one holds at once", 30, []string{"disclosure"}, 2},
		{"and the hold is over", 30, nil, 1},
	} {
		rules.Periods["technical"] = step.days * day
		end.Held = func(context.Context) ([]string, error) { return step.held, nil }
		if _, err := end.Do(t.Context()); err != nil || len(r.keys.live) != step.left {
			t.Errorf("%s: %d keys are left, want %d; %v", step.name, len(r.keys.live), step.left, err)
		}
	}
	away = errors.New("the view is away")
	if _, err := end.Do(t.Context()); !errors.Is(err, away) {
		t.Errorf("without the schedule: %v", err)
	}
}
