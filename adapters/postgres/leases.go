package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/internal/usecase"
)

// releaseWithin is how long giving a lease back may take. If it fails, the lease ends by itself.
const releaseWithin = 5 * time.Second

// Leases are rows of work.leases. They run by the database's clock: it is one for all
// processes, and moving the service's clock does not touch them.
type Leases struct{ pool *pgxpool.Pool }

var _ usecase.Leases = (*Leases)(nil)

// NewLeases returns the leases of a database that [Migrate] was run on.
func NewLeases(pool *pgxpool.Pool) *Leases { return &Leases{pool: pool} }

// Take implements [usecase.Leases]. Release may be called late or twice: it gives back
// this holder's lease and nobody else's.
func (l *Leases) Take(ctx context.Context, name string, atMost time.Duration) (release func(), ok bool, err error) {
	var holder string
	err = l.pool.QueryRow(ctx, `
		insert into work.leases as held (name, holder, until)
		values ($1, gen_random_uuid(), clock_timestamp() + $2)
		on conflict (name) do update
		set holder = excluded.holder, until = excluded.until
		where held.until <= clock_timestamp()
		returning holder::text`, name, atMost).Scan(&holder)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("take a lease: %w", err)
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseWithin)
		defer cancel()
		_, _ = l.pool.Exec(ctx, `delete from work.leases where name = $1 and holder = $2::uuid`, name, holder)
	}, true, nil
}
