package usecase

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/domain/system"
)

// How late the oldest due deletion may be before somebody is called, and before no photo is taken
// any more that could not be deleted in time either.
const (
	LateAlarm = 15 * time.Minute
	LateStop  = time.Hour
)

// ErrStalled refuses uploads while deletions are late, or about to be.
var ErrStalled = refusal.New(refusal.Unavailable, "retention.stalled",
	"Deletions are late here, so no new photo is taken until they have caught up.", "Try again in a few minutes.")

// WatchRetention records when deletions of a kind become late, and when they are no longer.
type WatchRetention struct {
	Record Record
	// Late returns the kinds that are late as the record says.
	Late func(ctx context.Context) (map[string]bool, error)
	Now  Now
}

// Turn is a kind whose deletions became late, or are no longer.
type Turn struct {
	Standing
	Late bool
	By   time.Duration
}

// Do compares with what the record says, and records what turned.
func (w WatchRetention) Do(ctx context.Context, all []Standing) (turns []Turn, err error) {
	known, err := w.Late(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask what is late: %w", err)
	}
	now := w.Now()
	var errs []error
	for _, s := range all {
		var fact event.Fact
		turn := Turn{Standing: s, By: s.LateBy(now)}
		switch {
		case !known[s.Kind] && turn.By >= LateAlarm:
			turn.Late = true
			fact = system.RetentionStalled{Kind: s.Kind, Due: s.Due, Waiting: s.Count}
		case known[s.Kind] && turn.By == 0:
			fact = system.RetentionResumed{Kind: s.Kind}
		default:
			continue
		}
		if err := appendFact(ctx, w.Record, system.StallStream(s.Kind), now, event.Clock, event.Pending{Fact: fact}); err != nil {
			errs = append(errs, fmt.Errorf("record whether the kind %s is late: %w", s.Kind, err))
			continue
		}
		turns = append(turns, turn)
	}
	return turns, errors.Join(errs...)
}

// Holdup says whether photos are taken. It is safe for concurrent use; the zero value takes them.
type Holdup struct {
	mu      sync.Mutex
	stalled bool
	runs    []deletionRun
}

// deletionRun is one round of deleting due pictures that had something to delete.
type deletionRun struct {
	at   time.Time
	n    int
	took time.Duration
}

// rateOver is how far back the rate of deletions is measured.
const rateOver = 10 * time.Minute

// Deleted notes that a round deleted n pictures in some time. One that had nothing to delete says
// nothing about how fast deleting is.
func (h *Holdup) Deleted(at time.Time, n int, took time.Duration) {
	if n == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.runs = append(h.recent(at), deletionRun{at, n, took})
}

// recent drops rounds that are too long ago. The lock is held.
func (h *Holdup) recent(now time.Time) []deletionRun {
	for len(h.runs) > 0 && now.Sub(h.runs[0].at) > rateOver {
		h.runs = h.runs[1:]
	}
	return h.runs
}

// Rate returns how many pictures a second are deleted when there are some to delete; ok is
// false while that is not known.
func (h *Holdup) Rate(now time.Time) (perSecond float64, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var n int
	var took time.Duration
	for _, run := range h.recent(now) {
		n, took = n+run.n, took+run.took
	}
	if n == 0 || took <= 0 {
		return 0, false
	}
	return float64(n) / took.Seconds(), true
}

// Judge decides whether photos are taken: not while any kind is an hour late, and not while
// deleting the backlog of pictures, at the measured rate, takes more than half of the time that is left
// until then. It returns whether that has changed.
func (h *Holdup) Judge(now time.Time, all []Standing, overdue int64) (stalled, changed bool) {
	rate, known := h.Rate(now)
	for _, s := range all {
		by := s.LateBy(now)
		stalled = stalled || by >= LateStop
		if s.Kind == kindPicture && known && overdue > 0 {
			left := (LateStop - by).Seconds()
			stalled = stalled || float64(overdue)/rate > left/2
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	changed = h.stalled != stalled
	h.stalled = stalled
	return stalled, changed
}

// Refuses returns the refusal of a photo, or nil.
func (h *Holdup) Refuses() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stalled {
		return ErrStalled
	}
	return nil
}
