package ledger

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// Source is the one partition of the topic "record". adapters/kafka implements it.
type Source interface {
	// Fetch returns what stands in the partition from an offset on, in order, as much as
	// fits into one answer. At the partition's end it waits for more, as long as wait, and
	// returns nothing. An offset outside the partition is no error: Start and End say so.
	Fetch(ctx context.Context, from int64, wait time.Duration) (Fetched, error)
}

// Fetched is an answer of a [Source].
type Fetched struct {
	Entries    []Entry
	Next       int64 // the offset to go on from; offsets may have holes
	Start, End int64 // the partition holds the offsets from Start up to, without, End
}

// Position is how far a reader has come: what it commits together with its rows.
type Position struct {
	Seq    int64 // of the last fact that was dealt with; 0 at the beginning
	Offset int64 // where that fact stands: a hint, it may be wrong or 0
}

// ReaderOptions of a reader.
type ReaderOptions struct {
	Log *slog.Logger // nil: silence
	// Patience is how long a missing fact is waited for, once while the partition grows
	// and once more after reading it again; 30 s if zero.
	Patience time.Duration
}

const (
	fetchWait   = 250 * time.Millisecond
	fetchPause  = 100 * time.Millisecond // after an error; doubled up to fetchPauses
	fetchPauses = 5 * time.Second
)

// Reader hands out the record in order, each fact once. It is not safe for concurrent use.
type Reader struct {
	src      Source
	log      *slog.Logger
	patience time.Duration
	rule     *rule
	at       int64
	after    Position  // what came up to there was handed out before
	unproven bool      // nobody has looked yet whether that fact stands where the position says
	whole    bool      // it reads, or has read, from the beginning
	stuck    time.Time // since when there is a gap at the end; zero if there is none
	err      error     // the alarm that ended it
}

// NewReader returns a reader that goes on after a position.
func NewReader(src Source, after Position, o ReaderOptions) *Reader {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Patience == 0 {
		o.Patience = 30 * time.Second
	}
	r := &Reader{
		src: src, log: o.Log, patience: o.Patience, rule: newRule(after.Seq, after.Offset), at: after.Offset, after: after, unproven: true,
	}
	// Those before it stand before it: elsewhere, a fact with its number may be one that came early
	// and was never the record.
	if after.Seq == 0 || after.Offset < after.Seq-1 {
		r.again(after.Seq)
	}
	return r
}

// Next returns the next facts, at least one. It waits for them as long as ctx lives, also
// while Kafka is away. Any error but that of ctx is an alarm ([ErrFork], [ErrGap],
// [ErrLost], [ErrCut]), after which Next returns nothing else. The entries belong to the caller.
func (r *Reader) Next(ctx context.Context) ([]Entry, error) {
	pause := fetchPause
	for r.err == nil {
		f, err := r.src.Fetch(ctx, r.at, fetchWait)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			r.log.WarnContext(ctx, "the record cannot be read and is tried again", slog.Any("err", err))
			if err := sleep(ctx, pause); err != nil {
				return nil, err
			}
			r.stuck = time.Time{} // nothing can close a gap meanwhile
			pause = min(2*pause, fetchPauses)
			continue
		}
		pause = fetchPause
		entries, err := r.judge(f)
		if err != nil {
			r.err = err
		}
		if len(entries) > 0 { // what came before an alarm is right
			return entries, nil
		}
	}
	return nil, r.err
}

func (r *Reader) judge(f Fetched) ([]Entry, error) {
	if r.unproven {
		r.unproven = false
		if len(f.Entries) == 0 || f.Entries[0].Offset != r.after.Offset || f.Entries[0].Seq != r.after.Seq {
			r.again(r.after.Seq) // the position is another partition's, or this one's before the broker lost its end
			return nil, nil
		}
		r.rule.lastAt = r.after.Offset // so that what stood early before it is never taken for what follows
	}
	if err := r.rule.fetched(r.at, f); err != nil {
		return nil, err
	}
	var entries []Entry
	for _, e := range f.Entries {
		ruled, err := r.rule.take(e)
		if err != nil {
			return entries, err
		}
		if ruled == accept {
			r.stuck = time.Time{}
		}
		if ruled == accept && e.Seq > r.after.Seq {
			entries = append(entries, e)
		}
	}
	r.at = f.Next
	return entries, r.mindTheGap(f)
}

// again reads from the beginning: only from there on the rule tells which of several copies
// is the record. What was handed out before, up to a seq, is not handed out again.
func (r *Reader) again(seq int64) {
	r.rule, r.at, r.stuck = newRule(0, 0), 0, time.Time{}
	r.after, r.whole, r.unproven = Position{Seq: seq}, true, false
}

// mindTheGap runs out of patience when the partition's end was reached and what is
// missing has not come: something before what is there, or what was read from it before.
func (r *Reader) mindTheGap(f Fetched) error {
	short := r.rule.last < r.after.Seq
	switch {
	case !r.rule.gap() && !short:
		r.stuck = time.Time{}
	case f.Next < f.End: // there is more to read first
	case r.stuck.IsZero():
		r.stuck = time.Now()
	case time.Since(r.stuck) >= r.patience && short:
		return fmt.Errorf("ledger: the partition ends at offset %d, before fact %d that was read from it: %w", f.End, r.after.Seq, ErrLost)
	case time.Since(r.stuck) >= r.patience:
		from, err := r.rule.giveUp()
		if err != nil && !r.whole {
			r.again(r.rule.last) // the position may be that of a later copy
			return nil
		}
		if err != nil {
			return err
		}
		r.at, r.stuck = from, time.Time{}
	}
	return nil
}

// sleep pauses, or returns why ctx ended.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("ledger: %w", context.Cause(ctx))
	case <-time.After(d):
		return nil
	}
}
