package disclosures_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/domain/disclosure"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/projector"
	"github.com/bgremover/bgremover/internal/projector/projectortest"
	"github.com/bgremover/bgremover/projections/disclosures"
)

var (
	noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	view = projector.View{Name: disclosures.Name, Schema: disclosures.Schema, Apply: disclosures.Apply}
)

func apply(t *testing.T, db *pgxpool.Pool, facts ...event.Envelope) {
	t.Helper()
	b := &pgx.Batch{}
	disclosures.Apply(b, facts)
	if err := db.SendBatch(context.Background(), b).Close(); err != nil {
		t.Fatalf("apply: %v", err)
	}
}

// story makes the facts of one request.
func story(which id.Disclosure, at time.Time, facts ...event.Fact) (all []event.Envelope) {
	for i, fact := range facts {
		all = append(all, event.Envelope{Stream: disclosure.Stream(which), Version: int64(i) + 1, At: at, Fact: fact})
	}
	return all
}

func asked(sender, country, category string) disclosure.Requested {
	return disclosure.Requested{
		From: sender, Country: country, Category: category, Fields: []string{"address"}, Basis: "order", Expires: noon.AddDate(1, 0, 0),
		Reference: personal.Sealed, Text: personal.Sealed,
	}
}

func newID() id.Disclosure { return id.Disclosure(uuid.NewString()) }

func TestOutcomes(t *testing.T) {
	tests := map[string]struct {
		facts []event.Fact
		then  disclosures.Outcome
	}{
		"registered":       {nil, disclosures.Pending},
		"approved":         {[]event.Fact{disclosure.Approved{Approvals: 1}}, disclosures.Pending},
		"permitted":        {[]event.Fact{disclosure.Permitted{}}, disclosures.Permitted},
		"made":             {[]event.Fact{disclosure.Permitted{}, disclosure.Made{Count: 3}}, disclosures.Made},
		"made of nothing":  {[]event.Fact{disclosure.Permitted{}, disclosure.Made{}}, disclosures.Nothing},
		"not held":         {[]event.Fact{disclosure.Permitted{}, disclosure.Refused{Reasons: []string{disclosure.ReasonNoData}}}, disclosures.Nothing},
		"refused":          {[]event.Fact{disclosure.Refused{Reasons: []string{"document", "treaty"}}}, disclosures.Refused},
		"of another world": {[]event.Fact{event.Unknown{Name: "disclosure.archived.v1"}}, disclosures.Pending},
	}
	db := projectortest.Open(t, view)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			which := newID()
			facts := story(which, noon, append([]event.Fact{asked("authority", "DE", "technical"), disclosure.Scoped{Purpose: "order", Address: personal.Sealed}}, tt.facts...)...)
			for range 2 { // a run that comes again changes nothing
				apply(t, db, facts...)
			}
			got, err := disclosures.Get(t.Context(), db, which)
			if err != nil || got.Outcome != tt.then || got.Purpose != "order" || !got.At.Equal(noon) || !slices.Equal(got.Fields, []string{"address"}) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	if all, err := disclosures.List(t.Context(), db); err != nil || len(all) != len(tests) {
		t.Errorf("%d are listed, %v", len(all), err)
	}
	for _, wrong := range []id.Disclosure{"", "nobody", newID()} {
		if _, err := disclosures.Get(t.Context(), db, wrong); !errors.Is(err, disclosure.ErrUnknown) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

// The report counts every request once, also when its key is gone and it is listed no more.
func TestReportOutlivesTheKeys(t *testing.T) {
	db := projectortest.Open(t, view)
	old, second := newID(), newID()
	apply(t, db, story(old, noon, asked("authority", "DE", "technical"), disclosure.Permitted{}, disclosure.Made{Count: 1})...)
	apply(t, db, story(second, noon, asked("authority", "DE", "technical"), disclosure.Permitted{}, disclosure.Made{Count: 1})...)
	apply(t, db, story(newID(), noon.AddDate(0, 6, 0), asked("partner", "FR", "account"), disclosure.Permitted{})...)
	apply(t, db, story(newID(), time.Date(2026, 7, 1, 0, 30, 0, 0, time.FixedZone("", 3600)), asked("authority", "DE", "image"), disclosure.Refused{Reasons: []string{"undecided"}})...)
	want := "[{2026-07-01 partner account pending 1} {2026-01-01 authority image refused 1} {2026-01-01 authority technical made 2}]"
	for _, gone := range []id.Disclosure{"", old, old, second} {
		if gone != "" {
			apply(t, db, event.Envelope{Stream: "vault/1", Fact: system.KeyDestroyed{Key: disclosure.Key(gone)}})
			if _, err := disclosures.Get(t.Context(), db, gone); !errors.Is(err, disclosure.ErrUnknown) {
				t.Errorf("it is still there: %v", err)
			}
		}
		if got := report(t, db); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func report(t *testing.T, db disclosures.DB) string {
	t.Helper()
	groups, err := disclosures.Report(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	type shown struct {
		Half, Sender, Category string
		Outcome                disclosures.Outcome
		N                      int64
	}
	all := []shown{}
	for _, g := range groups {
		all = append(all, shown{g.Half.Format(time.DateOnly), g.Sender, g.Category, g.Outcome, g.N})
	}
	return fmt.Sprint(all)
}

// No country is named from which so few came that it tells which case it was.
func TestSmallCountriesAreNotNamed(t *testing.T) {
	db := projectortest.Open(t, view)
	for country, n := range map[string]int{"DE": 5, "FR": 6, "MT": 1, "LU": 4} {
		for range n {
			apply(t, db, story(newID(), noon, asked("authority", country, "technical"))...)
		}
	}
	got, err := disclosures.Countries(t.Context(), db)
	half := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	want := []disclosures.Country{{half, "DE", 5}, {half, "FR", 6}, {half, "", 5}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}
