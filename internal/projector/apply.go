package projector

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bgremover/bgremover/domain/event"
)

// errOvertaken says that the checkpoint is not where this projector left it: another one
// was at work, because this one's lock was lost and it had not noticed.
var errOvertaken = errors.New("another projector has raised the checkpoint")

// advance applies entries and returns the checkpoint after them. Entries up to the
// checkpoint are dropped; a hole stops the view.
func (r *runner) advance(ctx context.Context, conn *pgx.Conn, at Checkpoint, entries []Entry) (Checkpoint, error) {
	facts, to, err := r.take(ctx, at, entries)
	if err == nil && to.Seq > at.Seq {
		err = r.commit(ctx, conn, at, to, facts)
	}
	if err == nil {
		r.reached(to.Seq)
		return to, nil
	}
	if final(err) && len(entries) > 1 {
		// One of many cannot be applied. One at a time, the view comes as far as it can, and the
		// alarm names the one. On a new connection: such an error may have ended this one.
		r.careful = entries[len(entries)-1].Seq
		err = fmt.Errorf("one of the facts %d to %d cannot be applied", at.Seq+1, r.careful)
	}
	return at, err
}

// take decodes the entries that follow a checkpoint.
func (r *runner) take(ctx context.Context, at Checkpoint, entries []Entry) ([]event.Envelope, Checkpoint, error) {
	facts, decode := make([]event.Envelope, 0, len(entries)), r.with.decoder(r.view)
	for _, entry := range entries {
		if entry.Seq <= at.Seq {
			continue
		}
		if entry.Seq != at.Seq+1 {
			return nil, at, &alarm{fmt.Errorf("after fact %d comes %d", at.Seq, entry.Seq)}
		}
		if r.passed[entry.Seq] {
			at = Checkpoint{Seq: entry.Seq, Offset: entry.Offset}
			continue
		}
		env, err := decode(ctx, entry.Seq, entry.Body)
		switch {
		case err != nil && (errors.Is(err, event.ErrUnavailable) || ctx.Err() != nil):
			return nil, at, fmt.Errorf("decode fact %d: %w", entry.Seq, err)
		case err != nil || env.Fact == nil:
			// Without the error's text, which may hold some of the fact.
			return nil, at, &fault{seq: entry.Seq, cause: "it cannot be decoded"}
		}
		facts = append(facts, env)
		at = Checkpoint{Seq: entry.Seq, Offset: entry.Offset}
	}
	return facts, at, nil
}

// commit applies facts and raises the checkpoint, both or neither.
func (r *runner) commit(ctx context.Context, conn *pgx.Conn, from, to Checkpoint, facts []event.Envelope) error {
	batch, err := r.queue(from, to, facts)
	if err != nil {
		return err
	}
	err = transact(ctx, conn, batch)
	if err == nil || errors.Is(err, errOvertaken) {
		return err
	}
	if err = settle(err); final(err) {
		return faultAt(to.Seq, facts, describe(err))
	}
	return fmt.Errorf("apply facts %d to %d: %w", from.Seq+1, to.Seq, err)
}

// transact is pgx.BeginFunc, except that an error of rolling back, which may be all that is
// left of a broken connection, does not hide why it came to that.
func transact(ctx context.Context, conn *pgx.Conn, batch *pgx.Batch) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		_ = tx.Rollback(context.WithoutCancel(ctx))
		return err
	}
	return tx.Commit(ctx)
}

// faultAt blames the last of some facts: when there are several, they are applied again one
// by one before anybody is told.
func faultAt(seq int64, facts []event.Envelope, cause string) error {
	f := &fault{seq: seq, cause: cause}
	if len(facts) > 0 {
		f.fact = facts[len(facts)-1].Fact.EventName()
	}
	return f
}

// queue lines up the checkpoint's raise, first because it locks the row against others,
// and then what the facts change.
func (r *runner) queue(from, to Checkpoint, facts []event.Envelope) (batch *pgx.Batch, err error) {
	defer func() {
		if p := recover(); p != nil {
			cause := "Apply panicked"
			if runtimeError, ok := p.(runtime.Error); ok {
				cause += ": " + runtimeError.Error() // speaks of types and indices, not of values
			}
			batch, err = nil, faultAt(to.Seq, facts, cause)
		}
	}()
	batch = &pgx.Batch{}
	batch.Queue(raise, to.Seq, to.Offset, from.Seq).Exec(func(answer pgconn.CommandTag) error {
		if answer.RowsAffected() != 1 {
			return errOvertaken
		}
		return nil
	})
	if len(facts) > 0 {
		r.view.Apply(batch, facts)
	}
	return batch, nil
}

const raise = `update checkpoint set seq = $1, "offset" = $2 where seq = $3`
