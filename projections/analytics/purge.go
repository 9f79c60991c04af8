package analytics

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// KeptMonths is how long figures are kept (promise usage.keep-12m).
const KeptMonths = 12

// Purge removes the hours that ended more than KeptMonths ago and returns how many rows
// those were.
//
// A year is at most some hundred thousand rows, which one statement removes in a moment;
// partitions would be more to look after than that saves.
func Purge(ctx context.Context, tx pgx.Tx, now time.Time) (int64, error) {
	answer, err := tx.Exec(ctx,
		`delete from tally where hour <= $1`, now.UTC().AddDate(0, -KeptMonths, 0).Add(-time.Hour))
	if err != nil {
		return 0, fmt.Errorf("purge analytics: %w", err)
	}
	return answer.RowsAffected(), nil
}
