package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// PurgeWork removes leases that ended by the database's clock, which stamped them. It returns how
// many rows it removed.
func PurgeWork(ctx context.Context, pool *pgxpool.Pool) (removed int64, err error) {
	gone, err := pool.Exec(ctx, `delete from work.leases where until <= clock_timestamp()`)
	if err != nil {
		return 0, fmt.Errorf("purge finished work: %w", err)
	}
	return gone.RowsAffected(), nil
}

// Oldest returns when the oldest request began that is remembered, by the database's clock, zero if
// there is none, and how many there are.
func (r *Requests) Oldest(ctx context.Context) (begun time.Time, n int64, err error) {
	var oldest *time.Time
	if err := r.pool.QueryRow(ctx, `select min(begun_at), count(*) from work.requests`).Scan(&oldest, &n); err != nil {
		return time.Time{}, 0, unavailable("find the oldest request", err)
	}
	if oldest != nil {
		begun = oldest.UTC()
	}
	return begun, n, nil
}

// Purge forgets requests, and attempts at cutouts, that began up to a moment by the database's clock,
// unless they are being carried out. It returns how many requests it forgot.
func (r *Requests) Purge(ctx context.Context, upTo time.Time) (purged int64, err error) {
	err = pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
		gone, err := tx.Exec(ctx, `delete from work.requests where begun_at <= $1 and until <= clock_timestamp()`, upTo)
		if err != nil {
			return err
		}
		purged = gone.RowsAffected()
		_, err = tx.Exec(ctx, `delete from work.attempts where at <= $1`, upTo)
		return err
	})
	if err != nil {
		return 0, unavailable("purge requests", err)
	}
	return purged, nil
}
