package images

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// CapabilityKept is how long after its deletion a picture's proof can still be asked for
// with its capability (promise right.anonymous).
const CapabilityKept = 30 * 24 * time.Hour

// Purge forgets the capability hashes of pictures that were deleted longer ago than
// CapabilityKept, and returns how many those were.
func Purge(ctx context.Context, tx pgx.Tx, now time.Time) (int64, error) {
	answer, err := tx.Exec(ctx,
		`update picture set capability = null
		 where capability is not null and deleted_at <= $1`, now.Add(-CapabilityKept))
	if err != nil {
		return 0, fmt.Errorf("purge capabilities: %w", err)
	}
	return answer.RowsAffected(), nil
}
