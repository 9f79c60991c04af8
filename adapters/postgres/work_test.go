package postgres

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/internal/usecase"
)

// age moves every time in the small tables into the past: the database has no clock to set.
func age(t testing.TB, pool *pgxpool.Pool, by time.Duration) {
	t.Helper()
	for table, columns := range map[string]string{
		"leases":     "until = until - $1::interval",
		"attempts":   "at = at - $1::interval",
		"deliveries": "marked_at = marked_at - $1::interval",
		"requests":   "until = until - $1::interval, begun_at = begun_at - $1::interval, finished_at = finished_at - $1::interval",
	} {
		_, err := pool.Exec(t.Context(), "update work."+table+" set "+columns, by)
		must(t, err)
	}
}

func TestAttempts(t *testing.T) {
	a := NewAttempts(database(t))
	begin := func(img id.Image, want int) {
		t.Helper()
		if n, err := a.Begin(t.Context(), img); n != want || err != nil {
			t.Errorf("attempt %d, %v; want %d", n, err, want)
		}
	}
	begin("i1", 1)
	begin("i1", 2)
	begin("i2", 1)
	must(t, a.Clear(t.Context(), "i1"))
	must(t, a.Clear(t.Context(), "i1"))
	begin("i1", 1)
	begin("i2", 2)
}

func TestAttemptsOfManyAreCountedOnceEach(t *testing.T) {
	a := NewAttempts(database(t))
	seen := make([]atomic.Bool, 21)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			n, err := a.Begin(t.Context(), "i1")
			if err != nil || seen[n].Swap(true) {
				t.Errorf("attempt %d, %v", n, err)
			}
		})
	}
	all.Wait()
}

func TestRequests(t *testing.T) {
	const req = id.Request("r1")
	begin := func(t *testing.T, r *Requests) {
		if state, err := r.Begin(t.Context(), req, []byte("body"), time.Minute); state != usecase.RequestFresh || err != nil {
			t.Fatalf("given: %v, %v", state, err)
		}
	}
	tests := map[string]struct {
		given func(t *testing.T, r *Requests)
		body  string // of the request that is then sent
		then  usecase.RequestState
	}{
		"new":     {given: func(*testing.T, *Requests) {}, body: "body", then: usecase.RequestFresh},
		"running": {given: begin, body: "body", then: usecase.RequestRunning},
		"running, other body": {
			given: begin, body: "other", then: usecase.RequestOther,
		},
		"finished": {
			given: func(t *testing.T, r *Requests) { begin(t, r); must(t, r.Finish(t.Context(), req)) },
			body:  "body", then: usecase.RequestFinished,
		},
		"finished, other body": {
			given: func(t *testing.T, r *Requests) { begin(t, r); must(t, r.Finish(t.Context(), req)) },
			body:  "other", then: usecase.RequestOther,
		},
		"finished long ago": {
			given: func(t *testing.T, r *Requests) {
				begin(t, r)
				must(t, r.Finish(t.Context(), req))
				age(t, r.pool, time.Hour)
			},
			body: "body", then: usecase.RequestFinished,
		},
		"abandoned": {
			given: func(t *testing.T, r *Requests) { begin(t, r); must(t, r.Abandon(t.Context(), req)) },
			body:  "body", then: usecase.RequestFresh,
		},
		"abandoned, other body": {
			given: func(t *testing.T, r *Requests) { begin(t, r); must(t, r.Abandon(t.Context(), req)) },
			body:  "other", then: usecase.RequestOther,
		},
		"abandoned and taken up again": {
			given: func(t *testing.T, r *Requests) { begin(t, r); must(t, r.Abandon(t.Context(), req)); begin(t, r) },
			body:  "body", then: usecase.RequestRunning,
		},
		"abandoned once finished": {
			given: func(t *testing.T, r *Requests) {
				begin(t, r)
				must(t, r.Finish(t.Context(), req))
				must(t, r.Abandon(t.Context(), req))
			},
			body: "body", then: usecase.RequestFinished,
		},
		"its process died": {
			given: func(t *testing.T, r *Requests) { begin(t, r); age(t, r.pool, time.Hour) },
			body:  "body", then: usecase.RequestFresh,
		},
		"its process died, other body": {
			given: func(t *testing.T, r *Requests) { begin(t, r); age(t, r.pool, time.Hour) },
			body:  "other", then: usecase.RequestOther,
		},
		"taken over": {
			given: func(t *testing.T, r *Requests) { begin(t, r); age(t, r.pool, time.Hour); begin(t, r) },
			body:  "body", then: usecase.RequestRunning,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := NewRequests(database(t))
			tt.given(t, r)
			state, err := r.Begin(t.Context(), req, []byte(tt.body), time.Minute)
			if state != tt.then || err != nil {
				t.Errorf("got %v, %v; want %v", state, err, tt.then)
			}
		})
	}
}

// However many send it, and however often it is abandoned, one at a time carries it out.
func TestOneOfManyCarriesTheRequestOut(t *testing.T) {
	r := NewRequests(database(t))
	var running, carriedOut atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				state, err := r.Begin(t.Context(), "r1", []byte("body"), time.Minute)
				if err != nil {
					t.Error(err)
					return
				}
				if state != usecase.RequestFresh {
					continue
				}
				if running.Add(1) != 1 {
					t.Error("two at a time")
				}
				carriedOut.Add(1)
				running.Add(-1)
				if err := r.Abandon(t.Context(), "r1"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if carriedOut.Load() == 0 {
		t.Error("nobody carried it out")
	}
}

func TestDeliveries(t *testing.T) {
	const first, second, third = "01990000-0000-7000-8000-00000000000a", "01990000-0000-7000-8000-00000000000b", "01990000-0000-7000-8000-00000000000c"
	pool := database(t)
	d := NewDeliveries(pool)
	stale := func(limit int, want ...id.Image) {
		t.Helper()
		got, err := d.Stale(t.Context(), time.Minute, limit)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("stale are %v, %v; want %v", got, err, want)
		}
	}
	stale(9)
	must(t, d.Mark(t.Context(), first))
	age(t, pool, 2*time.Minute)
	must(t, d.Mark(t.Context(), second))
	age(t, pool, 2*time.Minute)
	must(t, d.Mark(t.Context(), third))
	must(t, d.Mark(t.Context(), first)) // again: its age stays
	stale(9, first, second)
	stale(1, first)
	for range 2 { // nothing marked is no error
		must(t, d.Clear(t.Context(), first))
	}
	stale(9, second)
}

// A note of what was purged is there from the moment that it is gone, until the record has it.
func TestPurges(t *testing.T) {
	pool, noon := database(t), time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	purges := NewPurges(pool)
	one := usecase.Purged{Note: "one", Kind: "session", UpTo: noon.Add(-time.Hour), Held: true, Due: noon.Add(-time.Minute), Actual: noon, Count: 3}
	two := usecase.Purged{Note: "another", Kind: "api_log", UpTo: noon.AddDate(0, 0, -90), Due: noon, Actual: noon.Add(time.Second), Count: 1}
	undone := errors.New("undone")
	err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error { return errors.Join(NotePurged(t.Context(), tx, one), undone) })
	if all, listed := purges.Unrecorded(t.Context()); !errors.Is(err, undone) || listed != nil || len(all) != 0 {
		t.Errorf("of a purge that was undone: %+v, %v, %v", all, err, listed)
	}
	must(t, NotePurged(t.Context(), pool, two))
	must(t, NotePurged(t.Context(), pool, one))
	for _, left := range [][]usecase.Purged{{one, two}, {two}, {}} {
		all, err := purges.Unrecorded(t.Context())
		if err != nil || !slices.Equal(all, left) {
			t.Errorf("listed %+v, want %+v; %v", all, left, err)
		}
		if len(left) > 0 {
			must(t, purges.Recorded(t.Context(), left[0].Note))
		}
	}
}

func TestPurgeWork(t *testing.T) {
	pool := database(t)
	l, a, r := NewLeases(pool), NewAttempts(pool), NewRequests(pool)
	fill := func(when string) {
		if _, ok := take(t, l, when); !ok {
			t.Fatal("not free")
		}
		_, err := a.Begin(t.Context(), id.Image(when))
		must(t, err)
		_, err = r.Begin(t.Context(), id.Request(when+", running"), []byte("body"), 30*time.Hour)
		must(t, err)
		_, err = r.Begin(t.Context(), id.Request(when+", finished"), []byte("body"), time.Minute)
		must(t, err)
		must(t, r.Finish(t.Context(), id.Request(when+", finished")))
	}
	fill("old")
	age(t, pool, 25*time.Hour)
	fill("young")
	if removed, err := PurgeWork(t.Context(), pool); err != nil || removed != 1 {
		t.Errorf("removed %d, %v; want the old lease", removed, err)
	}
	begun, n, err := r.Oldest(t.Context())
	if err != nil || n != 4 || time.Since(begun) < 25*time.Hour {
		t.Errorf("the oldest of %d requests is of %v: %v", n, begun, err)
	}
	if removed, err := r.Purge(t.Context(), pool, time.Now().Add(-24*time.Hour)); err != nil || removed != 1 {
		t.Errorf("removed %d, %v; want the old finished request", removed, err)
	}
	left := fmt.Sprint(count(t, pool, "work.leases"), count(t, pool, "work.attempts"), count(t, pool, "work.requests"))
	if left != "1 1 3" {
		t.Errorf("left %s; want 1 1 3", left)
	}
}
