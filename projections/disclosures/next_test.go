package disclosures_test

import (
	"slices"
	"testing"
	"time"

	"github.com/bgremover/bgremover/domain/disclosure"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/internal/projector/projectortest"
	"github.com/bgremover/bgremover/projections/disclosures"
)

// What comes next, as an officer reads it on a day: given what happened, and when they look.
func TestNext(t *testing.T) {
	made, permitted := disclosure.Made{Count: 3}, disclosure.Permitted{}
	ban := noon.AddDate(0, 1, 0)
	ends := noon.AddDate(1, 0, 0) // of every order here
	tests := map[string]struct {
		facts []event.Fact
		now   time.Time
		then  disclosures.Next
		done  bool
	}{
		"registered":               {nil, noon, disclosures.Next{Step: disclosures.Decide, At: ends}, false},
		"registered, order over":   {nil, ends, disclosures.Next{Step: disclosures.Decide, At: ends, Over: true}, false},
		"permitted":                {[]event.Fact{permitted}, noon, disclosures.Next{Step: disclosures.Make, At: ends}, false},
		"permitted, order over":    {[]event.Fact{permitted}, ends, disclosures.Next{Step: disclosures.Make, At: ends, Over: true}, false},
		"given":                    {[]event.Fact{permitted, made}, noon, disclosures.Next{Step: disclosures.Tell, At: noon, Over: true}, false},
		"given, telling forbidden": {[]event.Fact{permitted, made, disclosure.SubjectDeferred{Until: ban}}, ban.Add(-1), disclosures.Next{Step: disclosures.Wait, At: ban}, false},
		"given, the ban over":      {[]event.Fact{permitted, made, disclosure.SubjectDeferred{Until: ban}}, ban, disclosures.Next{Step: disclosures.Tell, At: ban, Over: true}, false},
		"given, a ban renewed": {
			[]event.Fact{permitted, made, disclosure.SubjectDeferred{Until: noon}, disclosure.SubjectDeferred{Until: ban}}, noon, disclosures.Next{Step: disclosures.Wait, At: ban}, false,
		},
		"told":        {[]event.Fact{permitted, made, disclosure.SubjectTold{}}, noon, disclosures.Next{}, true},
		"unreachable": {[]event.Fact{permitted, made, disclosure.SubjectUnreachable{}}, noon, disclosures.Next{}, true},
		"empty":       {[]event.Fact{permitted, disclosure.Made{}}, noon, disclosures.Next{}, true},
		"refused":     {[]event.Fact{disclosure.Refused{Reasons: []string{"document"}}}, noon, disclosures.Next{}, true},
		"not held":    {[]event.Fact{permitted, disclosure.Refused{Reasons: []string{disclosure.ReasonNoData}}}, noon, disclosures.Next{}, true},
	}
	db := projectortest.Open(t, view)
	var open []id.Disclosure
	for name, tt := range tests {
		which := newID()
		if !tt.done {
			open = append(open, which)
		}
		apply(t, db, story(which, noon, append([]event.Fact{asked("authority", "DE", "technical")}, tt.facts...)...)...)
		t.Run(name, func(t *testing.T) {
			one, err := disclosures.Get(t.Context(), db, which)
			if err != nil {
				t.Fatal(err)
			}
			next, ok := one.Next(tt.now)
			if ok == tt.done || next != tt.then {
				t.Errorf("got %+v, %t", next, ok)
			}
		})
	}
	old := disclosures.Disclosure{Outcome: disclosures.Made, At: noon}
	if next, ok := old.Next(noon); !ok || next != (disclosures.Next{Step: disclosures.Tell, At: noon, Over: true}) {
		t.Errorf("what an earlier release followed: %+v, %t", next, ok)
	}
	listed, err := disclosures.Open(t.Context(), db)
	var found []id.Disclosure
	at := time.Time{}
	for _, one := range listed {
		next, ok := one.Next(noon)
		if !ok || next.At.Before(at) {
			t.Errorf("listed %+v after %v", one, at)
		}
		at = next.At
		found = append(found, one.ID)
	}
	if slices.Sort(found); err != nil || !slices.Equal(found, slices.Sorted(slices.Values(open))) {
		t.Errorf("listed %v, %v; want %v", found, err, open)
	}
}

// Who should have been told is counted from the day on which an order's ban ends.
func TestUntold(t *testing.T) {
	db := projectortest.Open(t, view)
	made, ban := disclosure.Made{Count: 1}, noon.AddDate(0, 0, 10)
	for _, rest := range [][]event.Fact{
		{made},
		{made, disclosure.SubjectDeferred{Until: ban}},
		{made, disclosure.SubjectTold{}},
		{made, disclosure.SubjectUnreachable{}},
		{disclosure.Made{}},
		{disclosure.Refused{Reasons: []string{"by_staff"}}},
		{},
	} {
		apply(t, db, story(newID(), noon, append([]event.Fact{asked("authority", "DE", "technical"), disclosure.Permitted{}}, rest...)...)...)
	}
	for _, tt := range []struct {
		now, since time.Time
		n          int64
	}{{noon.Add(-time.Hour), noon.Add(-time.Hour), 0}, {noon, noon, 1}, {ban.Add(-time.Second), noon, 1}, {ban, noon, 2}} {
		if n, since, err := disclosures.Untold(t.Context(), db, tt.now); err != nil || n != tt.n || !since.Equal(tt.since) {
			t.Errorf("at %v: %d since %v, %v; want %d since %v", tt.now, n, since, err, tt.n, tt.since)
		}
	}
}
