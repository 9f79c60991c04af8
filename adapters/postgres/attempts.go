package postgres

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/internal/usecase"
)

// Attempts counts tries in work.attempts. A try is counted, and the count on the disk,
// before it begins: a picture that kills its processor is counted too.
type Attempts struct{ pool *pgxpool.Pool }

var _ usecase.Attempts = (*Attempts)(nil)

// NewAttempts returns the attempts of a database that [Migrate] was run on.
func NewAttempts(pool *pgxpool.Pool) *Attempts { return &Attempts{pool: pool} }

// Begin implements [usecase.Attempts].
func (a *Attempts) Begin(ctx context.Context, img id.Image) (n int, err error) {
	err = a.pool.QueryRow(ctx, `
		insert into work.attempts as tried (image, n, at)
		values ($1, 1, clock_timestamp())
		on conflict (image) do update
		set n = tried.n + 1, at = excluded.at
		returning n`, string(img)).Scan(&n)
	if err != nil {
		return 0, unavailable("count an attempt", err)
	}
	return n, nil
}

// Clear implements [usecase.Attempts].
func (a *Attempts) Clear(ctx context.Context, img id.Image) error {
	if _, err := a.pool.Exec(ctx, `delete from work.attempts where image = $1`, string(img)); err != nil {
		return unavailable("clear attempts", err)
	}
	return nil
}
