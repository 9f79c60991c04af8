package usecase

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Call is all that the log of requests keeps of one: nothing of who asked, of what was sent, or of which
// photo it was about.
type Call struct {
	At       time.Time // to the second
	Method   string    // GET, POST …; "other" for what is none
	Route    string    // a pattern of the list of routes, "/v1/images/{id}"; "unmatched" for every other address
	Status   int       // its class: 2, 3, 4 or 5
	Duration int       // its class: at most so many milliseconds; 0 for longer
	Bytes    int64     // class of the answer's size: at most so many bytes; 0 for more
}

// The classes. A new list leaves what is counted already as it is.
var (
	durations = []int{10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000}
	sizes     = []int64{1 << 10, 32 << 10, 1 << 20, 5 << 20, 25 << 20}
)

// NewCall returns what is kept of a request.
func NewCall(at time.Time, method, route string, status int, took time.Duration, bytes int64) Call {
	c := Call{At: at.UTC().Truncate(time.Second), Method: method, Route: route, Status: status / 100}
	for _, most := range durations {
		if took <= time.Duration(most)*time.Millisecond {
			c.Duration = most
			break
		}
	}
	for _, most := range sizes {
		if bytes <= most {
			c.Bytes = most
			break
		}
	}
	return c
}

// Calls stores what is kept of requests.
type Calls interface {
	// Add stores them, all or none.
	Add(ctx context.Context, calls []Call) error
}

const (
	// callsWaiting is how many calls wait for the store; what comes on top is dropped and counted.
	callsWaiting = 20_000
	callsAtOnce  = 5_000
)

// CallLog collects calls and stores them in batches. Nobody waits for it. It is safe for concurrent use.
type CallLog struct {
	Store Calls

	mu      sync.Mutex
	waiting []Call
	dropped atomic.Int64
}

// Note takes a call in, or drops it.
func (l *CallLog) Note(c Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) >= callsWaiting {
		l.dropped.Add(1)
		return
	}
	l.waiting = append(l.waiting, c)
}

// Dropped returns how many calls found no room.
func (l *CallLog) Dropped() int64 { return l.dropped.Load() }

// Flush stores what waits. What fails waits again. It is to be called every few seconds, by one at a time.
func (l *CallLog) Flush(ctx context.Context) error {
	l.mu.Lock()
	waiting := l.waiting
	l.waiting = nil
	l.mu.Unlock()
	for len(waiting) > 0 {
		n := min(len(waiting), callsAtOnce)
		if err := l.Store.Add(ctx, waiting[:n]); err != nil {
			l.putBack(waiting)
			return fmt.Errorf("store the log of requests: %w", err)
		}
		waiting = waiting[n:]
	}
	return nil
}

func (l *CallLog) putBack(earlier []Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := append(earlier, l.waiting...)
	if more := len(all) - callsWaiting; more > 0 {
		l.dropped.Add(int64(more))
		all = all[:callsWaiting]
	}
	l.waiting = all
}
