package custody

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/personal"
)

// DB is what the queries need of a connection or a pool.
type DB interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Picture is what the record says of one picture. Times are UTC.
type Picture struct {
	Image       id.Image
	UploadedSeq int64     // 0: the record has no upload of it
	Due         time.Time // by when it must be gone
	DeletedAt   time.Time // zero: it is not
	KeyEnded    bool
}

// Through returns up to which fact the view rests.
func Through(ctx context.Context, db DB) (seq int64, err error) {
	if err := db.QueryRow(ctx, `select seq from custody.checkpoint`).Scan(&seq); err != nil {
		return 0, fmt.Errorf("ask how far the view is: %w", err)
	}
	return seq, nil
}

const columns = `image::text, coalesce(uploaded_seq, 0), due, deleted_at, key_ended`

// Pictures returns those of the pictures that the record knows, in no particular order.
func Pictures(ctx context.Context, db DB, pictures []id.Image) ([]Picture, error) {
	return collect(ctx, db, `select `+columns+` from custody.picture where image = any ($1::uuid[])`, texts(pictures))
}

// Kept lists, by id, pictures after one that are not deleted.
func Kept(ctx context.Context, db DB, after id.Image, limit int) ([]Picture, error) {
	if after == "" {
		after = "00000000-0000-0000-0000-000000000000"
	}
	return collect(ctx, db, `
		select `+columns+`
		  from custody.picture
		 where deleted_at is null and uploaded_seq is not null and image > $1::uuid
		 order by image
		 limit $2`, string(after), limit)
}

func collect(ctx context.Context, db DB, sql string, args ...any) ([]Picture, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("list pictures: %w", err)
	}
	found, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (p Picture, err error) {
		var due, deleted pgtype.Timestamptz
		err = r.Scan(&p.Image, &p.UploadedSeq, &due, &deleted, &p.KeyEnded)
		p.Due, p.DeletedAt = utc(due), utc(deleted)
		return p, err
	})
	if err != nil {
		return nil, fmt.Errorf("list pictures: %w", err)
	}
	return found, nil
}

func utc(t pgtype.Timestamptz) time.Time {
	if !t.Valid {
		return time.Time{}
	}
	return t.Time.UTC()
}

// Ended returns those of the keys, of anything but pictures, that the record says are destroyed.
func Ended(ctx context.Context, db DB, keys []personal.KeyID) ([]personal.KeyID, error) {
	rows, err := db.Query(ctx, `select key from custody.ended_key where key = any ($1::text[]) order by key`, texts(keys))
	if err != nil {
		return nil, fmt.Errorf("look for ended keys: %w", err)
	}
	ended, err := pgx.CollectRows(rows, pgx.RowTo[personal.KeyID])
	if err != nil {
		return nil, fmt.Errorf("look for ended keys: %w", err)
	}
	return ended, nil
}

func texts[T ~string](all []T) []string {
	plain := make([]string, len(all))
	for i, s := range all {
		plain[i] = string(s)
	}
	return plain
}
