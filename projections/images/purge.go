package images

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// CapabilityKept is how long after its deletion a picture's proof can still be asked for
// with its capability (promise right.anonymous).
const CapabilityKept = 30 * 24 * time.Hour

// PurgeCapabilities forgets the capability hashes of pictures that were deleted longer ago
// than CapabilityKept, and returns how many those were. Run it at least daily: a view that
// is made anew holds them again until the next purge.
func PurgeCapabilities(ctx context.Context, db Execer, now time.Time) (int64, error) {
	answer, err := db.Exec(ctx,
		`update images.picture set capability = null
		 where capability is not null and deleted_at <= $1`, now.Add(-CapabilityKept))
	if err != nil {
		return 0, fmt.Errorf("purge capabilities: %w", err)
	}
	return answer.RowsAffected(), nil
}

// Execer is what a purge needs of a connection or a pool.
type Execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}
