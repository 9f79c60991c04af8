package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/internal/usecase"
)

// age moves every time in the small tables into the past: the database has no clock to set.
func age(t testing.TB, pool *pgxpool.Pool, by time.Duration) {
	t.Helper()
	for table, columns := range map[string]string{
		"leases":   "until = until - $1::interval",
		"attempts": "at = at - $1::interval",
		"requests": "until = until - $1::interval, begun_at = begun_at - $1::interval, finished_at = finished_at - $1::interval",
	} {
		_, err := pool.Exec(t.Context(), "update work."+table+" set "+columns, by)
		must(t, err)
	}
}

func take(t testing.TB, l usecase.Leases, name string) (release func(), ok bool) {
	t.Helper()
	release, ok, err := l.Take(t.Context(), name, time.Minute)
	must(t, err)
	return release, ok
}

func TestLeases(t *testing.T) {
	pool := database(t)
	l := NewLeases(pool)
	first, ok := take(t, l, "a")
	if !ok {
		t.Fatal("a free lease was not given")
	}
	if _, ok := take(t, l, "a"); ok {
		t.Error("one lease was given twice")
	}
	if _, ok := take(t, l, "b"); !ok {
		t.Error("a lease keeps another of a different name")
	}
	first()
	second, ok := take(t, l, "a")
	if !ok {
		t.Error("a lease that was given back is not free")
	}
	first() // again: not its own any more
	if _, ok := take(t, l, "a"); ok {
		t.Error("a holder gave another's lease back")
	}

	age(t, pool, time.Hour)
	if _, ok := take(t, l, "a"); !ok {
		t.Error("a lease did not end by itself")
	}
	second() // late: not its own any more
	if _, ok := take(t, l, "a"); ok {
		t.Error("a holder gave its successor's lease back")
	}
}

func TestLeaseIsGivenBackWhenTheCallerHasGone(t *testing.T) {
	l := NewLeases(database(t))
	ctx, cancel := context.WithCancel(t.Context())
	release, ok, err := l.Take(ctx, "a", time.Minute)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	cancel()
	release()
	if _, ok := take(t, l, "a"); !ok {
		t.Error("the lease was not given back")
	}
}

func TestOneOfManyGetsTheLease(t *testing.T) {
	pool := database(t)
	l := NewLeases(pool)
	for round := range 10 {
		var given atomic.Int32
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				switch _, ok, err := l.Take(t.Context(), "a", time.Minute); {
				case err != nil:
					t.Error(err)
				case ok:
					given.Add(1)
				}
			})
		}
		all.Wait()
		if n := given.Load(); n != 1 {
			t.Fatalf("round %d: given to %d", round, n)
		}
		age(t, pool, time.Hour) // the next round takes over what ended
	}
}

func TestExclusive(t *testing.T) {
	pool := database(t)
	run := func(name string, do func(context.Context) error) (bool, error) {
		return Exclusive(t.Context(), pool, name, do)
	}
	nothing := func(context.Context) error { return nil }
	broken := errors.New("broken")

	ok, err := run("janitor", func(context.Context) error {
		if ok, err := run("janitor", nothing); ok || err != nil {
			t.Errorf("two at a time: %v, %v", ok, err)
		}
		if ok, err := run("sweeper", nothing); !ok || err != nil {
			t.Errorf("another name: %v, %v", ok, err)
		}
		return broken
	})
	if !ok || !errors.Is(err, broken) {
		t.Errorf("got %v, %v; want the error of what ran", ok, err)
	}
	for range 3 { // free again at once, each time
		if ok, err := run("janitor", nothing); !ok || err != nil {
			t.Errorf("afterwards: %v, %v", ok, err)
		}
	}
}

func TestExclusiveEndsWithItsConnection(t *testing.T) {
	pool := database(t)
	ok, err := Exclusive(t.Context(), pool, "janitor", func(ctx context.Context) error {
		_, err := pool.Exec(t.Context(), `
			select pg_terminate_backend(pid)
			from pg_locks
			where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())`)
		must(t, err)
		<-ctx.Done()
		return ctx.Err()
	})
	if !ok || !errors.Is(err, ErrLockLost) {
		t.Errorf("got %v, %v; want ErrLockLost", ok, err)
	}
	if ok, err := Exclusive(t.Context(), pool, "janitor", func(context.Context) error { return nil }); !ok || err != nil {
		t.Errorf("afterwards: %v, %v", ok, err)
	}
}

func TestExclusiveEndsWithItsCaller(t *testing.T) {
	pool := database(t)
	ctx, cancel := context.WithCancel(t.Context())
	ok, err := Exclusive(ctx, pool, "janitor", func(ctx context.Context) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	})
	if !ok || !errors.Is(err, context.Canceled) || errors.Is(err, ErrLockLost) {
		t.Errorf("got %v, %v; want context.Canceled", ok, err)
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
			body:  "other", then: usecase.RequestFresh,
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

func TestPurgeWork(t *testing.T) {
	pool := database(t)
	l, a, r := NewLeases(pool), NewAttempts(pool), NewRequests(pool)
	fill := func(when string) {
		_, ok, err := l.Take(t.Context(), when, time.Hour)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		_, err = a.Begin(t.Context(), id.Image(when))
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
	removed, err := PurgeWork(t.Context(), pool, 24*time.Hour)
	if err != nil || removed != 3 {
		t.Errorf("removed %d, %v; want the old lease, attempt and finished request", removed, err)
	}
	left := fmt.Sprint(count(t, pool, "work.leases"), count(t, pool, "work.attempts"), count(t, pool, "work.requests"))
	if left != "1 1 3" {
		t.Errorf("left %s; want 1 1 3", left)
	}
}

func BenchmarkLease(b *testing.B) {
	l := NewLeases(database(b))
	for b.Loop() {
		release, ok := take(b, l, "a")
		if !ok {
			b.Fatal("not free")
		}
		release()
	}
}
