package projector

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// run follows the record until ctx ends, or until it meets what it cannot apply.
func (r *runner) run(ctx context.Context) {
	pause := r.tuning.firstTry
	for ctx.Err() == nil {
		before := r.health().Seq
		err := r.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		if final(err) {
			if r.mayPass(ctx, err) {
				continue
			}
			return
		}
		if errors.Is(err, errOvertaken) {
			r.with.Log.InfoContext(ctx, "a projection goes on where somebody else has brought it", "view", r.view.Name, "after_seq", before)
			continue
		}
		if r.health().Seq > before {
			pause = r.tuning.firstTry
		}
		r.is(Retrying, describe(err))
		log := r.with.Log.With("view", r.view.Name, "after_seq", r.health().Seq, "pause", pause, "cause", describe(err))
		if errors.Is(err, ErrLost) {
			log.ErrorContext(ctx, "ALARM: a projection waits until the record is whole, and reads it again")
		} else {
			log.WarnContext(ctx, "a projection waits to try again")
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, r.tuning.lastTry)
	}
}

// follow takes the view's lock and applies the record from its checkpoint on. It returns
// only with an error.
func (r *runner) follow(ctx context.Context) (err error) {
	conn, err := r.takeLock(ctx)
	if err != nil {
		return err
	}
	// The lock ends with the connection, whatever state that is in.
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if err := r.view.prepare(ctx, conn, r.view.Name); err != nil {
		return fmt.Errorf("prepare the tables: %w", settle(err))
	}
	if _, err := conn.Exec(ctx, session(r.view.Name)); err != nil {
		return fmt.Errorf("prepare the connection: %w", settle(err))
	}
	if err := r.learnSkips(ctx); err != nil {
		return err
	}
	at, err := r.view.checkpoint(ctx, conn)
	if err != nil {
		return fmt.Errorf("read the checkpoint: %w", settle(err))
	}
	r.reached(at.Seq)
	reading := r.with.Record(at)
	defer func() { err = errors.Join(err, reading.Close()) }()
	r.is(Following, "")
	for {
		entries, err := reading.Next(ctx)
		if err != nil {
			return &alarm{err}
		}
		for len(entries) > 0 {
			n := min(len(entries), r.tuning.facts)
			if at.Seq < r.careful {
				n = 1
			}
			if at, err = r.advance(ctx, conn, at, entries[:n]); err != nil {
				return err
			}
			entries = entries[n:]
		}
	}
}

// advance applies entries and returns the checkpoint after them. A hole stops the view.
func (r *runner) advance(ctx context.Context, conn *pgx.Conn, at Checkpoint, entries []Entry) (Checkpoint, error) {
	piece, err := r.take(ctx, at, entries)
	if err == nil && piece.to.Seq > at.Seq {
		err = r.commit(ctx, conn, piece)
	}
	if err == nil {
		r.reached(piece.to.Seq)
		return piece.to, nil
	}
	if final(err) && len(entries) > 1 {
		// One of many cannot be applied. One at a time, the view comes as far as it can, and the
		// alarm names the one. On a new connection: such an error may have ended this one.
		r.careful = entries[len(entries)-1].Seq
		err = fmt.Errorf("one of the facts %d to %d cannot be applied", at.Seq+1, r.careful)
	}
	return at, err
}

// takeLock returns a connection of its own that holds the view's lock. It asks again and
// again rather than in one long query, which would keep the database from cleaning up.
func (r *runner) takeLock(ctx context.Context) (_ *pgx.Conn, err error) {
	conn, err := pgx.ConnectConfig(ctx, r.with.DB.Config().ConnConfig)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	defer func() {
		if err != nil {
			_ = conn.Close(context.WithoutCancel(ctx))
		}
	}()
	for {
		var mine bool
		err := conn.QueryRow(ctx, `select pg_try_advisory_lock(hashtextextended($1, 0))`, "projector."+r.view.Name).Scan(&mine)
		if err != nil {
			return nil, fmt.Errorf("take the lock: %w", settle(err))
		}
		if mine {
			return conn, nil
		}
		if at, err := r.view.checkpoint(ctx, conn); err == nil {
			r.reached(at.Seq)
		}
		r.is(Standby, "")
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(r.tuning.takeOver):
		}
	}
}
