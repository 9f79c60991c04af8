package abuse

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// KeptDays is how long figures are kept: as long as the technical data that they come from (promise
// tech.keep-90d).
const KeptDays = 90

// Purge removes what began at least KeptDays ago and returns how many rows those were.
func Purge(ctx context.Context, tx pgx.Tx, now time.Time) (removed int64, err error) {
	upTo := now.UTC().AddDate(0, 0, -KeptDays)
	for _, one := range []struct {
		sql string
		arg any
	}{
		{`delete from refused where hour <= $1`, upTo},
		{`delete from visits  where day  <= $1`, upTo.Format(time.DateOnly)},
	} {
		answer, err := tx.Exec(ctx, one.sql, one.arg)
		if err != nil {
			return removed, fmt.Errorf("purge figures of refusals: %w", err)
		}
		removed += answer.RowsAffected()
	}
	return removed, nil
}
