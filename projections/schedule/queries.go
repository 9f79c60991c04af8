package schedule

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/domain/system"
)

// DB is what the queries need of a connection or a pool.
type DB interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Due is what the record says of when things of a kind are due.
type Due struct {
	Next    time.Time // the earliest deadline, also one that is past; zero when nothing waits
	Overdue int64     // how many are past theirs
}

// DueOf returns the earliest deadline of a kind, and how many were before t.
func DueOf(ctx context.Context, db DB, kind string, t time.Time) (due Due, err error) {
	var next *time.Time
	err = db.QueryRow(ctx,
		`select (select min(due) from schedule.waiting where kind = $1),
		        (select count(*) from schedule.waiting where kind = $1 and due < $2)`, kind, t).Scan(&next, &due.Overdue)
	if err != nil {
		return Due{}, fmt.Errorf("ask what is due: %w", err)
	}
	due.Next = orZero(next)
	return due, nil
}

// Oldest returns when the oldest thing of a kind began of which the record says no deadline, zero when
// none waits, and how many those are.
func Oldest(ctx context.Context, db DB, kind string) (started time.Time, count int64, err error) {
	var oldest *time.Time
	err = db.QueryRow(ctx,
		`select min(started), count(*)
		 from schedule.waiting
		 where kind = $1 and due is null`, kind).Scan(&oldest, &count)
	if err != nil {
		return time.Time{}, 0, fmt.Errorf("find the oldest that waits: %w", err)
	}
	return orZero(oldest), count, nil
}

// Kind is what waits of one kind.
type Kind struct {
	Kind    string
	Count   int64
	Started time.Time // when the oldest began
	Due     time.Time // the earliest deadline that the record says; zero: the rule says, of Started
	Overdue int64     // of those with a deadline in the record
}

// Kinds returns what waits, by kind. It goes through all of it: for people, not for every second.
func Kinds(ctx context.Context, db DB, now time.Time) ([]Kind, error) {
	rows, err := db.Query(ctx,
		`select kind, count(*), min(started), min(due), count(*) filter (where due < $1)
		 from schedule.waiting
		 group by kind
		 order by kind`, now)
	if err != nil {
		return nil, fmt.Errorf("list what waits: %w", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (k Kind, err error) {
		var due *time.Time
		err = row.Scan(&k.Kind, &k.Count, &k.Started, &due, &k.Overdue)
		k.Started, k.Due = k.Started.UTC(), orZero(due)
		return k, err
	})
	if err != nil {
		return nil, fmt.Errorf("list what waits: %w", err)
	}
	return all, nil
}

// Waiting is one thing that waits.
type Waiting struct {
	Subject string
	Started time.Time
	Due     time.Time // zero: the rule says
}

// Decided lists what waits of a kind since rules before a revision said by when it is gone, in the
// order of the subjects, from behind one of them on.
func Decided(ctx context.Context, db DB, kind string, before int64, after string, limit int) ([]Waiting, error) {
	rows, err := db.Query(ctx,
		`select subject, started, due
		 from schedule.waiting
		 where subject > $3 and kind = $1 and revision < $2 and due is not null
		 order by subject
		 limit $4`, kind, before, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list what was decided by older rules: %w", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (w Waiting, err error) {
		err = row.Scan(&w.Subject, &w.Started, &w.Due)
		w.Started, w.Due = w.Started.UTC(), w.Due.UTC()
		return w, err
	})
	if err != nil {
		return nil, fmt.Errorf("list what was decided by older rules: %w", err)
	}
	return all, nil
}

// Purge is what was deleted last of a kind.
type Purge struct {
	Kind   string
	Due    time.Time
	Actual time.Time
	UpTo   time.Time // what began by then is gone; zero: not known
	Count  int64
	Total  int64 // with all before
}

// Purges returns what was deleted last of each kind.
func Purges(ctx context.Context, db DB) ([]Purge, error) {
	rows, err := db.Query(ctx, `select kind, due, actual, up_to, count, total from schedule.purged order by kind`)
	if err != nil {
		return nil, fmt.Errorf("list what was deleted: %w", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p Purge, err error) {
		var upTo *time.Time
		err = row.Scan(&p.Kind, &p.Due, &p.Actual, &upTo, &p.Count, &p.Total)
		p.Due, p.Actual, p.UpTo = p.Due.UTC(), p.Actual.UTC(), orZero(upTo)
		return p, err
	})
	if err != nil {
		return nil, fmt.Errorf("list what was deleted: %w", err)
	}
	return all, nil
}

// PurgedUpTo returns up to which beginning things of a kind were deleted, as the record says; zero when
// none were, or there is no such view.
func PurgedUpTo(ctx context.Context, db DB, kind string) (time.Time, error) {
	var there bool
	if err := db.QueryRow(ctx, `select to_regclass('schedule.purged') is not null`).Scan(&there); err != nil || !there {
		return time.Time{}, err
	}
	var upTo *time.Time
	err := db.QueryRow(ctx, `select up_to from schedule.purged where kind = $1`, kind).Scan(&upTo)
	if errors.Is(err, pgx.ErrNoRows) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("ask what was deleted: %w", err)
	}
	return orZero(upTo), nil
}

// Stall is a kind whose deletions are late.
type Stall struct {
	Kind    string
	Due     time.Time
	Waiting int64
	Since   time.Time
}

// Stalls returns the kinds whose deletions are late, as the record says.
func Stalls(ctx context.Context, db DB) ([]Stall, error) {
	return collect[Stall](ctx, db, "list what is late",
		`select kind, due, waiting, since from schedule.late order by kind`,
		func(s *Stall) { s.Due, s.Since = s.Due.UTC(), s.Since.UTC() })
}

// Hold is a legal hold that is proposed or in force.
type Hold struct {
	Hold   string
	Kind   string
	Fields []string
	State  system.HoldState
	Since  time.Time // of the state
}

// InForce says whether it keeps anything yet, or still.
func (h Hold) InForce() bool { return h.State == system.HoldInForce || h.State == system.HoldReleasing }

// Holds returns the holds, the oldest first.
func Holds(ctx context.Context, db DB) ([]Hold, error) {
	return collect(ctx, db, "list holds",
		`select hold::text, kind, fields, state, since from schedule.hold order by since, hold`,
		func(h *Hold) { h.Since = h.Since.UTC() })
}

// collect reads rows whose times are then put into UTC.
func collect[T any](ctx context.Context, db DB, what, sql string, utc func(*T)) ([]T, error) {
	rows, err := db.Query(ctx, sql)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[T])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	for i := range all {
		utc(&all[i])
	}
	return all, nil
}

// Time is what the record knows of the time.
type Time struct {
	Latest   time.Time // zero: the record is empty
	JumpFrom time.Time // of the jump that nobody has confirmed; zero: none
	JumpTo   time.Time
}

// Times returns it.
func Times(ctx context.Context, db DB) (t Time, err error) {
	var from, to *time.Time
	err = db.QueryRow(ctx, `select latest, jump_from, jump_to from schedule.clock`).Scan(&t.Latest, &from, &to)
	if errors.Is(err, pgx.ErrNoRows) {
		return Time{}, nil
	}
	if err != nil {
		return Time{}, fmt.Errorf("read the record's time: %w", err)
	}
	t.Latest, t.JumpFrom, t.JumpTo = t.Latest.UTC(), orZero(from), orZero(to)
	return t, nil
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}
