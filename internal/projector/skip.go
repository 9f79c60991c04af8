package projector

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"
)

// mayPass stops the view, with an alarm, until somebody has recorded that it goes on behind
// the fact that it cannot apply, or has brought the view there, as a rebuild by a mended
// release does. It returns false when ctx ends before that, and at once when there is no such
// fact: what is wrong with the record nobody can skip.
func (r *runner) mayPass(ctx context.Context, err error) bool {
	f, named := errors.AsType[*fault](err)
	if named && r.skipped(ctx, f.seq) { // before this process began
		return true
	}
	if ctx.Err() != nil {
		return false
	}
	r.with.Log.ErrorContext(ctx, "ALARM: a projection has stopped and shows only what was before",
		"view", r.view.Name, "after_seq", r.health().Seq, "cause", describe(err))
	if !named {
		r.is(Stopped, describe(err))
		return false
	}
	r.stopped(f.seq, describe(err))
	again := time.NewTicker(r.tuning.ask)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-again.C:
			at, err := r.view.checkpoint(ctx, r.with.DB)
			if (err == nil && at.Seq >= f.seq) || r.skipped(ctx, f.seq) {
				r.is(Retrying, "")
				return true
			}
		}
	}
}

// skipped asks whether a fact may be passed over, and remembers it if so.
func (r *runner) skipped(ctx context.Context, seq int64) bool {
	if r.with.Skipped == nil {
		return false
	}
	yes, err := r.with.Skipped(ctx, r.view.Name, seq)
	switch {
	case err != nil && ctx.Err() == nil:
		r.with.Log.WarnContext(ctx, "whether a fact may be skipped is not known yet", "view", r.view.Name, "seq", seq, "err", err)
	case err == nil && yes:
		r.with.Log.WarnContext(ctx, "a projection goes on behind a fact that it cannot apply, as was recorded", "view", r.view.Name, "seq", seq)
		r.passed[seq] = true
		return true
	}
	return false
}

// learnSkips asks for what is passed over. What was asked for one by one stays.
func (r *runner) learnSkips(ctx context.Context) error {
	skips, err := r.with.skips(ctx, r.view.Name)
	if err != nil {
		return fmt.Errorf("ask what is skipped: %w", err)
	}
	maps.Copy(r.passed, skips)
	return nil
}
