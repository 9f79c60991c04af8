package postgres

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/internal/embedded/embeddedtest"
)

// database returns a pool on an empty database with this package's tables.
func database(t testing.TB) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), embeddedtest.NewDatabase(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	must(t, Migrate(t.Context(), pool))
	return pool
}

func newVault(t testing.TB, pool *pgxpool.Pool) *Vault {
	t.Helper()
	v, err := OpenVault(t.Context(), pool, filepath.Join(t.TempDir(), "keyset.json"), time.Now)
	must(t, err)
	return v
}

// in runs one transaction and commits it if do succeeds.
func in(t testing.TB, pool *pgxpool.Pool, do func(pgx.Tx) error) error {
	t.Helper()
	return pgx.BeginFunc(t.Context(), pool, do)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// waitForLock returns once somebody waits for a lock in the database.
func waitForLock(t testing.TB, pool *pgxpool.Pool) {
	t.Helper()
	eventually(t, "nobody waits for a lock", func() bool {
		var waiting bool
		must(t, pool.QueryRow(t.Context(), `
			select exists (select from pg_stat_activity
			               where datname = current_database() and wait_event_type = 'Lock')`).Scan(&waiting))
		return waiting
	})
}

// eventually asks until the answer is yes.
func eventually(t testing.TB, otherwise string, ask func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ask() {
		select {
		case <-ctx.Done():
			t.Fatal(otherwise)
		case <-tick.C:
		}
	}
}

func TestMigrateIsIdempotentAndConcurrent(t *testing.T) {
	pool, err := pgxpool.New(t.Context(), embeddedtest.NewDatabase(t))
	must(t, err)
	defer pool.Close()
	done := make(chan error)
	for range 4 {
		go func() { done <- Migrate(t.Context(), pool) }()
	}
	for range 4 {
		must(t, <-done)
	}
	must(t, Migrate(t.Context(), pool))
}
