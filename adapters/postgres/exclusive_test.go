package postgres

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/internal/embedded/embeddedtest"
)

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
		administer(t, pool, `
			select pg_terminate_backend(pid)
			from pg_locks
			where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())`)
		<-ctx.Done()
		return ctx.Err()
	})
	if !ok || !errors.Is(err, ErrLockLost) {
		t.Errorf("got %v, %v; want ErrLockLost", ok, err)
	}
	eventually(t, "nobody else gets the lock", func() bool { // the server gives it up a moment after it hung up
		ok, err := Exclusive(t.Context(), pool, "janitor", func(context.Context) error { return nil })
		must(t, err)
		return ok
	})
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

// A janitor holds its lock for as long as the process lives: the pool's connections are not its own.
func TestExclusiveTakesNothingFromThePool(t *testing.T) {
	config, err := pgxpool.ParseConfig(embeddedtest.NewDatabase(t))
	must(t, err)
	config.MaxConns = 1
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	must(t, err)
	t.Cleanup(pool.Close)
	busy, err := pool.Acquire(t.Context())
	must(t, err)
	ok, err := Exclusive(t.Context(), pool, "janitor", func(ctx context.Context) error {
		busy.Release()
		return pool.Ping(ctx)
	})
	if !ok || err != nil {
		t.Errorf("got %v, %v", ok, err)
	}
}

// A server that ends idle sessions does not end the one that holds the lock.
func TestExclusiveMayBeSilent(t *testing.T) {
	dsn := embeddedtest.NewDatabase(t)
	config, err := pgxpool.ParseConfig(dsn)
	must(t, err)
	config.ConnConfig.RuntimeParams["idle_session_timeout"] = "100ms"
	impatient, err := pgxpool.NewWithConfig(t.Context(), config)
	must(t, err)
	t.Cleanup(impatient.Close)
	other, err := pgxpool.New(t.Context(), dsn)
	must(t, err)
	t.Cleanup(other.Close)
	ok, err := Exclusive(t.Context(), impatient, "janitor", func(ctx context.Context) error {
		_, err := other.Exec(ctx, `select pg_sleep(0.5)`)
		return err
	})
	if !ok || err != nil {
		t.Errorf("got %v, %v", ok, err)
	}
}
