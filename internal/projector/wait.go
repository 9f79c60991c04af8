package projector

import (
	"context"
	"fmt"
	"time"

	"github.com/bgremover/bgremover/domain/refusal"
)

// ErrBehind answers a reader who must see a fact that the view does not show yet.
var ErrBehind = refusal.New(refusal.Unavailable, "view.behind",
	"This page has not caught up with what just happened.", "Try again in a few seconds.")

// ErrStopped answers the same when waiting does not help.
var ErrStopped = refusal.New(refusal.Unavailable, "view.stopped",
	"This page shows less than the record holds: what keeps it up to date has stopped.",
	"Nothing is lost. Whoever runs this service has the alarm, and sees with 'bgremover projections' what it is.")

// WaitFor returns once the view shows everything up to and including seq, whoever keeps it.
// It waits five seconds at most, or as long as ctx allows, and then returns [ErrBehind]; when the
// view has stopped, [ErrStopped] at once.
func (p *Projector) WaitFor(ctx context.Context, view string, seq int64) error {
	r, ok := p.runners[view]
	if !ok {
		return fmt.Errorf("projector: there is no view %s", view)
	}
	ctx, cancel := context.WithTimeout(ctx, p.tuning.patience)
	defer cancel()
	poll := time.NewTicker(p.tuning.poll)
	defer poll.Stop()
	for {
		reached, state, raised := r.look()
		switch {
		case reached >= seq:
			return nil
		case state == Stopped:
			return ErrStopped
		}
		select {
		case <-raised:
		case <-poll.C:
			// Another process may keep this view. While this one does, its own word is enough.
			if state == Following {
				continue
			}
			if at, err := r.view.checkpoint(ctx, p.with.DB); err == nil && at.Seq >= seq {
				return nil
			}
		case <-ctx.Done():
			return ErrBehind
		}
	}
}

// look returns how far the view is known to be, and a channel that closes when that changes.
func (r *runner) look() (seq int64, state State, raised <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seq, r.state, r.raised
}
