package analytics

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// KeptMonths is how long figures are kept (promise usage.keep-12m).
const KeptMonths = 12

// Purge removes the hours that ended more than KeptMonths ago and returns how many rows
// those were. Run it at least daily: a view that is made anew holds them again until then.
//
// A year is at most some hundred thousand rows, which one statement removes in a moment;
// partitions would be more to look after than that saves.
func Purge(ctx context.Context, db Execer, now time.Time) (int64, error) {
	answer, err := db.Exec(ctx,
		`delete from analytics.tally where hour <= $1`, now.UTC().AddDate(0, -KeptMonths, 0).Add(-time.Hour))
	if err != nil {
		return 0, fmt.Errorf("purge analytics: %w", err)
	}
	return answer.RowsAffected(), nil
}

// Execer is what a purge needs of a connection or a pool.
type Execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}
