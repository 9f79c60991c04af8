package images

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
)

// DB is what the queries need of a connection or a pool.
type DB interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Picture is what the view shows of one picture. Times are UTC, to the microsecond.
type Picture struct {
	Image      id.Image
	Status     image.Status
	Version    int64 // of its stream: how many facts this rests on
	SizeClass  image.SizeClass
	UploadedAt time.Time
	Due        time.Time
	Capability image.CapabilityHash // "" once purged: then nobody can ask for the picture any more
	Failure    string               // code of the refusal, if no cutout can be made
	Took       time.Duration        // the cutout, with opening, sealing and storing; 0 while there is none

	DeletedWhy image.Why // "" while it is not deleted, and so on
	DeletedAt  time.Time

	UploadedSeq     int64 // places in the record; 0 for what has not happened
	DeletedSeq      int64
	KeyDestroyedSeq int64
}

// Get returns one picture, or image.ErrUnknown.
func Get(ctx context.Context, db DB, img id.Image) (Picture, error) {
	p := Picture{Image: img}
	var (
		ms        int64
		deletedAt *time.Time
	)
	err := db.QueryRow(ctx,
		`select status, version, size_class, uploaded_at, due, coalesce(capability, ''), coalesce(failure, ''), coalesce(total_ms, 0),
		        coalesce(deleted_why, ''), deleted_at, uploaded_seq, coalesce(deleted_seq, 0), coalesce(key_destroyed_seq, 0)
		 from images.picture
		 where image = $1`, img).
		Scan(&p.Status, &p.Version, &p.SizeClass, &p.UploadedAt, &p.Due, &p.Capability, &p.Failure, &ms,
			&p.DeletedWhy, &deletedAt, &p.UploadedSeq, &p.DeletedSeq, &p.KeyDestroyedSeq)
	if errors.Is(err, pgx.ErrNoRows) {
		return Picture{}, image.ErrUnknown
	}
	if err != nil {
		return Picture{}, fmt.Errorf("get image: %w", err)
	}
	p.UploadedAt, p.Due = p.UploadedAt.UTC(), p.Due.UTC()
	p.Took = time.Duration(ms) * time.Millisecond
	if deletedAt != nil {
		p.DeletedAt = deletedAt.UTC()
	}
	return p, nil
}

// DueBefore returns pictures that are not deleted and whose deadline is not after t, the
// longest due first.
func DueBefore(ctx context.Context, db DB, t time.Time, limit int) ([]id.Image, error) {
	rows, err := db.Query(ctx,
		`select image::text
		 from images.picture
		 where deleted_at is null and due <= $1
		 order by due
		 limit $2`, t, limit)
	if err != nil {
		return nil, fmt.Errorf("list due images: %w", err)
	}
	due, err := pgx.CollectRows(rows, pgx.RowTo[id.Image])
	if err != nil {
		return nil, fmt.Errorf("list due images: %w", err)
	}
	return due, nil
}

// Late is what should be deleted and is not.
type Late struct {
	Count  int64
	Oldest time.Time // the earliest deadline among them; zero when there is none
}

// CountWaiting counts the pictures that wait for their cutout, up to ten thousand.
func CountWaiting(ctx context.Context, db DB) (n int64, err error) {
	err = db.QueryRow(ctx,
		`select count(*)
		 from (select from images.picture
		        where total_ms is null and failure is null and deleted_at is null
		        limit 10000) waiting`).
		Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count waiting images: %w", err)
	}
	return n, nil
}

// Overdue counts the pictures whose deadline is before t and that are not deleted.
func Overdue(ctx context.Context, db DB, t time.Time) (Late, error) {
	var (
		late   Late
		oldest *time.Time
	)
	err := db.QueryRow(ctx,
		`select count(*), min(due)
		 from images.picture
		 where deleted_at is null and due < $1`, t).
		Scan(&late.Count, &oldest)
	if err != nil {
		return Late{}, fmt.Errorf("count overdue images: %w", err)
	}
	if oldest != nil {
		late.Oldest = oldest.UTC()
	}
	return late, nil
}
