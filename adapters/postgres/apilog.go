package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/internal/usecase"
)

// APILog is the table work.api_log: what is kept of requests, a partition a day. Its time is the
// service's.
type APILog struct {
	pool *pgxpool.Pool

	mu   sync.Mutex
	made map[string]bool // partitions that are there
}

var _ usecase.Calls = (*APILog)(nil)

// NewAPILog returns the log of a database that [Migrate] was run on.
func NewAPILog(pool *pgxpool.Pool) *APILog { return &APILog{pool: pool, made: map[string]bool{}} }

const (
	partitionPrefix = "api_log_"
	partitionDay    = "20060102"
	daysAhead       = 2
)

// Prepare makes the partitions of a day and of the next ones, so that no request's row waits for that.
func (l *APILog) Prepare(ctx context.Context, now time.Time) error {
	days := make([]time.Time, 0, daysAhead+1)
	for n := range daysAhead + 1 {
		days = append(days, now.AddDate(0, 0, n))
	}
	return l.make(ctx, days...)
}

func (l *APILog) make(ctx context.Context, days ...time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, day := range days {
		from := day.UTC().Truncate(24 * time.Hour)
		name := partitionPrefix + from.Format(partitionDay)
		if l.made[name] {
			continue
		}
		err := pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
			if err := lockByName(ctx, tx, "api_log"); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, fmt.Sprintf(
				`create table if not exists work.%s partition of work.api_log for values from ('%s') to ('%s')`,
				pgx.Identifier{name}.Sanitize(), from.Format(time.RFC3339), from.AddDate(0, 0, 1).Format(time.RFC3339)))
			return err
		})
		if err != nil {
			return unavailable("make a day of the log of requests", err)
		}
		l.made[name] = true
	}
	return nil
}

// Add implements [usecase.Calls].
func (l *APILog) Add(ctx context.Context, calls []usecase.Call) error {
	var days []time.Time
	for _, c := range calls {
		if day := c.At.Truncate(24 * time.Hour); !slices.Contains(days, day) {
			days = append(days, day)
		}
	}
	if err := l.make(ctx, days...); err != nil {
		return err
	}
	_, err := l.pool.CopyFrom(ctx, pgx.Identifier{"work", "api_log"}, apiLogColumns,
		pgx.CopyFromSlice(len(calls), func(i int) ([]any, error) {
			c := calls[i]
			return []any{c.At, c.Method, c.Route, int16(c.Status), int32(c.Duration), c.Bytes}, nil
		}))
	if err != nil {
		return unavailable("store the log of requests", err)
	}
	return nil
}

var apiLogColumns = []string{"at", "method", "route", "status_class", "duration_class_ms", "bytes_class"}

// Kind is the kind of the retention data.
func (l *APILog) Kind() string { return "api_log" }

// Oldest returns when the first day began, and how many there are.
func (l *APILog) Oldest(ctx context.Context) (usecase.Kept, error) {
	days, err := l.days(ctx)
	if err != nil || len(days) == 0 {
		return usecase.Kept{}, err
	}
	return usecase.Kept{Oldest: slices.MinFunc(days, time.Time.Compare), Count: int64(len(days))}, nil
}

// Purge drops the days whose first moment is due, all or none, and returns how many those were.
func (l *APILog) Purge(ctx context.Context, tx pgx.Tx, upTo time.Time) (purged int64, err error) {
	days, err := l.days(ctx)
	if err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, day := range days {
		if day.After(upTo) {
			continue
		}
		if err := l.drop(ctx, tx, partitionPrefix+day.Format(partitionDay)); err != nil {
			return 0, unavailable("drop a day of the log of requests", err)
		}
		purged++
	}
	return purged, nil
}

// drop drops a day. The lock is held.
func (l *APILog) drop(ctx context.Context, tx pgx.Tx, name string) error {
	// Whoever reads must not be waited for with all requests behind us.
	if _, err := tx.Exec(ctx, `set local lock_timeout = '5s'`); err != nil {
		return err
	}
	if err := lockByName(ctx, tx, "api_log"); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `drop table if exists work.`+pgx.Identifier{name}.Sanitize())
	delete(l.made, name) // also when the transaction fails: it is looked for again
	return err
}

// days lists the days that there is a partition of.
func (l *APILog) days(ctx context.Context) ([]time.Time, error) {
	rows, err := l.pool.Query(ctx, `
		select child.relname
		from pg_inherits
		join pg_class child on child.oid = inhrelid
		where inhparent = 'work.api_log'::regclass
		order by child.relname`)
	if err != nil {
		return nil, unavailable("list the days of the log of requests", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, unavailable("list the days of the log of requests", err)
	}
	days := make([]time.Time, 0, len(names))
	for _, name := range names {
		day, err := time.Parse(partitionDay, strings.TrimPrefix(name, partitionPrefix))
		if err != nil {
			return nil, errors.New("work.api_log has a partition that is no day of it")
		}
		days = append(days, day)
	}
	return days, nil
}

// StatusCount is how many requests of an hour were answered with a class of status.
type StatusCount struct {
	Hour   time.Time
	Status int // 2, 3, 4 or 5
	N      int64
}

// ByStatus counts the requests from a time on, the newest hour first.
func (l *APILog) ByStatus(ctx context.Context, from time.Time) ([]StatusCount, error) {
	rows, err := l.pool.Query(ctx, `
		select date_trunc('hour', at, 'UTC'), status_class, count(*)
		from work.api_log
		where at >= $1
		group by 1, 2
		order by 1 desc, 2`, from)
	if err != nil {
		return nil, unavailable("count requests", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[StatusCount])
	if err != nil {
		return nil, unavailable("count requests", err)
	}
	return all, nil
}
