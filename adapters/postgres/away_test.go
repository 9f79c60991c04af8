package postgres

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/domain/event"
)

// calls are all that others may ask of this package at any time.
func calls(pool *pgxpool.Pool, v testVault) map[string]func(context.Context) error {
	const img = "01990000-0000-7000-8000-0000000000aa"
	r, l, a, d := NewRequests(pool), NewLeases(pool), NewAttempts(pool), NewDeliveries(pool)
	return map[string]func(context.Context) error{
		"begin a request":   func(ctx context.Context) error { _, err := r.Begin(ctx, "r1", []byte("body"), time.Minute); return err },
		"finish a request":  func(ctx context.Context) error { return r.Finish(ctx, "r1") },
		"abandon a request": func(ctx context.Context) error { return r.Abandon(ctx, "r1") },
		"take a lease":      func(ctx context.Context) error { _, _, err := l.Take(ctx, "a", time.Minute); return err },
		"begin an attempt":  func(ctx context.Context) error { _, err := a.Begin(ctx, img); return err },
		"clear attempts":    func(ctx context.Context) error { return a.Clear(ctx, img) },
		"mark a delivery":   func(ctx context.Context) error { return d.Mark(ctx, img) },
		"clear a delivery":  func(ctx context.Context) error { return d.Clear(ctx, img) },
		"stale deliveries":  func(ctx context.Context) error { _, err := d.Stale(ctx, time.Minute, 1); return err },
		"read a key":        func(ctx context.Context) error { _, err := v.Key(ctx, keyID); return err },
	}
}

func TestPostgresIsAway(t *testing.T) {
	v := newVault(t, newDatabase(t))
	nobody, err := pgxpool.New(t.Context(), "host="+t.TempDir()+" user=nobody")
	must(t, err)
	t.Cleanup(nobody.Close)
	v.pool = nobody
	for name, call := range calls(nobody, v) {
		if err := call(t.Context()); !errors.Is(err, event.ErrUnavailable) {
			t.Errorf("%s: got %v; want %v", name, err, event.ErrUnavailable)
		}
	}
	if ok, err := Exclusive(t.Context(), nobody, "janitor", nil); ok || !errors.Is(err, event.ErrUnavailable) {
		t.Errorf("exclusive: got %v, %v; want %v", ok, err, event.ErrUnavailable)
	}
}

// What waiting does not mend does not tell anybody to wait.
func TestPostgresIsThereAndRefuses(t *testing.T) {
	d := newDatabase(t)
	v, pool := newVault(t, d), d.App
	_, err := pool.Exec(t.Context(), `drop schema work cascade`)
	must(t, err)
	_, err = d.vault.Exec(t.Context(), `drop table vault.keys cascade`)
	must(t, err)
	for name, call := range calls(pool, v) {
		if err := call(t.Context()); err == nil || errors.Is(err, event.ErrUnavailable) {
			t.Errorf("%s: got %v; want an error that is no outage", name, err)
		}
	}
}
