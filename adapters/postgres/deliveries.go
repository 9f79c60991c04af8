package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/domain/id"
)

// Deliveries remembers in work.deliveries which pictures are about to be handed over whole,
// so that a process that dies between the last byte and the record leaves a trace.
type Deliveries struct{ pool *pgxpool.Pool }

// NewDeliveries returns the deliveries of a database that [Migrate] was run on.
func NewDeliveries(pool *pgxpool.Pool) *Deliveries { return &Deliveries{pool: pool} }

// Mark notes that the last byte of a picture's result is about to go out. It is on the disk
// when it returns. A mark that is there already stays, with its age.
func (d *Deliveries) Mark(ctx context.Context, img id.Image) error {
	_, err := d.pool.Exec(ctx, `
		insert into work.deliveries (image)
		values ($1)
		on conflict (image) do nothing`, string(img))
	if err != nil {
		return unavailable("mark a delivery", err)
	}
	return nil
}

// Clear removes a mark: the record knows how the delivery ended. None is no error.
func (d *Deliveries) Clear(ctx context.Context, img id.Image) error {
	if _, err := d.pool.Exec(ctx, `delete from work.deliveries where image = $1`, string(img)); err != nil {
		return unavailable("clear a delivery", err)
	}
	return nil
}

// Stale returns at most limit pictures that were marked longer ago than olderThan by the
// database's clock, the oldest first.
func (d *Deliveries) Stale(ctx context.Context, olderThan time.Duration, limit int) ([]id.Image, error) {
	// An error of Query is one of CollectRows as well.
	rows, _ := d.pool.Query(ctx, `
		select image::text
		from work.deliveries
		where marked_at < clock_timestamp() - $1::interval
		order by marked_at
		limit $2`, olderThan, limit)
	stale, err := pgx.CollectRows(rows, pgx.RowTo[id.Image])
	if err != nil {
		return nil, unavailable("look for deliveries without an end", err)
	}
	return stale, nil
}
