package abuse_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/domain/visit"
	"github.com/bgremover/bgremover/internal/projector"
	"github.com/bgremover/bgremover/internal/projector/projectortest"
	"github.com/bgremover/bgremover/projections/abuse"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

var view = projector.View{Name: abuse.Name, Schema: abuse.Schema, Apply: abuse.Apply, Purge: abuse.Purge}

func apply(t testing.TB, db *pgxpool.Pool, facts ...event.Fact) {
	t.Helper()
	var all []event.Envelope
	for _, fact := range facts {
		all = append(all, event.Envelope{At: noon, Fact: fact})
	}
	b := &pgx.Batch{}
	abuse.Apply(b, all)
	if err := db.SendBatch(t.Context(), b).Close(); err != nil {
		t.Fatal(err)
	}
}

func refusedAt(minute time.Time, rule string, count int64, inputs ...policy.CountedInput) policy.DecisionRefused {
	return policy.DecisionRefused{Rule: rule, Minute: minute, Count: count, Inputs: inputs}
}

func asked(input string, n int64) policy.CountedInput {
	return policy.CountedInput{Input: json.RawMessage(input), Count: n}
}

// shown is all that the view holds.
func shown(t testing.TB, db *pgxpool.Pool) string {
	t.Helper()
	refused, err := abuse.Refusals(t.Context(), db, time.Unix(0, 0), 1000)
	if err != nil {
		t.Fatal(err)
	}
	days, err := abuse.Days(t.Context(), db, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, r := range refused {
		lines = append(lines, fmt.Sprintf("%s %s %q %d", r.Hour.UTC().Format("02 15"), r.Rule, r.Scope, r.N))
	}
	for _, d := range days {
		lines = append(lines, fmt.Sprintf("%s began %d blocked %d", d.Day.Format("02"), d.Began, d.Blocked))
	}
	return strings.Join(lines, "\n")
}

func TestWhatCountsAsWhat(t *testing.T) {
	db := projectortest.Open(t, view)
	apply(t, db,
		refusedAt(noon.Add(59*time.Minute), "upload.rate", 10,
			asked(`{"scope":"visitor","uploads_minute":20}`, 4), asked(`{"scope":"visitor","uploads_minute":21}`, 1),
			asked(`{"scope":"network"}`, 2)),
		refusedAt(noon, "access.blob", 3, asked(`{"purpose":"training","scope":"<script>"}`, 3)),
		visit.Began{Day: "2026-03-02", Address: personal.Sealed},
		visit.Began{Day: "2026-03-02", Address: personal.Erased},
		visit.Blocked{Rule: "upload.rate", At: noon},
		visit.Began{Day: "nonsense"},
		image.Uploaded{}, event.Unknown{Name: "account.registered.v1"},
	)
	apply(t, db, refusedAt(noon.Add(time.Hour), "upload.rate", 1, asked(`not json`, 1)), visit.Began{Day: "2026-03-03"})
	want := strings.Join([]string{
		`02 13 upload.rate "" 1`, `02 12 access.blob "" 3`, `02 12 upload.rate "" 3`, `02 12 upload.rate "network" 2`,
		`02 12 upload.rate "visitor" 5`, "03 began 1 blocked 0", "02 began 2 blocked 1",
	}, "\n")
	if got := shown(t, db); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// However the facts are cut into batches, the rows are the same.
func TestBatchesMakeNoDifference(t *testing.T) {
	var facts []event.Fact
	for n := range 40 {
		at := noon.Add(time.Duration(n*37) * time.Minute)
		facts = append(facts, refusedAt(at, "upload.rate", 3, asked(`{"scope":"visitor"}`, 2)), visit.Began{Day: at.Format(time.DateOnly)}, visit.Blocked{At: at})
	}
	whole := projectortest.Open(t, view)
	apply(t, whole, facts...)
	want := shown(t, whole)
	db := projectortest.Open(t, view)
	rapid.Check(t, func(rt *rapid.T) {
		if _, err := db.Exec(t.Context(), "truncate refused, visits"); err != nil {
			rt.Fatal(err)
		}
		for left := slices.Clone(facts); len(left) > 0; {
			n := rapid.IntRange(1, len(left)).Draw(rt, "batch")
			apply(t, db, left[:n]...)
			left = left[n:]
		}
		if got := shown(t, db); got != want {
			rt.Fatalf("got\n%s\nwant\n%s", got, want)
		}
	})
}

func TestPurge(t *testing.T) {
	db := projectortest.Open(t, view)
	midnight := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	apply(t, db,
		refusedAt(midnight, "upload.rate", 1), refusedAt(midnight.Add(23*time.Hour), "upload.rate", 1), refusedAt(midnight.Add(24*time.Hour), "upload.rate", 1),
		visit.Began{Day: "2026-03-02"}, visit.Began{Day: "2026-03-03"})
	for _, step := range []struct {
		upTo   time.Time
		rows   int64
		oldest time.Time // afterwards
		days   int64
	}{
		{midnight.Add(-time.Second), 0, midnight, 2},
		{midnight, 3, midnight.Add(24 * time.Hour), 1}, // the day, and both of its hours
		{midnight.Add(24*time.Hour - time.Second), 0, midnight.Add(24 * time.Hour), 1},
		{midnight.Add(24 * time.Hour), 2, time.Time{}, 0},
	} {
		err := pgx.BeginFunc(t.Context(), db, func(tx pgx.Tx) error {
			n, err := abuse.Purge(context.Background(), tx, step.upTo)
			if n != step.rows {
				t.Errorf("up to %s: %d rows, want %d", step.upTo, n, step.rows)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		oldest, days, err := abuse.Oldest(t.Context(), db)
		if err != nil || !oldest.Equal(step.oldest) || days != step.days {
			t.Errorf("up to %s: the oldest of %d days is %s, %v", step.upTo, days, oldest, err)
		}
	}
}
