package main

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/adapters/postgres"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/projections/abuse"
	"github.com/bgremover/bgremover/projections/analytics"
	"github.com/bgremover/bgremover/projections/images"
	"github.com/bgremover/bgremover/projections/schedule"
)

// The kinds of the retention data by who deletes them in this release. A test compares both lists with
// the data: a kind in neither, or in both, is a mistake.

// endedBy are the kinds that end here, and how.
var endedBy = map[string]string{
	"image":              "each picture's blobs and key, when it is due",
	"result":             "with its picture",
	"preview":            "with its picture, which it is made of while somebody looks",
	"technical":          "each visitor's day by its key",
	"disclosure":         "each request for data by its key",
	"analytics":          "rows of hours",
	"capability":         "hashes in the view of pictures",
	"idempotency_answer": "rows",
	"session":            "rows",
	"api_log":            "partitions of a day; the figures about refusals and visitors of that day go with it",
}

// notHere are the kinds of which this release keeps nothing that it could delete, and why.
var notHere = map[string]string{ //nolint:gosec // Names of kinds, and no credentials.
	"account":         "there are no accounts",
	"api_key":         "there are no accounts",
	"credential":      "there are no accounts",
	"token":           "no mail is sent that could hold one",
	"payment":         "there are no payments",
	"webhook_body":    "no payment processor calls",
	"consent_proof":   "nobody is asked for a consent",
	"mail_bounce":     "no mail is sent",
	"mail_outbox":     "no mail is sent",
	"notice":          "no mail is sent",
	"request":         "there is no desk for requests of people",
	"support_case":    "there is no support by case",
	"incident":        "an incident is suspected, and none is declared or closed",
	"staff":           "nobody's role is revoked",
	"evidence_export": "no export lies ready",
	"drill_copy":      "no drill makes copies",
	"vault_backup":    "the operator writes the file, and deletes it",
	"abuse_counter":   "memory of the process, forgotten within a day",
	"trace":           "traces go to the operator's collector, or nowhere",
	"write_ahead_log": "PostgreSQL recycles it; archives are the operator's",
}

// purgeUpTo removes what began up to a moment; rows of a view in whichever schema tx means.
type purgeUpTo func(ctx context.Context, tx pgx.Tx, upTo time.Time) (int64, error)

// purged makes of that what the projector asks of a view: to remove what time alone removes. That is what the
// record says was deleted, so that a view that is made anew holds none of it; the engine deletes the rest.
func purged(kind string, rows purgeUpTo) func(context.Context, pgx.Tx, time.Time) (int64, error) {
	return func(ctx context.Context, tx pgx.Tx, _ time.Time) (int64, error) {
		upTo, err := schedule.PurgedUpTo(ctx, tx, kind)
		if err != nil || upTo.IsZero() {
			return 0, err
		}
		return rows(ctx, tx, upTo)
	}
}

// table is an executor made of two functions.
type table struct {
	pool   *pgxpool.Pool
	kind   string
	oldest func(ctx context.Context) (time.Time, int64, error)
	purge  purgeUpTo
}

var _ usecase.Executor = table{}

// Kind implements usecase.Executor.
func (t table) Kind() string { return t.kind }

// Oldest implements usecase.Executor.
func (t table) Oldest(ctx context.Context) (usecase.Kept, error) {
	began, n, err := t.oldest(ctx)
	return usecase.Kept{Oldest: began, Count: n}, err
}

// Purge implements usecase.Executor.
func (t table) Purge(ctx context.Context, upTo time.Time, note func(int64) usecase.Purged) error {
	return pgx.BeginFunc(ctx, t.pool, func(tx pgx.Tx) error {
		n, err := t.purge(ctx, tx, upTo)
		if err != nil || n == 0 {
			return err
		}
		return postgres.NotePurged(ctx, tx, note(n))
	})
}

// executors delete what lies in tables.
func (s *service) executors() []usecase.Executor {
	pool := s.ground.pool
	return []usecase.Executor{
		s.viewRows("analytics", analytics.Name, analytics.Purge, func(ctx context.Context) (time.Time, int64, error) {
			return analytics.Oldest(ctx, pool)
		}),
		s.viewRows("capability", images.Name, images.Purge, func(ctx context.Context) (time.Time, int64, error) {
			return images.OldestCapability(ctx, pool)
		}),
		s.answers(),
		s.sessions(),
		s.requestLog(),
	}
}

// requestLog is the log of requests, with the figures about refusals and visitors of its days.
func (s *service) requestLog() table {
	log, pool := s.apiLog.store, s.ground.pool
	figures := s.viewRows(log.Kind(), abuse.Name, abuse.Purge, func(ctx context.Context) (time.Time, int64, error) {
		return abuse.Oldest(ctx, pool)
	})
	return table{
		pool: pool,
		kind: log.Kind(),
		oldest: func(ctx context.Context) (time.Time, int64, error) {
			kept, err := log.Oldest(ctx)
			if err != nil {
				return time.Time{}, 0, err
			}
			began, n, err := figures.oldest(ctx)
			return earlier(kept.Oldest, began), kept.Count + n, err
		},
		purge: func(ctx context.Context, tx pgx.Tx, upTo time.Time) (int64, error) {
			n, err := figures.purge(ctx, tx, upTo)
			if err != nil {
				return n, err
			}
			m, err := log.Purge(ctx, tx, upTo) // last: it keeps who writes the log waiting until the transaction ends
			return n + m, err
		},
	}
}

// viewRows deletes rows of a view. A view that was made anew holds again what was deleted before:
// that goes without another fact.
func (s *service) viewRows(kind, view string, purge purgeUpTo, oldest func(context.Context) (time.Time, int64, error)) table {
	t := table{pool: s.ground.pool, kind: kind}
	t.purge = func(ctx context.Context, tx pgx.Tx, upTo time.Time) (int64, error) {
		if _, err := tx.Exec(ctx, "set local search_path to "+view); err != nil {
			return 0, err
		}
		return purge(ctx, tx, upTo)
	}
	t.oldest = func(ctx context.Context) (time.Time, int64, error) {
		began, n, err := oldest(ctx)
		if err != nil || began.IsZero() {
			return began, n, err
		}
		before, err := schedule.PurgedUpTo(ctx, s.ground.pool, kind)
		if err != nil || began.After(before) {
			return began, n, err
		}
		if err := pgx.BeginFunc(ctx, t.pool, func(tx pgx.Tx) error { _, err := t.purge(ctx, tx, before); return err }); err != nil {
			return time.Time{}, 0, err
		}
		return oldest(ctx)
	}
	return t
}

// answers are what is remembered of requests that can be repeated: by the ledger at the service's time, and by
// the database's clock, which nobody moves.
func (s *service) answers() table {
	requests, ahead := postgres.NewRequests(s.ground.pool), s.clock.Offset()
	return table{
		pool: s.ground.pool,
		kind: "idempotency_answer",
		oldest: func(ctx context.Context) (time.Time, int64, error) {
			carried, n, err := s.ledger.OldestRequest(ctx)
			if err != nil {
				return time.Time{}, 0, err
			}
			begun, m, err := requests.Oldest(ctx)
			if m > 0 {
				begun = begun.Add(ahead)
			}
			return earlier(carried, begun), n + m, err
		},
		purge: func(ctx context.Context, tx pgx.Tx, upTo time.Time) (int64, error) {
			n, err := s.ledger.PurgeRequests(ctx, tx, upTo)
			if err != nil {
				return n, err
			}
			m, err := requests.Purge(ctx, tx, upTo.Add(-ahead))
			return n + m, err
		},
	}
}

// sessions end by themselves within hours, and are removed when they have; this is for what would be left.
func (s *service) sessions() table {
	sessions := postgres.NewSessions(s.ground.pool)
	return table{
		pool: s.ground.pool,
		kind: "session",
		oldest: func(ctx context.Context) (time.Time, int64, error) {
			until, n, err := sessions.OldestSession(ctx)
			if n > 0 {
				until = until.Add(-usecase.SessionLasts)
			}
			return until, n, err
		},
		purge: func(ctx context.Context, tx pgx.Tx, upTo time.Time) (int64, error) {
			return postgres.PurgeSessions(ctx, tx, upTo.Add(usecase.SessionLasts))
		},
	}
}

// earlier returns the earlier of two times, of which zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
