package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/internal/usecase"
)

// Sessions are rows of work.sessions: the MAC of a token, never the token. Their time is the service's.
type Sessions struct{ pool *pgxpool.Pool }

var _ usecase.Sessions = (*Sessions)(nil)

// NewSessions returns the sessions of a database that [Migrate] was run on.
func NewSessions(pool *pgxpool.Pool) *Sessions { return &Sessions{pool: pool} }

// Begin implements [usecase.Sessions]. Of several who use one link at once, one removes its row.
func (s *Sessions) Begin(ctx context.Context, link, session usecase.MAC, now, until time.Time) (ok bool, err error) {
	begun, err := s.pool.Exec(ctx, `
		with used as (
			delete from work.links
			where mac = $1 and until > $3
			returning member
		)
		insert into work.sessions (mac, member, until)
		select $2, member, $4 from used`, link[:], session[:], now, until)
	if err != nil {
		return false, unavailable("begin a session", err)
	}
	return begun.RowsAffected() == 1, nil
}

// Find implements [usecase.Sessions].
func (s *Sessions) Find(ctx context.Context, session usecase.MAC, now time.Time) (m id.Member, until time.Time, ok bool, err error) {
	err = s.pool.QueryRow(ctx, `
		select member::text, until
		from work.sessions
		where mac = $1 and until > $2`, session[:], now).Scan(&m, &until)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return "", time.Time{}, false, nil
	case err != nil:
		return "", time.Time{}, false, unavailable("find a session", err)
	}
	return m, until, true, nil
}

// End implements [usecase.Sessions].
func (s *Sessions) End(ctx context.Context, session usecase.MAC) error {
	if _, err := s.pool.Exec(ctx, `delete from work.sessions where mac = $1`, session[:]); err != nil {
		return unavailable("end a session", err)
	}
	return nil
}

// EndAll implements [usecase.Sessions].
func (s *Sessions) EndAll(ctx context.Context, m id.Member) (sessions, links int64, err error) {
	err = s.pool.QueryRow(ctx, `
		with links as (
			delete from work.links where member = $1 returning 1
		), sessions as (
			delete from work.sessions where member = $1 returning 1
		)
		select (select count(*) from sessions), (select count(*) from links)`, string(m)).Scan(&sessions, &links)
	if err != nil {
		return 0, 0, unavailable("end all sessions of a member", err)
	}
	return sessions, links, nil
}

// OldestSession returns when the first session ends that is there, zero if there is none, and how many
// there are.
func (s *Sessions) OldestSession(ctx context.Context) (until time.Time, n int64, err error) {
	var first *time.Time
	if err := s.pool.QueryRow(ctx, `select min(until), count(*) from work.sessions`).Scan(&first, &n); err != nil {
		return time.Time{}, 0, unavailable("find the oldest session", err)
	}
	if first != nil {
		until = first.UTC()
	}
	return until, n, nil
}

// PurgeSessions removes links and sessions whose time is over by the service's clock. It
// returns how many rows it removed.
func PurgeSessions(ctx context.Context, db Execer, now time.Time) (removed int64, err error) {
	for _, purge := range []string{
		`delete from work.links    where until <= $1`,
		`delete from work.sessions where until <= $1`,
	} {
		gone, err := db.Exec(ctx, purge, now)
		if err != nil {
			return removed, fmt.Errorf("purge links and sessions: %w", err)
		}
		removed += gone.RowsAffected()
	}
	return removed, nil
}
