package abuse

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// DB is what the queries need of a connection or a pool.
type DB interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Refused is how often a rule said no in an hour.
type Refused struct {
	Hour  time.Time
	Rule  string
	Scope string // "" where the rule knows none
	N     int64
}

// Refusals returns what was refused from an hour on, the newest first; at most so many rows.
func Refusals(ctx context.Context, db DB, from time.Time, limit int) ([]Refused, error) {
	rows, err := db.Query(ctx, `
		select hour, rule, scope, n
		from abuse.refused
		where hour >= $1
		order by hour desc, rule, scope
		limit $2`, from.UTC().Truncate(time.Hour), limit)
	if err != nil {
		return nil, fmt.Errorf("read refusals: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Refused])
	if err != nil {
		return nil, fmt.Errorf("read refusals: %w", err)
	}
	return all, nil
}

// Day is how many visitor-days began, and how often a rule held one of them up for the first time.
type Day struct {
	Day     time.Time
	Began   int64
	Blocked int64
}

// Days returns the days from one on on which somebody came, the newest first.
func Days(ctx context.Context, db DB, from time.Time) ([]Day, error) {
	rows, err := db.Query(ctx, `
		select day, began, blocked
		from abuse.visits
		where day >= $1
		order by day desc`, from.UTC().Format(time.DateOnly))
	if err != nil {
		return nil, fmt.Errorf("read visitor-days: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Day])
	if err != nil {
		return nil, fmt.Errorf("read visitor-days: %w", err)
	}
	return all, nil
}
