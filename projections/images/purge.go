package images

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// OldestCapability returns when the first picture was deleted whose capability hash is still there, zero
// if there is none, and how many those are. The hashes of pictures that wait are not among them.
func OldestCapability(ctx context.Context, db DB) (deleted time.Time, hashes int64, err error) {
	var oldest *time.Time
	err = db.QueryRow(ctx,
		`select min(deleted_at), count(*)
		 from images.picture
		 where capability is not null and deleted_at is not null`).Scan(&oldest, &hashes)
	if err != nil {
		return time.Time{}, 0, fmt.Errorf("find the oldest capability: %w", err)
	}
	if oldest != nil {
		deleted = oldest.UTC()
	}
	return deleted, hashes, nil
}

// Purge forgets the capability hashes of pictures that were deleted at or before a moment, as the
// rules of retention name it (promise right.anonymous), and returns how many those were. From then
// on nobody can ask for the proof of a deletion with a capability any more.
func Purge(ctx context.Context, tx pgx.Tx, upTo time.Time) (int64, error) {
	answer, err := tx.Exec(ctx,
		`update picture set capability = null
		 where capability is not null and deleted_at <= $1`, upTo)
	if err != nil {
		return 0, fmt.Errorf("purge capabilities: %w", err)
	}
	return answer.RowsAffected(), nil
}
