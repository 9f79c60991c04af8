package usecase

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/policy"
)

const (
	// maxInputs and maxInputBytes are how many different questions one fact about counted
	// decisions tells, and how long they are together: far less than a fact can hold. While the record
	// is away a yes may bring more: rules that are counted know few different questions.
	maxInputs     = 32
	maxInputBytes = 64 << 10
	// maxWindows is how many facts wait while the record is away. What comes then is counted with
	// the minute before it.
	maxWindows = 256
)

// DecisionLog counts decisions that no fact of their own carries, by rule, revision and minute, and
// puts them into the record: a no as policy.DecisionRefused, a yes as policy.DecisionsCounted. Of a question
// that has personal attributes only the number is kept.
//
// What it was told is lost only with the process, and counted twice never: a flush that fails leaves
// everything for the next one, under the same request id. It is safe for concurrent use and must
// not be copied.
type DecisionLog struct {
	Record     Record
	Now        Now
	NewRequest func() id.Request

	mu      sync.Mutex
	open    map[windowOf]*window
	waiting []*window // closed, the oldest first: some may be in the record, and nobody knows yet

	flushing sync.Mutex             // held by the one that flushes
	versions map[event.Stream]int64 // of today's streams, as far as known; belongs to the one that flushes
}

var _ Decisions = (*DecisionLog)(nil)

// windowOf says which decisions are counted together.
type windowOf struct {
	rule     string
	revision int64
	minute   int64 // since 1970
	allowed  bool
}

type window struct {
	windowOf
	promises []string
	count    int64
	inputs   map[string]int64
	bytes    int // of the inputs
	more     int64
	request  id.Request // "" while it is open
}

// Refused implements [Decisions].
func (l *DecisionLog) Refused(d event.Decision) { l.note(d, false) }

// Allowed implements [Decisions].
func (l *DecisionLog) Allowed(d event.Decision) { l.note(d, true) }

func (l *DecisionLog) note(d event.Decision, allowed bool) {
	minute := l.Now().Unix() / 60
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.windowFor(windowOf{d.Rule, d.Revision, minute, allowed}, d.Promises)
	told := len(d.Input) > 0 && len(d.Personal) == 0 // these facts have no person's key
	if allowed && told && !w.holds(d.Input) && len(l.open)+len(l.waiting) < maxWindows {
		// A yes is told whole: what finds no room begins another fact.
		l.shut(w)
		w = l.windowFor(w.windowOf, d.Promises)
	}
	w.count++
	if !told || !allowed && !w.holds(d.Input) {
		w.more++
		return
	}
	if w.inputs[string(d.Input)]++; w.inputs[string(d.Input)] == 1 {
		w.bytes += len(d.Input)
	}
}

// windowFor returns the open window for decisions of a kind, or an earlier one if too much waits.
func (l *DecisionLog) windowFor(of windowOf, promises []string) *window {
	if w := l.open[of]; w != nil {
		return w
	}
	if len(l.open)+len(l.waiting) >= maxWindows {
		var latest *window
		for at, w := range l.open {
			alike := at.rule == of.rule && at.revision == of.revision && at.allowed == of.allowed
			if alike && (latest == nil || at.minute > latest.minute) {
				latest = w
			}
		}
		if latest != nil {
			return latest
		}
	}
	if l.open == nil {
		l.open = map[windowOf]*window{}
	}
	w := &window{windowOf: of, promises: slices.Clone(promises), inputs: map[string]int64{}}
	l.open[of] = w
	return w
}

// holds says whether an input is counted by itself, or could be.
func (w *window) holds(input json.RawMessage) bool {
	if _, known := w.inputs[string(input)]; known {
		return true
	}
	return len(w.inputs) < maxInputs && w.bytes+len(input) <= maxInputBytes
}

// shut ends a window: from now on its fact does not change.
func (l *DecisionLog) shut(w *window) {
	w.request = l.NewRequest()
	delete(l.open, w.windowOf)
	l.waiting = append(l.waiting, w)
}

// Flush puts minutes that are over into the record, with all also the one that runs. What it
// cannot put there stays for the next time.
func (l *DecisionLog) Flush(ctx context.Context, all bool) error {
	l.flushing.Lock()
	defer l.flushing.Unlock()
	var failed []error
	for _, w := range l.over(all) {
		if err := l.append(ctx, w); err != nil {
			failed = append(failed, fmt.Errorf("record decisions of %s: %w", w.rule, err))
			if ctx.Err() != nil || errors.Is(err, event.ErrUnavailable) {
				break // and so it would be with the next
			}
			continue
		}
		l.mu.Lock()
		l.waiting = slices.DeleteFunc(l.waiting, func(one *window) bool { return one == w })
		l.mu.Unlock()
	}
	return errors.Join(failed...)
}

// over closes windows that are over and returns all that wait.
func (l *DecisionLog) over(all bool) []*window {
	now := l.Now().Unix() / 60
	l.mu.Lock()
	defer l.mu.Unlock()
	var ended []*window
	for _, w := range l.open {
		if all || w.minute != now { // also one of a clock that went back
			ended = append(ended, w)
		}
	}
	slices.SortFunc(ended, func(a, b *window) int {
		return cmp.Or(cmp.Compare(a.minute, b.minute), strings.Compare(a.rule, b.rule))
	})
	for _, w := range ended {
		if all || len(l.waiting) < maxWindows {
			l.shut(w)
		}
	}
	return slices.Clone(l.waiting)
}

// append puts one window into the record. A request that was carried out before changes nothing.
func (l *DecisionLog) append(ctx context.Context, w *window) error {
	minute := time.Unix(w.minute*60, 0).UTC()
	stream := policy.DecisionStream(w.rule, minute)
	for range conflictRetries {
		version, known := l.versions[stream]
		if !known {
			before, err := l.Record.Load(ctx, stream)
			if err != nil {
				return fmt.Errorf("look for earlier ones: %w", err)
			}
			version = int64(len(before))
		}
		done, err := l.Record.Append(ctx, event.Append{
			Request: w.request,
			At:      l.Now(),
			Actor:   event.Actor{Role: event.Clock},
			Parts:   []event.Part{{Stream: stream, Expected: version, Facts: []event.Pending{{Fact: w.fact(minute)}}}},
		})
		delete(l.versions, stream)
		if errors.Is(err, event.ErrConflict) {
			continue // another process counts as well
		}
		if err != nil {
			return err
		}
		if !done.Repeated {
			l.know(stream, version+1)
		}
		return nil
	}
	return event.ErrConflict
}

// know remembers a stream's version, so that its facts of a day are not read every minute.
func (l *DecisionLog) know(stream event.Stream, version int64) {
	if l.versions == nil || len(l.versions) >= maxWindows {
		l.versions = map[event.Stream]int64{}
	}
	l.versions[stream] = version
}

func (w *window) fact(minute time.Time) event.Fact {
	inputs := make([]policy.CountedInput, 0, len(w.inputs))
	for input, n := range w.inputs {
		inputs = append(inputs, policy.CountedInput{Input: json.RawMessage(input), Count: n})
	}
	slices.SortFunc(inputs, func(a, b policy.CountedInput) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(string(a.Input), string(b.Input)))
	})
	if w.allowed {
		if w.more > 0 {
			inputs = append(inputs, policy.CountedInput{Count: w.more})
		}
		return policy.DecisionsCounted{
			Rule: w.rule, Promises: w.promises, Revision: w.revision, From: minute, Until: minute.Add(time.Minute), Inputs: inputs,
		}
	}
	return policy.DecisionRefused{
		Rule: w.rule, Promises: w.promises, Revision: w.revision, Minute: minute, Count: w.count, Inputs: inputs, More: w.more,
	}
}
