package projector

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bgremover/bgremover/domain/event"
)

// errOvertaken says that the checkpoint is not where this projector left it: another one
// was at work, because this one's lock was lost and it had not noticed, or a rebuilt view
// that is further has taken the place of this one.
var errOvertaken = errors.New("somebody else has raised the checkpoint")

// applier applies facts to one view, in whichever schema its connection means.
type applier struct {
	view   View
	decode Decode
	passed map[int64]bool // facts that are passed over, because somebody has recorded that
}

// piece is some of the record: the facts after one checkpoint and up to another.
type piece struct {
	from, to Checkpoint
	facts    []event.Envelope
}

// take decodes the entries that follow a checkpoint. Entries up to it are dropped.
func (a *applier) take(ctx context.Context, at Checkpoint, entries []Entry) (piece, error) {
	p := piece{from: at, to: at, facts: make([]event.Envelope, 0, len(entries))}
	for _, entry := range entries {
		if entry.Seq <= p.to.Seq {
			continue
		}
		if entry.Seq != p.to.Seq+1 {
			return piece{}, &alarm{fmt.Errorf("after fact %d comes %d", p.to.Seq, entry.Seq)}
		}
		if !a.passed[entry.Seq] {
			env, err := a.decode(ctx, entry.Seq, entry.Body)
			if err := undecoded(ctx, entry.Seq, env, err); err != nil {
				return piece{}, err
			}
			p.facts = append(p.facts, env)
		}
		p.to = Checkpoint{Seq: entry.Seq, Offset: entry.Offset}
	}
	return p, nil
}

// undecoded tells whether a fact could not be decoded for good.
func undecoded(ctx context.Context, seq int64, env event.Envelope, err error) error {
	switch {
	case err != nil && (errors.Is(err, event.ErrUnavailable) || ctx.Err() != nil):
		return fmt.Errorf("decode fact %d: %w", seq, err)
	case err != nil || env.Fact == nil:
		// Without the error's text, which may hold some of the fact.
		return &fault{seq: seq, cause: "it cannot be decoded"}
	}
	return nil
}

// commit applies facts and raises the checkpoint, both or neither.
func (a *applier) commit(ctx context.Context, conn *pgx.Conn, p piece) error {
	batch, err := a.queue(p)
	if err != nil {
		return err
	}
	return p.failed(transact(ctx, conn, batch))
}

// failed is what an error of the database means for these facts.
func (p piece) failed(err error) error {
	if err == nil || errors.Is(err, errOvertaken) {
		return err
	}
	if err = settle(err); final(err) {
		return p.fault(describe(err))
	}
	return fmt.Errorf("apply facts %d to %d: %w", p.from.Seq+1, p.to.Seq, err)
}

// fault blames the last of some facts: when there are several, they are applied again one by
// one before anybody is told.
func (p piece) fault(cause string) error {
	f := &fault{seq: p.to.Seq, cause: cause}
	if len(p.facts) > 0 {
		f.fact = p.facts[len(p.facts)-1].Fact.EventName()
	}
	return f
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

const raise = `update checkpoint set seq = $1, "offset" = $2 where seq = $3`

// queue lines up the checkpoint's raise, first because it locks the row against others,
// and then what the facts change.
func (a *applier) queue(p piece) (batch *pgx.Batch, err error) {
	defer func() {
		if thrown := recover(); thrown != nil {
			cause := "Apply panicked"
			if runtimeError, ok := thrown.(runtime.Error); ok {
				cause += ": " + runtimeError.Error() // speaks of types and indices, not of values
			}
			batch, err = nil, p.fault(cause)
		}
	}()
	batch = &pgx.Batch{}
	batch.Queue(raise, p.to.Seq, p.to.Offset, p.from.Seq).Exec(func(answer pgconn.CommandTag) error {
		if answer.RowsAffected() != 1 {
			return errOvertaken
		}
		return nil
	})
	if facts := a.wanted(p); len(facts) > 0 {
		a.view.Apply(batch, facts)
	}
	return batch, nil
}

// wanted leaves out what is passed over. Facts that are shared by several views are not
// changed: each has passes of its own.
func (a *applier) wanted(p piece) []event.Envelope {
	out := func(env event.Envelope) bool { return a.passed[env.Seq] }
	if len(a.passed) == 0 || !slices.ContainsFunc(p.facts, out) {
		return p.facts
	}
	return slices.DeleteFunc(slices.Clone(p.facts), out)
}
