package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/internal/usecase"
)

// Requests remembers requests in work.requests.
type Requests struct{ pool *pgxpool.Pool }

var _ usecase.Requests = (*Requests)(nil)

// NewRequests returns the requests of a database that [Migrate] was run on.
func NewRequests(pool *pgxpool.Pool) *Requests { return &Requests{pool: pool} }

// Begin implements [usecase.Requests]. The fingerprint must be a MAC: a bare hash of a
// picture would outlive it here.
func (r *Requests) Begin(ctx context.Context, req id.Request, fingerprint []byte, lease time.Duration) (usecase.RequestState, error) {
	for {
		state, known, err := r.begin(ctx, req, fingerprint, lease)
		if err != nil {
			return 0, unavailable("begin a request", err)
		}
		if known {
			return state, nil
		}
		// It was in the way when we inserted and purged when we looked: begin anew.
	}
}

// begin takes the request or tells what is in the way; known is false when that is gone by then.
func (r *Requests) begin(ctx context.Context, req id.Request, fingerprint []byte, lease time.Duration) (state usecase.RequestState, known bool, err error) {
	taken, err := r.pool.Exec(ctx, `
		insert into work.requests as seen (request, fingerprint, until, begun_at)
		values ($1, $2, clock_timestamp() + $3, clock_timestamp())
		on conflict (request) do update
		set until = excluded.until
		where seen.fingerprint = excluded.fingerprint
		  and seen.finished_at is null
		  and seen.until <= clock_timestamp()`, string(req), fingerprint, lease)
	if err != nil || taken.RowsAffected() == 1 {
		return usecase.RequestFresh, true, err
	}
	var same, finished bool
	err = r.pool.QueryRow(ctx, `
		select fingerprint = $2, finished_at is not null
		from work.requests
		where request = $1`, string(req), fingerprint).Scan(&same, &finished)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return 0, false, nil
	case err != nil:
		return 0, false, err
	case !same:
		return usecase.RequestOther, true, nil
	case finished:
		return usecase.RequestFinished, true, nil
	default:
		return usecase.RequestRunning, true, nil
	}
}

// Finish implements [usecase.Requests].
func (r *Requests) Finish(ctx context.Context, req id.Request) error {
	_, err := r.pool.Exec(ctx, `
		update work.requests
		set finished_at = clock_timestamp()
		where request = $1 and finished_at is null`, string(req))
	if err != nil {
		return unavailable("finish a request", err)
	}
	return nil
}

// Abandon implements [usecase.Requests]. Only the lease ends: the fingerprint stays, so that
// the key still belongs to the one body it was first sent with. A finished request stays
// finished.
func (r *Requests) Abandon(ctx context.Context, req id.Request) error {
	_, err := r.pool.Exec(ctx, `
		update work.requests
		set until = clock_timestamp()
		where request = $1 and finished_at is null`, string(req))
	if err != nil {
		return unavailable("abandon a request", err)
	}
	return nil
}
