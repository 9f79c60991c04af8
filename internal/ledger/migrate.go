package ledger

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

//go:embed schema.sql
var schema string

// Keys of the advisory locks. The sequencer's is held by a session, the other by a transaction.
const (
	migrateLock   = 0x6267_6c65_6467_0001
	sequencerLock = 0x6267_6c65_6467_0002
)

// Migrate brings the schema "ledger" up to this build. Running it again, or from several
// processes at once, changes nothing.
func Migrate(ctx context.Context, pool *pgxpool.Pool) error {
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", int64(migrateLock)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, schema)
		return err
	})
	if err != nil {
		return fmt.Errorf("ledger: migrate: %w", err)
	}
	return nil
}

// OldestRequest returns when the first request was carried out that is remembered, zero if none
// is, and how many are.
func (l *Ledger) OldestRequest(ctx context.Context) (at time.Time, n int64, err error) {
	var oldest *time.Time
	if err := l.pool.QueryRow(ctx, "select min(at), count(*) from ledger.requests").Scan(&oldest, &n); err != nil {
		return time.Time{}, 0, fmt.Errorf("ledger: find the oldest request: %w", err)
	}
	if oldest != nil {
		at = oldest.UTC()
	}
	return at, n, nil
}

// PurgeRequests forgets the requests that were carried out up to a time: from then on
// they can be carried out again. It returns how many there were.
func (l *Ledger) PurgeRequests(ctx context.Context, tx pgx.Tx, upTo time.Time) (int64, error) {
	tag, err := tx.Exec(ctx, "delete from ledger.requests where at <= $1", upTo)
	if err != nil {
		return 0, fmt.Errorf("ledger: purge requests: %w", err)
	}
	return tag.RowsAffected(), nil
}
