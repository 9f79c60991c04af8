package promises

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// KeptDays is how long single hours are kept: figures look back 30 days, and know the rest as totals.
const KeptDays = 31

// Purge removes the hours that ended longer ago, and returns how many rows those were.
func Purge(ctx context.Context, tx pgx.Tx, now time.Time) (int64, error) {
	answer, err := tx.Exec(ctx, `delete from tally where hour <= $1`, now.UTC().AddDate(0, 0, -KeptDays).Add(-time.Hour))
	if err != nil {
		return 0, fmt.Errorf("purge figures of promises: %w", err)
	}
	return answer.RowsAffected(), nil
}
