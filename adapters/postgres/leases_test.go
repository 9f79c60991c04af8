package postgres

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/internal/usecase"
)

func take(t testing.TB, l usecase.Leases, name string) (release func(), ok bool) {
	t.Helper()
	return takeFor(t, l, name, time.Minute)
}

func takeFor(t testing.TB, l usecase.Leases, name string, atMost time.Duration) (release func(), ok bool) {
	t.Helper()
	release, ok, err := l.Take(t.Context(), name, atMost)
	must(t, err)
	if ok {
		t.Cleanup(release)
	}
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
				switch release, ok, err := l.Take(t.Context(), "a", time.Minute); {
				case err != nil:
					t.Error(err)
				case ok:
					t.Cleanup(release)
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

// A holder that works for longer than atMost keeps its lease.
func TestLeaseIsRenewedUntilItIsGivenBack(t *testing.T) {
	pool := database(t)
	release, ok := takeFor(t, NewLeases(pool), "a", time.Second)
	if !ok {
		t.Fatal("a free lease was not given")
	}
	ends := until(t, pool)
	eventually(t, "the lease is not renewed", func() bool {
		return until(t, pool).Sub(ends) > time.Second // beyond its first end
	})
	release()
	eventually(t, "the renewing does not end", func() bool { return renewers() == 0 })
	if n := count(t, pool, "work.leases"); n != 0 {
		t.Errorf("%d leases are left", n)
	}
}

// Whoever finds its lease with another leaves it there, also when it gives back its own.
func TestRenewingEndsWhenTheLeaseIsLost(t *testing.T) {
	pool := database(t)
	release, ok := takeFor(t, NewLeases(pool), "a", 300*time.Millisecond)
	if !ok {
		t.Fatal("a free lease was not given")
	}
	_, err := pool.Exec(t.Context(), `update work.leases set holder = gen_random_uuid(), until = clock_timestamp() + interval '1 hour'`)
	must(t, err)
	ends := until(t, pool)
	eventually(t, "the renewing does not end", func() bool { return renewers() == 0 })
	release()
	if now := until(t, pool); !now.Equal(ends) {
		t.Errorf("another's lease ends at %v now; was %v", now, ends)
	}
}

// Postgres that is away for a moment costs no lease that nobody else wants.
func TestRenewingSurvivesBrokenConnections(t *testing.T) {
	broken := database(t)
	if _, ok := takeFor(t, NewLeases(broken), "a", 300*time.Millisecond); !ok {
		t.Fatal("a free lease was not given")
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), broken.Config()) // what looks on is not broken
	must(t, err)
	t.Cleanup(pool.Close)
	administer(t, pool, `
		select pg_terminate_backend(pid)
		from pg_stat_activity
		where datname = current_database() and pid <> pg_backend_pid()`)
	ends := until(t, pool)
	eventually(t, "the lease is not renewed", func() bool { return until(t, pool).After(ends) })
}

// until returns when the only lease ends.
func until(t testing.TB, pool *pgxpool.Pool) (ends time.Time) {
	t.Helper()
	must(t, pool.QueryRow(t.Context(), `select until from work.leases`).Scan(&ends))
	return ends
}

// renewers counts the goroutines that renew a lease.
func renewers() int {
	stacks := make([]byte, 1<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "postgres.lease.renew(")
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
