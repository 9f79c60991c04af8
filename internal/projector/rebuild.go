package projector

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"
)

// Rebuild makes views anew from the whole record, each in a schema of its own beside the
// live one, while the live ones go on.
type Rebuild struct {
	Config
	// Published returns how far the record is published. Every fact that was appended before
	// the call stands there or before that, the destructions of keys among them.
	Published func(context.Context) (int64, error)
	// Now is the moment as of which views are purged before they are compared.
	Now func() time.Time
	// Progress is told every now and then how far it is; nil: nobody is.
	Progress func(Progress)
	// Patience is how long a live view that is behind may stand still before it is taken for
	// stopped; 15 s if zero.
	Patience time.Duration

	pieces int // facts in one transaction; 0: usual
}

// Progress is how far a rebuild is.
type Progress struct {
	Doing string // "building", "comparing images", …
	Done  int64  // facts that every view has applied
	Head  int64  // facts that there are
}

// ErrRebuilding says that somebody rebuilds a view already.
var ErrRebuilding = errors.New("it is being rebuilt already")

// Report is what became of one view.
type Report struct {
	View   string
	Seq    int64   // both views rest on the facts up to this one
	Tables []Table // none when there was nothing to compare with
	// Incomparable says why there was nothing to compare with; "" when there was.
	Incomparable string
	Switched     bool // the rebuilt view is the live one now
}

// Identical says whether the live view and the rebuilt one were compared, and are the same.
func (r Report) Identical() bool {
	for _, t := range r.Tables {
		if !t.Identical() {
			return false
		}
	}
	return r.Incomparable == "" && len(r.Tables) > 0
}

// Run rebuilds views. With check it only compares them with the live ones, and what it built
// is dropped again; without, each takes the place of the live one in one transaction. It
// returns a report for each view that it could build, and the errors of the others.
//
// What an interrupted run leaves behind is dropped by the next one, and by [Projector.Purge].
func (r Rebuild) Run(ctx context.Context, check bool, views ...View) (reports []Report, err error) {
	r.setDefaults()
	var drafts []*draft
	defer func() {
		for _, d := range drafts {
			d.close(ctx)
		}
	}()
	for _, v := range views {
		d, err := r.begin(ctx, v)
		if err != nil {
			return nil, fmt.Errorf("rebuild view %s: %w", v.Name, err)
		}
		drafts = append(drafts, d)
	}
	if err := r.build(ctx, drafts); err != nil {
		return nil, err
	}
	var errs []error
	for _, d := range drafts {
		report, err := d.finish(ctx, check)
		if err != nil {
			errs = append(errs, fmt.Errorf("rebuild view %s: %w", d.view.Name, err))
			continue
		}
		reports = append(reports, report)
	}
	return reports, errors.Join(errs...)
}

func (r *Rebuild) setDefaults() {
	if r.Patience == 0 {
		r.Patience = 15 * time.Second
	}
	if r.Progress == nil {
		r.Progress = func(Progress) {}
	}
	if r.pieces == 0 {
		r.pieces = 2000
	}
}

// finish compares what was built, and switches to it.
func (d *draft) finish(ctx context.Context, check bool) (Report, error) {
	if d.err != nil {
		return Report{}, d.err
	}
	d.tell("comparing " + d.view.Name)
	report, err := d.compare(ctx)
	if err != nil || check {
		return report, err
	}
	d.tell("switching " + d.view.Name)
	if err := d.takeOver(ctx); err != nil {
		return report, err
	}
	report.Switched = true
	return report, nil
}

func (d *draft) tell(doing string) {
	d.rebuild.Progress(Progress{Doing: doing, Done: d.at.Seq, Head: d.at.Seq})
}

// build reads the record once, decodes each fact once (twice when some views want it opened
// and others do not), and has all views apply it, each on a connection of its own.
func (r *Rebuild) build(ctx context.Context, drafts []*draft) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var stages sync.WaitGroup
	stage := func(do func() error) {
		stages.Go(func() {
			if err := do(); err != nil {
				cancel(err)
			}
		})
	}
	var feeds []chan []Entry
	for _, opened := range []bool{false, true} {
		feed := make(chan []Entry, 1)
		var outs []chan<- portion
		var first *draft
		for _, d := range drafts {
			if d.view.Opened == opened {
				out := make(chan portion, 2)
				outs, first = append(outs, out), d
				stages.Go(func() { d.drain(ctx, out) })
			}
		}
		if first != nil {
			feeds = append(feeds, feed)
			stage(func() error { return r.decodeAll(ctx, first.decode, feed, outs) })
		}
	}
	stage(func() error { return r.readAll(ctx, drafts, feeds) })
	stages.Wait()
	return context.Cause(ctx)
}

// readAll reads the record from the beginning to what is published when it comes there.
func (r *Rebuild) readAll(ctx context.Context, drafts []*draft, feeds []chan []Entry) (err error) {
	defer func() {
		for _, feed := range feeds {
			close(feed)
		}
	}()
	through, err := r.Published(ctx)
	if err != nil {
		return err
	}
	reading := r.Record(Checkpoint{})
	defer func() { err = errors.Join(err, reading.Close()) }()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for at := int64(0); at < through; {
		entries, err := reading.Next(ctx)
		if err != nil {
			return unread(ctx, err)
		}
		for _, feed := range feeds {
			if err := give(ctx, feed, entries); err != nil {
				return err
			}
		}
		if at = entries[len(entries)-1].Seq; at >= through {
			if through, err = r.Published(ctx); err != nil {
				return err
			}
		}
		done := furthestBack(drafts)
		if done == math.MaxInt64 {
			return nil // none of them can be built
		}
		select {
		case <-tick.C:
			r.Progress(Progress{Doing: "building", Done: done, Head: through})
		default:
		}
	}
	return nil
}

func furthestBack(drafts []*draft) int64 {
	least := drafts[0].done.Load()
	for _, d := range drafts[1:] {
		least = min(least, d.done.Load())
	}
	return least
}

// unread is what an error of a reading means.
func unread(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return &alarm{err}
}

// portion is a piece of the record, or, when it could not be decoded as a whole, its entries,
// with which each view sees how far it comes.
type portion struct {
	piece
	entries []Entry
}

// decodeAll cuts entries into portions and hands them to all who want them.
func (r *Rebuild) decodeAll(ctx context.Context, decode Decode, feed <-chan []Entry, outs []chan<- portion) error {
	defer func() {
		for _, out := range outs {
			close(out)
		}
	}()
	a := applier{decode: decode}
	var at Checkpoint
	for entries := range feed {
		for len(entries) > 0 {
			n := min(len(entries), r.pieces)
			p, err := a.take(ctx, at, entries[:n])
			next := portion{piece: p}
			if _, isFault := errors.AsType[*fault](err); isFault {
				last := entries[n-1]
				next = portion{piece: piece{from: at, to: Checkpoint{last.Seq, last.Offset}}, entries: entries[:n]}
			} else if err != nil {
				return err
			}
			for _, out := range outs {
				if err := give(ctx, out, next); err != nil {
					return err
				}
			}
			at, entries = next.to, entries[n:]
		}
	}
	return nil
}

func give[T any](ctx context.Context, to chan<- T, what T) error {
	select {
	case to <- what:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
