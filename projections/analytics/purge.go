package analytics

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Oldest returns the beginning of the oldest hour that there are figures of, zero if there are none,
// and how many rows there are.
func Oldest(ctx context.Context, db interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
},
) (hour time.Time, rows int64, err error) {
	var oldest *time.Time
	if err := db.QueryRow(ctx, `select min(hour), count(*) from analytics.tally`).Scan(&oldest, &rows); err != nil {
		return time.Time{}, 0, fmt.Errorf("find the oldest figures: %w", err)
	}
	if oldest != nil {
		hour = oldest.UTC()
	}
	return hour, rows, nil
}

// Purge removes the hours that began at or before a moment, as the rules of retention name it (promise
// usage.keep-12m), and returns how many rows those were. An hour goes with its first moment, so that
// nothing counted in it is kept longer.
//
// A year is at most some hundred thousand rows, which one statement removes in a moment;
// partitions would be more to look after than that saves.
func Purge(ctx context.Context, tx pgx.Tx, upTo time.Time) (int64, error) {
	answer, err := tx.Exec(ctx, `delete from tally where hour <= $1`, upTo)
	if err != nil {
		return 0, fmt.Errorf("purge analytics: %w", err)
	}
	return answer.RowsAffected(), nil
}
