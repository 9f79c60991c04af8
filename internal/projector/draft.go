package projector

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// draft is a view that is being built in a schema of its own. Its connection holds the lock
// that keeps a second rebuild of the view away.
type draft struct {
	applier
	rebuild *Rebuild
	conn    *pgx.Conn
	schema  string
	at      Checkpoint
	done    atomic.Int64 // at.Seq, for whoever looks on; the highest number once there is err
	err     error        // why it cannot be built
}

// The schemas beside the live one. No view can have such a name.
func draftOf(view string) string   { return view + "_rebuild" }
func retiredOf(view string) string { return view + "_old" }

// begin makes a view's empty tables.
func (r *Rebuild) begin(ctx context.Context, v View) (*draft, error) {
	if err := r.check(v); err != nil {
		return nil, err
	}
	d := &draft{applier: r.applier(v), rebuild: r, schema: draftOf(v.Name)}
	if err := d.reconnect(ctx, time.Second); err != nil { // a purge holds the lock for a moment
		return nil, err
	}
	if err := d.begin(ctx); err != nil {
		d.close(ctx)
		return nil, err
	}
	return d, nil
}

func (d *draft) begin(ctx context.Context) (err error) {
	if d.passed, err = d.rebuild.skips(ctx, d.view.Name); err != nil {
		return fmt.Errorf("ask what is skipped: %w", err)
	}
	if err := dropBeside(ctx, d.conn, d.view.Name); err != nil {
		return err
	}
	if err := d.view.prepare(ctx, d.conn, d.schema); err != nil {
		return fmt.Errorf("make the tables: %w", settle(err))
	}
	return nil
}

// connect opens the draft's connection and takes the lock.
func (d *draft) connect(ctx context.Context) (err error) {
	d.conn, err = pgx.ConnectConfig(ctx, d.rebuild.DB.Config().ConnConfig)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	mine, err := lockBeside(ctx, d.conn, d.view.Name)
	if err == nil && !mine {
		err = ErrRebuilding
	}
	if err == nil {
		// Nothing rests on these rows before the switch, which waits for all of them to be durable.
		_, err = d.conn.Exec(ctx, session(d.schema)+"set synchronous_commit to off;")
	}
	if err != nil {
		_ = d.conn.Close(context.WithoutCancel(ctx))
		if errors.Is(err, ErrRebuilding) {
			return err
		}
		return fmt.Errorf("prepare the connection: %w", settle(err))
	}
	return nil
}

// close drops what is still beside the live view, and gives the lock back.
func (d *draft) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	var err error
	if d.conn.IsClosed() {
		err = d.reconnect(ctx, lockPatience)
	}
	if err == nil {
		err = dropBeside(ctx, d.conn, d.view.Name)
		unlock(ctx, d.conn)
	}
	if err != nil {
		d.rebuild.Log.WarnContext(ctx, "tables of a rebuild may be left; the next rebuild or the hourly purge drops them",
			"view", d.view.Name, "err", err)
	}
}

// lockPatience is how long the server may need to notice that a connection is lost, which
// holds the lock until then.
const lockPatience = 5 * time.Second

// reconnect opens a connection, and asks for the lock for some time.
func (d *draft) reconnect(ctx context.Context, patience time.Duration) error {
	over := time.After(patience)
	for {
		err := d.connect(ctx)
		if !errors.Is(err, ErrRebuilding) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-over:
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// drain applies portions until there are no more. What comes after an error is thrown away,
// so that the other views go on.
func (d *draft) drain(ctx context.Context, in <-chan portion) {
	for p := range in {
		switch {
		case d.err != nil:
		case p.entries != nil:
			d.err = d.follow(ctx, p.entries)
		default:
			d.err = d.apply(ctx, p.piece)
		}
		if d.err != nil {
			d.done.Store(math.MaxInt64)
		}
	}
}

// follow decodes and applies entries. When one of many cannot be, they go one at a time.
func (d *draft) follow(ctx context.Context, entries []Entry) error {
	p, err := d.take(ctx, d.at, entries)
	if err == nil {
		return d.apply(ctx, p)
	}
	if _, isFault := errors.AsType[*fault](err); !isFault {
		return err
	}
	if len(entries) == 1 {
		if err := d.passOver(ctx, err); err != nil {
			return err
		}
		return d.follow(ctx, entries)
	}
	for i := range entries {
		if err := d.follow(ctx, entries[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}

// apply applies a piece of the record and commits it.
func (d *draft) apply(ctx context.Context, p piece) error {
	if p.to.Seq == d.at.Seq {
		return nil
	}
	err := d.commit(ctx, d.conn, p)
	if err == nil {
		d.reached(p.to)
		return nil
	}
	if !final(err) {
		return err
	}
	if d.conn.IsClosed() { // such an error may have ended it
		if err := d.reconnect(ctx, lockPatience); err != nil {
			return err
		}
	}
	if p.to.Seq == p.from.Seq+1 {
		if err := d.passOver(ctx, err); err != nil {
			return err
		}
		return d.apply(ctx, p)
	}
	for one := range p.single() {
		if err := d.apply(ctx, one); err != nil {
			return err
		}
	}
	return nil
}

// single cuts a piece into its facts.
func (p piece) single() func(yield func(piece) bool) {
	return func(yield func(piece) bool) {
		left, at := p.facts, p.from
		for seq := p.from.Seq + 1; seq <= p.to.Seq; seq++ {
			one := piece{from: at, to: Checkpoint{seq, p.from.Offset}} // an offset too low is a good hint
			if len(left) > 0 && left[0].Seq == seq {
				one.facts, left = left[:1], left[1:]
			}
			if at = one.to; !yield(one) {
				return
			}
		}
	}
}

// passOver returns nil when somebody has recorded that the view goes on behind the fact that
// cannot be applied.
func (d *draft) passOver(ctx context.Context, err error) error {
	f, named := errors.AsType[*fault](err)
	if !named || d.rebuild.Skipped == nil || d.passed[f.seq] {
		return err
	}
	yes, asked := d.rebuild.Skipped(ctx, d.view.Name, f.seq)
	switch {
	case asked != nil:
		return fmt.Errorf("%w; whether it may be skipped is not known: %w", err, asked)
	case !yes:
		return err
	}
	d.passed[f.seq] = true
	return nil
}

func (d *draft) reached(at Checkpoint) {
	d.at = at
	d.done.Store(at.Seq)
}

// catchUp applies what is published up to a seq.
func (d *draft) catchUp(ctx context.Context, through int64) error {
	return d.read(ctx, through, func(entries []Entry) error {
		for len(entries) > 0 {
			n := min(len(entries), d.rebuild.pieces)
			if err := d.follow(ctx, entries[:n]); err != nil {
				return err
			}
			entries = entries[n:]
		}
		return nil
	})
}

// within applies what is published up to a seq inside a transaction, all or nothing, and
// returns the checkpoint that holds once that is committed.
func (d *draft) within(ctx context.Context, tx pgx.Tx, through int64) (Checkpoint, error) {
	at := d.at
	err := d.read(ctx, through, func(entries []Entry) error {
		p, err := d.take(ctx, at, entries)
		if err != nil || p.to.Seq == at.Seq {
			return err
		}
		batch, err := d.queue(p)
		if err != nil {
			return err
		}
		at = p.to
		return p.failed(tx.SendBatch(ctx, batch).Close())
	})
	return at, err
}

// read hands out the entries after the draft's checkpoint up to a seq, which is published.
func (d *draft) read(ctx context.Context, through int64, each func([]Entry) error) (err error) {
	if d.at.Seq >= through {
		return nil
	}
	reading := d.rebuild.Record(d.at)
	defer func() { err = errors.Join(err, reading.Close()) }()
	for at := d.at.Seq; at < through; {
		entries, err := reading.Next(ctx)
		if err != nil {
			return unread(ctx, err)
		}
		for len(entries) > 0 && entries[len(entries)-1].Seq > through {
			entries = entries[:len(entries)-1]
		}
		if len(entries) == 0 {
			return nil
		}
		if err := each(entries); err != nil {
			return err
		}
		at = entries[len(entries)-1].Seq
	}
	return nil
}
