package schedule_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/domain/visit"
	"github.com/bgremover/bgremover/internal/projector"
	"github.com/bgremover/bgremover/internal/projector/projectortest"
	"github.com/bgremover/bgremover/projections/schedule"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// record gives facts their places.
type record struct{ facts []event.Envelope }

func (r *record) add(stream event.Stream, at time.Time, facts ...event.Fact) {
	version := int64(0)
	for _, env := range r.facts {
		if env.Stream == stream {
			version = env.Version
		}
	}
	for _, fact := range facts {
		version++
		r.facts = append(r.facts, event.Envelope{
			Seq: int64(len(r.facts)) + 1, Stream: stream, Version: version, At: at, Fact: fact,
			Decision: &event.Decision{Rule: "retention.deadline", Revision: 4},
		})
	}
}

func open(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return projectortest.Open(t, projector.View{Name: schedule.Name, Schema: schedule.Schema, Apply: schedule.Apply})
}

type fataler interface {
	Fatalf(format string, args ...any)
}

func apply(t fataler, db *pgxpool.Pool, facts ...event.Envelope) {
	b := &pgx.Batch{}
	schedule.Apply(b, facts)
	if err := db.SendBatch(context.Background(), b).Close(); err != nil {
		t.Fatalf("apply: %v", err)
	}
}

func TestWhatWaits(t *testing.T) {
	img, seen := id.Image(uuid.NewString()), id.Visit(uuid.NewString())
	uploaded := image.Uploaded{Due: noon.Add(24 * time.Hour)}
	waits := schedule.Kind{Kind: "image", Count: 1, Started: noon, Due: uploaded.Due}
	tests := map[string]struct {
		facts func(*record)
		then  []schedule.Kind
	}{
		"nothing": {facts: func(*record) {}},
		"a picture": {
			facts: func(r *record) { r.add(image.Stream(img), noon, uploaded, image.Processed{}) },
			then:  []schedule.Kind{waits},
		},
		"a picture, overdue": {
			facts: func(r *record) { r.add(image.Stream(img), noon, image.Uploaded{Due: noon.Add(time.Minute)}) },
			then:  []schedule.Kind{{Kind: "image", Count: 1, Started: noon, Due: noon.Add(time.Minute), Overdue: 1}},
		},
		"due earlier": {
			facts: func(r *record) {
				r.add(image.Stream(img), noon, uploaded, image.DeletionDueChanged{Due: noon.Add(3 * time.Hour)})
			},
			then: []schedule.Kind{{Kind: "image", Count: 1, Started: noon, Due: noon.Add(3 * time.Hour)}},
		},
		"deleted": {facts: func(r *record) { r.add(image.Stream(img), noon, uploaded, image.Deleted{}) }},
		"its key destroyed alone": {
			facts: func(r *record) {
				r.add(image.Stream(img), noon, uploaded)
				r.add(system.VaultStream(image.Key(img)), noon, system.KeyDestroyed{Key: image.Key(img)})
			},
		},
		"another key destroyed": {
			facts: func(r *record) {
				other := personal.KeyID("image/" + uuid.NewString())
				r.add(image.Stream(img), noon, uploaded)
				r.add(system.VaultStream(other), noon, system.KeyDestroyed{Key: other})
			},
			then: []schedule.Kind{waits},
		},
		"a visitor's day": {
			facts: func(r *record) {
				r.add(visit.Stream(seen), noon, visit.Began{Day: "2026-03-02"})
				r.add(visit.Stream(seen), noon.Add(time.Hour), visit.Blocked{Rule: "upload.rate"})
			},
			then: []schedule.Kind{{Kind: "technical", Count: 1, Started: noon}},
		},
		"a visitor's day whose key is gone": {
			facts: func(r *record) {
				r.add(visit.Stream(seen), noon, visit.Began{Day: "2026-03-02"})
				r.add(system.VaultStream(visit.Key(seen)), noon, system.KeyDestroyed{Key: visit.Key(seen)})
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for cut, facts := range map[string]func(record) [][]event.Envelope{
				"at once":    func(r record) [][]event.Envelope { return [][]event.Envelope{r.facts} },
				"one by one": func(r record) [][]event.Envelope { return slices.Collect(slices.Chunk(r.facts, 1)) },
			} {
				var r record
				tt.facts(&r)
				db := open(t)
				for _, run := range facts(r) {
					apply(t, db, run...)
				}
				got, err := schedule.Kinds(t.Context(), db, noon.Add(2*time.Minute))
				if err != nil || !slices.Equal(got, tt.then) {
					t.Errorf("%s: got %+v, want %+v; %v", cut, got, tt.then, err)
				}
			}
		})
	}
}

func TestOverdueAndDecided(t *testing.T) {
	db := open(t)
	var r record
	var streams []string
	for i := range 5 {
		stream := event.Stream(fmt.Sprintf("image/01900000-0000-7000-8000-%012d", i))
		streams = append(streams, string(stream))
		r.add(stream, noon, image.Uploaded{Due: noon.Add(time.Duration(i) * time.Hour)})
	}
	r.add(event.Stream(streams[1]), noon, image.Deleted{})
	apply(t, db, r.facts...)
	due, err := schedule.DueOf(t.Context(), db, "image", noon.Add(3*time.Hour))
	if want := (schedule.Due{Next: noon, Overdue: 2}); err != nil || due != want {
		t.Errorf("due %+v, want %+v; %v", due, want, err)
	}
	if due, err := schedule.DueOf(t.Context(), db, "image", noon); err != nil || due != (schedule.Due{Next: noon}) {
		t.Errorf("due at their very deadline: %+v, %v", due, err)
	}
	if due, err := schedule.DueOf(t.Context(), db, "technical", noon); err != nil || due != (schedule.Due{}) {
		t.Errorf("of nothing: %+v, %v", due, err)
	}
	if oldest, n, err := schedule.Oldest(t.Context(), db, "image"); err != nil || n != 0 || !oldest.IsZero() {
		t.Errorf("pictures without a deadline: %v, %d, %v", oldest, n, err)
	}
	r.add(visit.Stream("v"), noon.Add(time.Hour), visit.Began{})
	r.add(visit.Stream("w"), noon, visit.Began{})
	apply(t, db, r.facts[len(r.facts)-2:]...)
	if oldest, n, err := schedule.Oldest(t.Context(), db, "technical"); err != nil || n != 2 || oldest != noon {
		t.Errorf("days of visitors: %v, %d, %v", oldest, n, err)
	}
	if none, err := schedule.Decided(t.Context(), db, "image", 4, "", 10); err != nil || len(none) > 0 {
		t.Errorf("decided by rules before revision 4: %+v, %v", none, err)
	}
	var found []string
	for after := ""; ; {
		page, err := schedule.Decided(t.Context(), db, "image", 5, after, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, w := range page {
			found = append(found, w.Subject)
			after = w.Subject
		}
	}
	if want := slices.Delete(slices.Clone(streams), 1, 2); !slices.Equal(found, want) {
		t.Errorf("decided before revision 5: %v, want %v", found, want)
	}
}

func TestRetentionItself(t *testing.T) {
	db := open(t)
	hold, other, third := uuid.NewString(), uuid.NewString(), uuid.NewString()
	var r record
	r.add("retention/a", noon, system.RetentionPurged{Kind: "analytics", Due: noon, Actual: noon.Add(time.Minute), Count: 3})
	r.add("retention/a", noon, system.RetentionPurged{Kind: "analytics", Due: noon.Add(time.Hour), Actual: noon.Add(2 * time.Hour), Count: 4})
	r.add("retention/b", noon, system.RetentionStalled{Kind: "image", Due: noon, Waiting: 7}, system.RetentionStalled{Kind: "api_log", Due: noon, Waiting: 1})
	r.add("retention/b", noon, system.RetentionResumed{Kind: "image"})
	r.add("retention/c", noon, system.HoldPlaced{Hold: hold, Kind: "payment", Fields: []string{"amount"}, Ground: personal.Sealed})
	r.add("retention/d", noon, system.HoldProposed{Hold: other, Kind: "technical", Fields: []string{"address", "agent"}, Ground: personal.Sealed})
	r.add("retention/e", noon.Add(time.Minute), system.HoldProposed{Hold: third, Kind: "payment", Fields: []string{"amount"}, Ground: personal.Sealed})
	r.add("retention/d", noon, system.HoldPlaced{Hold: other, Kind: "technical", Fields: []string{"address", "agent"}, Ground: personal.Sealed})
	r.add("retention/c", noon.Add(time.Hour), system.HoldReleased{Hold: hold, Ground: personal.Sealed})
	for i, input := range []string{`{"kind":"analytics","started":"2025-03-02T12:00:00Z"}`, `{"kind":"analytics"}`} {
		r.facts[i].Decision.Input = []byte(input)
	}
	apply(t, db, r.facts...)

	purges, err := schedule.Purges(t.Context(), db)
	if want := []schedule.Purge{{Kind: "analytics", Due: noon.Add(time.Hour), Actual: noon.Add(2 * time.Hour), UpTo: noon.AddDate(-1, 0, 0), Count: 4, Total: 7}}; err != nil || !reflect.DeepEqual(purges, want) {
		t.Errorf("purged %+v, want %+v; %v", purges, want, err)
	}
	for kind, want := range map[string]time.Time{"analytics": noon.AddDate(-1, 0, 0), "api_log": {}} {
		if upTo, err := schedule.PurgedUpTo(t.Context(), db, kind); err != nil || !upTo.Equal(want) {
			t.Errorf("%s is gone up to %v, want %v; %v", kind, upTo, want, err)
		}
	}
	stalls, err := schedule.Stalls(t.Context(), db)
	if want := []schedule.Stall{{Kind: "api_log", Due: noon, Waiting: 1, Since: noon}}; err != nil || !reflect.DeepEqual(stalls, want) {
		t.Errorf("late %+v, want %+v; %v", stalls, want, err)
	}
	holds, err := schedule.Holds(t.Context(), db)
	if want := []schedule.Hold{
		{Hold: other, Kind: "technical", Fields: []string{"address", "agent"}, State: system.HoldInForce, Since: noon},
		{Hold: third, Kind: "payment", Fields: []string{"amount"}, State: system.HoldAsked, Since: noon.Add(time.Minute)},
	}; err != nil || !reflect.DeepEqual(holds, want) {
		t.Errorf("holds %+v, want %+v; %v", holds, want, err)
	}
}

func TestPurgedUpToWithoutAView(t *testing.T) {
	db := open(t)
	if _, err := db.Exec(t.Context(), `drop schema schedule cascade`); err != nil {
		t.Fatal(err)
	}
	if upTo, err := schedule.PurgedUpTo(t.Context(), db, "analytics"); err != nil || !upTo.IsZero() {
		t.Errorf("got %v, %v", upTo, err)
	}
}

func TestTimes(t *testing.T) {
	db := open(t)
	if got, err := schedule.Times(t.Context(), db); err != nil || got != (schedule.Time{}) {
		t.Errorf("of an empty record: %+v, %v", got, err)
	}
	var r record
	r.add("retention/a", noon.Add(time.Hour), system.RetentionResumed{Kind: "image"})
	r.add("retention/a", noon, system.RetentionResumed{Kind: "image"})
	apply(t, db, r.facts[:1]...)
	apply(t, db, r.facts[1:]...)
	if got, err := schedule.Times(t.Context(), db); err != nil || got != (schedule.Time{Latest: noon.Add(time.Hour)}) {
		t.Errorf("the latest time: %+v, %v", got, err)
	}
	var jump record
	jump.add(system.ClockStream(), noon, system.ClockJumpNoticed{From: noon, To: noon.Add(time.Hour)}, system.ClockJumpNoticed{From: noon.Add(time.Hour), To: noon.Add(3 * time.Hour)})
	apply(t, db, jump.facts...)
	if got, err := schedule.Times(t.Context(), db); err != nil || got.JumpFrom != noon || got.JumpTo != noon.Add(3*time.Hour) {
		t.Errorf("two jumps: %+v, %v", got, err)
	}
	jump.add(system.ClockStream(), noon, system.ClockJumpConfirmed{From: noon, To: noon.Add(3 * time.Hour)})
	apply(t, db, jump.facts[2])
	if got, err := schedule.Times(t.Context(), db); err != nil || !got.JumpFrom.IsZero() || !got.JumpTo.IsZero() {
		t.Errorf("confirmed: %+v, %v", got, err)
	}
}

// Whatever happens to pictures, and in whatever batches that comes: those wait that the domain has
// not deleted, until when the domain says.
func TestScheduleAgreesWithDomain(t *testing.T) {
	db := open(t)
	rapid.Check(t, func(t *rapid.T) {
		if _, err := db.Exec(context.Background(), `truncate schedule.waiting`); err != nil {
			t.Fatal(err)
		}
		var r record
		pictures := []id.Image{id.Image(uuid.NewString()), id.Image(uuid.NewString()), id.Image(uuid.NewString())}
		for _, img := range pictures {
			r.add(image.Stream(img), noon, image.Uploaded{Due: noon.Add(time.Hour)})
		}
		deleted := map[id.Image]bool{}
		for _, what := range rapid.SliceOfN(rapid.IntRange(0, 5), 0, 12).Draw(t, "facts") {
			img := pictures[what%3]
			if deleted[img] {
				continue
			}
			if deleted[img] = what > 2; deleted[img] {
				r.add(image.Stream(img), noon, image.Deleted{})
				continue
			}
			r.add(image.Stream(img), noon, image.DeletionDueChanged{Due: noon.Add(time.Duration(60-len(r.facts)) * time.Minute)})
		}
		for done := 0; done < len(r.facts); {
			to := rapid.IntRange(done+1, len(r.facts)).Draw(t, "to")
			apply(t, db, r.facts[done:to]...)
			done = to
		}
		for _, img := range pictures {
			var history []event.Envelope
			for _, env := range r.facts {
				if env.Stream == image.Stream(img) {
					history = append(history, env)
				}
			}
			state := image.FromRecord(history)
			var due time.Time
			err := db.QueryRow(context.Background(), `select due from schedule.waiting where subject = $1`, image.Stream(img)).Scan(&due)
			gone := state.Status() == image.Gone
			if gone != (err != nil) || !gone && !due.Equal(state.Due()) {
				t.Fatalf("waits until %v (%v), the domain says %s until %v", due, err, state.Status(), state.Due())
			}
		}
	})
}
