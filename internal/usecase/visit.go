package usecase

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/visit"
)

const (
	// visitsKept is how many visitors of a day are known again; of more, who was not seen for
	// longest begins another visitor-day with the next upload.
	visitsKept = 200_000
	// visitsWaiting is how many facts wait to be recorded; what comes on top is dropped and counted.
	visitsWaiting = 10_000
)

// Visits is who uploaded today: a random id for each address, by a map that is in the memory of this
// process alone, under a key that it made at its start. At midnight UTC the map is dropped, and with it
// the only way from an address to its id.
//
// Facts wait for up to a minute and are recorded in random order: an upload waits for nothing, and of all who
// upload in a minute their place in the record does not tell whose photo is whose. No fact about a photo names
// the visit. What waits is lost when the process is killed.
type Visits struct {
	record   Record
	vault    Vault
	now      Now
	newVisit func() id.Visit
	blind    blinder
	dropped  atomic.Int64

	mu      sync.Mutex
	day     string
	today   *recent[blind, *visitor]
	waiting []visitFact
}

// visitor is one visitor-day.
type visitor struct {
	id      id.Visit
	version int64 // of its stream; who records owns it
	begun   bool  // recorded, or about to be
	blocked []string
}

// visitFact is a fact that waits.
type visitFact struct {
	of   *visitor
	fact event.Fact
	at   time.Time
}

// NewVisits returns what knows nobody yet.
func NewVisits(record Record, vault Vault, now Now, newVisit func() id.Visit) *Visits {
	return &Visits{
		record: record, vault: vault, now: now, newVisit: newVisit, blind: newBlinder(), today: newRecent[blind, *visitor](visitsKept),
	}
}

// Seen notes an upload. The first of a visitor's day becomes a fact.
func (v *Visits) Seen(c Client) {
	if c.from != network {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.turn()
	who := v.visitor(c)
	if who.begun {
		return
	}
	address := c.visitor().String()
	if c.visitor().IsSingleIP() {
		address = c.visitor().Addr().String()
	}
	who.begun = v.wait(visitFact{who, visit.Began{
		Day: v.day, Address: personal.Of(address), Agent: c.agent, At: personal.Of(now.Format(time.RFC3339)),
	}, now})
}

// Blocked notes that a rule has held a visitor up. The first time on a day becomes a fact, if the
// visitor's day has begun: nothing is kept of somebody who never uploaded anything.
func (v *Visits) Blocked(c Client, rule string) {
	if c.from != network {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.turn()
	who, known := v.today.get(v.blind.of(string(ScopeVisitor), c.visitor()))
	if !known || !who.begun || slices.Contains(who.blocked, rule) {
		return
	}
	if v.wait(visitFact{who, visit.Blocked{Rule: rule, At: now}, now}) {
		who.blocked = append(who.blocked, rule)
	}
}

// Dropped returns how many facts found no room.
func (v *Visits) Dropped() int64 { return v.dropped.Load() }

// turn returns the time, to the minute, and drops the map of a day that is over.
func (v *Visits) turn() time.Time {
	now := v.now().UTC().Truncate(time.Minute)
	if day := now.Format(time.DateOnly); day != v.day {
		v.day, v.today = day, newRecent[blind, *visitor](visitsKept)
		v.blind = newBlinder() // whoever reads the memory later cannot ask for yesterday's
	}
	return now
}

func (v *Visits) visitor(c Client) *visitor {
	key := v.blind.of(string(ScopeVisitor), c.visitor())
	who, known := v.today.get(key)
	if !known {
		who = &visitor{id: v.newVisit()}
		v.today.add(key, who)
	}
	return who
}

func (v *Visits) wait(f visitFact) bool {
	if len(v.waiting) >= visitsWaiting {
		v.dropped.Add(1)
		return false
	}
	v.waiting = append(v.waiting, f)
	return true
}

// Record appends what waits and returns how many facts those were. What fails waits again. It is to be
// called about once a minute, by one at a time.
func (v *Visits) Record(ctx context.Context) (recorded int, err error) {
	v.mu.Lock()
	v.turn()
	waiting := v.waiting
	v.waiting = nil
	v.mu.Unlock()

	shuffle(waiting)
	for i, f := range waiting {
		if err := v.append(ctx, f); err != nil {
			v.putBack(waiting[i:])
			return recorded, fmt.Errorf("record a visit: %w", err)
		}
		recorded++
	}
	return recorded, nil
}

// putBack lets facts wait again, before those that came in the meantime; what finds no room is dropped, and the
// next upload, or the next no, tries it again.
func (v *Visits) putBack(earlier []visitFact) {
	v.mu.Lock()
	defer v.mu.Unlock()
	all := append(earlier, v.waiting...)
	kept := min(len(all), visitsWaiting)
	for _, f := range all[kept:] {
		v.dropped.Add(1)
		switch fact := f.fact.(type) {
		case visit.Began:
			f.of.begun = false
		case visit.Blocked:
			f.of.blocked = slices.DeleteFunc(f.of.blocked, func(rule string) bool { return rule == fact.Rule })
		}
	}
	clear(all[kept:]) // an address waits no longer than its fact
	v.waiting = all[:kept]
}

// shuffle puts visits in a random order, and leaves the facts of one in theirs.
func shuffle(waiting []visitFact) {
	order := map[*visitor]int{}
	for _, f := range waiting {
		if _, known := order[f.of]; !known {
			order[f.of] = rand.Int() //nolint:gosec // an order, no secret
		}
	}
	slices.SortStableFunc(waiting, func(a, b visitFact) int { return cmp.Compare(order[a.of], order[b.of]) })
}

func (v *Visits) append(ctx context.Context, f visitFact) error {
	stream := visit.Stream(f.of.id)
	for range conflictRetries {
		a := event.Append{
			At: f.at, Actor: event.Actor{Role: event.Visitor},
			Parts: []event.Part{{Stream: stream, Expected: f.of.version, Facts: []event.Pending{{Fact: f.fact}}}},
		}
		if f.of.version == 0 {
			key, err := v.vault.New(visit.Key(f.of.id))
			if err != nil {
				return fmt.Errorf("make a key: %w", err)
			}
			a.Make = []personal.Key{key}
		}
		_, err := v.record.Append(ctx, a)
		if err == nil {
			f.of.version++
			return nil
		}
		if !errors.Is(err, event.ErrConflict) {
			return err
		}
		// An earlier try was in doubt and got through after all.
		before, err := v.record.Load(ctx, stream)
		if err != nil {
			return err
		}
		f.of.version = int64(len(before))
		if slices.ContainsFunc(before, func(e event.Envelope) bool { return sameVisitFact(e.Fact, f.fact) }) {
			return nil
		}
	}
	return event.ErrConflict
}

// sameVisitFact says whether a recorded fact is the one that waits: a visit begins once, and is held up by a rule once.
func sameVisitFact(recorded, waiting event.Fact) bool {
	if blocked, ok := recorded.(visit.Blocked); ok {
		other, too := waiting.(visit.Blocked)
		return too && other.Rule == blocked.Rule
	}
	return recorded.EventName() == waiting.EventName()
}
