package postgres

import (
	"context"
	"encoding/base64"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/internal/embedded/embeddedtest"
	"github.com/bgremover/bgremover/internal/usecase"
)

// database returns the service's pool on an empty database with this package's tables.
func database(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return newDatabase(t).App
}

// newDatabase returns an empty database with this package's tables.
func newDatabase(t testing.TB) *Database {
	t.Helper()
	d := connect(t, embeddedtest.NewDatabase(t))
	must(t, Migrate(t.Context(), d))
	return d
}

func connect(t testing.TB, dsn string) *Database {
	t.Helper()
	d, err := Connect(t.Context(), Access{DSN: dsn})
	must(t, err)
	t.Cleanup(d.Close)
	return d
}

// testVault is a vault with the pool that appends use.
type testVault struct {
	*Vault
	app *pgxpool.Pool
}

func newVault(t testing.TB, d *Database) testVault {
	t.Helper()
	v, err := openVault(t, d, filepath.Join(t.TempDir(), "keyset.json"))
	must(t, err)
	return testVault{v, d.App}
}

func openVault(t testing.TB, d *Database, keyset string) (*Vault, error) {
	t.Helper()
	return OpenVault(t.Context(), d, VaultConfig{Keyset: KeysetFile{Path: keyset}, Policy: lifetimes{}, Now: noon, Wall: time.Now})
}

// lifetimes knows pictures, which a fact ends, and visits, which last a day. A
// key-encryption key lasts an hour after another took its place.
type lifetimes struct{}

func (lifetimes) Lifetime(_ context.Context, kind string, made time.Time) (usecase.Lifetime, error) {
	switch kind {
	case "image":
		return usecase.Lifetime{OwnStream: true}, nil
	case "visit":
		return usecase.Lifetime{OwnStream: true, Due: made.Add(24 * time.Hour)}, nil
	}
	return usecase.Lifetime{}, usecase.ErrKeyKind
}

func (lifetimes) KeyDue(_ context.Context, _ string, due, now time.Time) (bool, event.Decision, error) {
	return !now.Before(due), event.Decision{Rule: "keys.due", Outcome: "allow"}, nil
}

func (lifetimes) WrappingDue(_ context.Context, retired, now time.Time) (bool, error) {
	return now.Sub(retired) >= time.Hour, nil
}

// noon is the service's time.
func noon() time.Time { return time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC) }

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

// administer asks as the server's superuser, who sees and may do everything.
func administer(t testing.TB, pool *pgxpool.Pool, sql string, into ...any) {
	t.Helper()
	settings := pool.Config().ConnConfig
	settings.AfterConnect = nil // it takes the superuser's rights away
	conn, err := pgx.ConnectConfig(t.Context(), settings)
	must(t, err)
	defer conn.Close(context.WithoutCancel(t.Context()))
	if len(into) > 0 {
		must(t, conn.QueryRow(t.Context(), sql).Scan(into...))
		return
	}
	_, err = conn.Exec(t.Context(), sql)
	must(t, err)
}

// waitForLock returns once somebody waits for a lock in the database.
func waitForLock(t testing.TB, pool *pgxpool.Pool) {
	t.Helper()
	eventually(t, "nobody waits for a lock", func() bool {
		var waiting bool
		administer(t, pool, `
			select exists (select from pg_stat_activity
			               where datname = current_database() and wait_event_type = 'Lock')`, &waiting)
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
	dsn := embeddedtest.NewDatabase(t)
	done := make(chan error)
	for range 4 {
		go func() {
			d, err := Connect(t.Context(), Access{DSN: dsn})
			if err == nil {
				err = Migrate(t.Context(), d)
				d.Close()
			}
			done <- err
		}()
	}
	for range 4 {
		must(t, <-done)
	}
	must(t, Migrate(t.Context(), connect(t, dsn)))
}

func base64Std(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
