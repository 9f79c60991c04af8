package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/internal/usecase"
)

// releaseWithin is how long giving a lease or a lock back may take. If it fails, it ends by itself.
const releaseWithin = 5 * time.Second

// Leases are rows of work.leases. They run by the database's clock: it is one for all
// processes, and moving the service's clock does not touch them.
type Leases struct{ pool *pgxpool.Pool }

var _ usecase.Leases = (*Leases)(nil)

// NewLeases returns the leases of a database that [Migrate] was run on.
func NewLeases(pool *pgxpool.Pool) *Leases { return &Leases{pool: pool} }

// Take implements [usecase.Leases]. The holder renews its lease three times within atMost until
// it gives it back: a lease ends atMost after its holder was last alive, and not before.
//
// Release ends the renewing and returns when that has ended. It must be called. It may be called
// late or twice: it gives back this holder's lease and nobody else's.
func (l *Leases) Take(ctx context.Context, name string, atMost time.Duration) (release func(), ok bool, err error) {
	held := lease{pool: l.pool, name: name, atMost: atMost}
	err = l.pool.QueryRow(ctx, `
		insert into work.leases as held (name, holder, until)
		values ($1, gen_random_uuid(), clock_timestamp() + $2)
		on conflict (name) do update
		set holder = excluded.holder, until = excluded.until
		where held.until <= clock_timestamp()
		returning holder::text`, name, atMost).Scan(&held.holder)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, unavailable("take a lease", err)
	}
	lasting := context.WithoutCancel(ctx) // the lease ends by release, whatever became of its caller
	renewing, stop := context.WithCancel(lasting)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		held.renew(renewing)
	}()
	return func() {
		stop()
		<-stopped
		held.giveBack(lasting)
	}, true, nil
}

// lease is one holder's hold on a name.
type lease struct {
	pool   *pgxpool.Pool
	name   string
	holder string // an id of this hold alone
	atMost time.Duration
}

// renew prolongs the lease until ctx ends or another holds it. While Postgres is away it goes
// on trying: as long as nobody else took the lease, it can still be prolonged.
func (l lease) renew(ctx context.Context) {
	every := max(l.atMost/3, time.Millisecond)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if lost := l.prolong(ctx, every); lost {
			return
		}
	}
}

func (l lease) prolong(ctx context.Context, within time.Duration) (lost bool) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	prolonged, err := l.pool.Exec(ctx, `
		update work.leases
		set until = clock_timestamp() + $3
		where name = $1 and holder = $2::uuid`, l.name, l.holder, l.atMost)
	return err == nil && prolonged.RowsAffected() == 0
}

func (l lease) giveBack(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, releaseWithin)
	defer cancel()
	_, _ = l.pool.Exec(ctx, `delete from work.leases where name = $1 and holder = $2::uuid`, l.name, l.holder)
}
