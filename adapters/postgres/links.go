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

// Links are rows of work.links: the MAC of a token, never the token. Their time is the service's.
type Links struct{ pool *pgxpool.Pool }

var _ usecase.Links = (*Links)(nil)

// NewLinks returns the links of a database that [Migrate] was run on.
func NewLinks(pool *pgxpool.Pool) *Links { return &Links{pool: pool} }

// Put implements [usecase.Links].
func (l *Links) Put(ctx context.Context, link usecase.MAC, m id.Member, until time.Time) error {
	_, err := l.pool.Exec(ctx, `
		insert into work.links (mac, member, until)
		values ($1, $2, $3)`, link[:], string(m), until)
	if err != nil {
		return unavailable("keep a link", err)
	}
	return nil
}

// Find implements [usecase.Links].
func (l *Links) Find(ctx context.Context, link usecase.MAC, now time.Time) (m id.Member, ok bool, err error) {
	err = l.pool.QueryRow(ctx, `
		select member::text
		from work.links
		where mac = $1 and until > $2`, link[:], now).Scan(&m)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return "", false, nil
	case err != nil:
		return "", false, unavailable("find a link", err)
	}
	return m, true, nil
}
