package abuse

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Oldest returns the first day, in UTC, that there are figures of, zero if there are none, and how many days those are.
func Oldest(ctx context.Context, db DB) (day time.Time, days int64, err error) {
	rows, err := db.Query(ctx, `
		select min(day), count(*)
		from (select (hour at time zone 'UTC')::date as day from abuse.refused
		      union
		      select day from abuse.visits) as kept`)
	if err != nil {
		return time.Time{}, 0, fmt.Errorf("find the oldest figures of refusals: %w", err)
	}
	var oldest *time.Time
	_, err = pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (struct{}, error) { return struct{}{}, row.Scan(&oldest, &days) })
	if err != nil {
		return time.Time{}, 0, fmt.Errorf("find the oldest figures of refusals: %w", err)
	}
	if oldest != nil {
		day = oldest.UTC()
	}
	return day, days, nil
}

// Purge removes the days, in UTC, that began at or before a moment, with their hours, and returns how many rows
// those were. A day goes whole, as its log of requests does: counts of what was asked are kept no
// longer than that (promise apilog.keep-90d).
func Purge(ctx context.Context, tx pgx.Tx, upTo time.Time) (removed int64, err error) {
	last := upTo.UTC().Truncate(24 * time.Hour)
	for _, one := range []struct {
		sql string
		arg any
	}{
		{`delete from refused where hour < $1`, last.AddDate(0, 0, 1)},
		{`delete from visits where day <= $1`, last.Format(time.DateOnly)},
	} {
		answer, err := tx.Exec(ctx, one.sql, one.arg)
		if err != nil {
			return removed, fmt.Errorf("purge figures of refusals: %w", err)
		}
		removed += answer.RowsAffected()
	}
	return removed, nil
}
