package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/internal/usecase"
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
func (r *Requests) Purge(ctx context.Context, db Execer, upTo time.Time) (purged int64, err error) {
	gone, err := db.Exec(ctx, `delete from work.requests where begun_at <= $1 and until <= clock_timestamp()`, upTo)
	if err == nil {
		_, err = db.Exec(ctx, `delete from work.attempts where at <= $1`, upTo)
	}
	if err != nil {
		return 0, unavailable("purge requests", err)
	}
	return gone.RowsAffected(), nil
}

// Execer is a pool or a transaction.
type Execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// NotePurged leaves a note in the transaction that purges.
func NotePurged(ctx context.Context, tx Execer, p usecase.Purged) error {
	_, err := tx.Exec(ctx, `
		insert into work.purged (note, kind, up_to, held, due, actual, count)
		values ($1, $2, $3, $4, $5, $6, $7)`, string(p.Note), p.Kind, p.UpTo, p.Held, p.Due, p.Actual, p.Count)
	if err != nil {
		return unavailable("note what was purged", err)
	}
	return nil
}

// Purges are the notes in work.purged.
type Purges struct{ pool *pgxpool.Pool }

var _ usecase.Purges = Purges{}

// NewPurges returns them.
func NewPurges(pool *pgxpool.Pool) Purges { return Purges{pool} }

// Unrecorded implements [usecase.Purges].
func (p Purges) Unrecorded(ctx context.Context) ([]usecase.Purged, error) {
	rows, err := p.pool.Query(ctx, `select note, kind, up_to, held, due, actual, count from work.purged order by actual, note`)
	if err != nil {
		return nil, unavailable("list what was purged", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[usecase.Purged])
	if err != nil {
		return nil, unavailable("list what was purged", err)
	}
	for i := range all {
		all[i].UpTo, all[i].Due, all[i].Actual = all[i].UpTo.UTC(), all[i].Due.UTC(), all[i].Actual.UTC()
	}
	return all, nil
}

// Recorded implements [usecase.Purges].
func (p Purges) Recorded(ctx context.Context, note id.Request) error {
	if _, err := p.pool.Exec(ctx, `delete from work.purged where note = $1`, string(note)); err != nil {
		return unavailable("drop the note of a purge", err)
	}
	return nil
}
