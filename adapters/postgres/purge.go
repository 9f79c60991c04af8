package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// PurgeWork removes leases that ended, and attempts and requests that are older than age
// by the database's clock, which stamped them. It returns how many rows it removed.
func PurgeWork(ctx context.Context, pool *pgxpool.Pool, age time.Duration) (removed int64, err error) {
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		removed = 0
		for _, purge := range []struct {
			sql  string
			args []any
		}{
			{sql: `delete from work.leases   where until <= clock_timestamp()`},
			{sql: `delete from work.attempts where at < clock_timestamp() - $1::interval`, args: []any{age}},
			{sql: `delete from work.requests where begun_at < clock_timestamp() - $1::interval and until <= clock_timestamp()`, args: []any{age}},
		} {
			gone, err := tx.Exec(ctx, purge.sql, purge.args...)
			if err != nil {
				return err
			}
			removed += gone.RowsAffected()
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("purge finished work: %w", err)
	}
	return removed, nil
}
