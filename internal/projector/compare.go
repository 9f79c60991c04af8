package projector

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// tail is how many facts are applied inside the transaction that compares, or switches. What
// is more is applied before.
const tail = 2000

// mostTries bounds how often a comparison is made again because a key was destroyed during it.
const mostTries = 10

// compare compares the draft with the live view. Both rest on exactly the same facts, and
// on all that had destroyed keys when these were decoded.
func (d *draft) compare(ctx context.Context) (Report, error) {
	for try := 1; ; try++ {
		need, why, err := d.level(ctx)
		if err != nil || why != "" {
			return Report{View: d.view.Name, Seq: d.at.Seq, Incomparable: why}, err
		}
		report, err := d.compareAt(ctx, need)
		switch {
		case errors.Is(err, errAgain):
			continue
		case err != nil:
			return Report{}, fmt.Errorf("compare: %w", settle(err))
		case report.Identical() || !d.view.Opened || try == mostTries:
			return report, nil
		}
		// What the live view opened before a key was destroyed, the draft found erased. Was
		// that so, then both agree once the live view is past the destruction.
		published, err := d.rebuild.Published(ctx)
		if err != nil || published <= report.Seq {
			return report, err
		}
	}
}

// errAgain says that the two were not level when it came to comparing them.
var errAgain = errors.New("the live view has moved")

// level brings the draft to what is published, and waits until the live view rests on as
// much. It returns the seq that both need at least, or why there is nothing to compare with.
func (d *draft) level(ctx context.Context) (need int64, why string, err error) {
	need, err = d.rebuild.Published(ctx)
	if err == nil {
		err = d.catchUp(ctx, need)
	}
	if err == nil {
		need, err = d.rebuild.Published(ctx)
	}
	if err != nil {
		return 0, "", err
	}
	need = max(need, d.at.Seq)
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	last, moved := int64(-1), time.Now()
	for {
		live, there, err := d.live(ctx)
		switch {
		case err != nil:
			return 0, "", err
		case !there:
			return 0, "there is no live view", nil
		case live >= need:
			return need, "", nil
		case live > last:
			last, moved = live, time.Now()
		case time.Since(moved) > d.rebuild.Patience:
			return 0, fmt.Sprintf("the live view stands at fact %d of %d and does not go on", live, need), nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return 0, "", context.Cause(ctx)
		}
	}
}

// live returns the live view's checkpoint, or that there is none.
func (d *draft) live(ctx context.Context) (seq int64, there bool, err error) {
	at, err := d.view.checkpoint(ctx, d.conn)
	if missing(err) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("read the live view's checkpoint: %w", settle(err))
	}
	return at.Seq, true, nil
}

// missing says that a schema or table is not there, or that its one row is not.
func missing(err error) bool {
	const undefinedTable, invalidSchema = "42P01", "3F000"
	answer, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (answer.Code == undefinedTable || answer.Code == invalidSchema) || errors.Is(err, pgx.ErrNoRows)
}

// compareAt compares in one transaction that sees the live view as it is at one seq, and
// brings the draft to the same.
func (d *draft) compareAt(ctx context.Context, need int64) (report Report, err error) {
	now := d.rebuild.Now()
	if err := d.view.purge(ctx, d.conn, d.view.Name, now); err != nil {
		return Report{}, err
	}
	if err := d.analyze(ctx); err != nil {
		return Report{}, err
	}
	tx, err := d.conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		return Report{}, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	live, err := d.view.checkpoint(ctx, tx)
	if err != nil {
		return Report{}, err
	}
	if live.Seq < need || live.Seq < d.at.Seq || live.Seq > d.at.Seq+tail {
		return Report{}, errAgain
	}
	at, err := d.within(ctx, tx, live.Seq)
	if err != nil {
		return Report{}, err
	}
	// The live view was purged before, so that next to nothing is left of it here: only what
	// it applied in between.
	for _, schema := range []string{d.view.Name, d.schema} {
		if _, err := tx.Exec(ctx, useLocally(schema)); err != nil {
			return Report{}, err
		}
		if d.view.Purge == nil {
			continue
		}
		if _, err := d.view.Purge(ctx, tx, now); err != nil {
			return Report{}, unserialized(err)
		}
	}
	tables, err := compareSchemas(ctx, tx, d.view.Name, d.schema)
	if err != nil {
		return Report{}, err
	}
	if err := tx.Commit(ctx); err != nil {
		return Report{}, unserialized(err)
	}
	d.reached(at)
	return Report{View: d.view.Name, Seq: at.Seq, Tables: tables}, nil
}

// unserialized turns a collision with the live view into another try.
func unserialized(err error) error {
	const serializationFailure, deadlock = "40001", "40P01"
	if answer, ok := errors.AsType[*pgconn.PgError](err); ok && (answer.Code == serializationFailure || answer.Code == deadlock) {
		return errAgain
	}
	return err
}

// analyze tells Postgres what is in the draft's tables, so that queries go on as they did.
func (d *draft) analyze(ctx context.Context) error {
	tables, err := tablesOf(ctx, d.conn, d.schema)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if _, err := d.conn.Exec(ctx, "analyze "+t.in(d.schema)); err != nil {
			return err
		}
	}
	return nil
}
