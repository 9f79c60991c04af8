package usecase

import (
	"net/netip"
	"slices"
	"sync"
	"time"
)

// ratesKept is how many visitors and networks are counted at once: some 30 MB at most. Who comes
// from more addresses than that within a minute is not held up by these limits.
const ratesKept = 100_000

// Rates counts what was uploaded within the last minute, by visitor and by network. Counts are in the
// memory of this process alone, under keys that it made at its start: nothing of them is ever written,
// and what is a minute old is forgotten.
type Rates struct {
	wall  func() time.Time // with a monotonic reading: a clock that is set must not hold anybody up
	blind blinder

	mu     sync.Mutex
	counts *recent[blind, *count]
}

// count is what one visitor or network has uploaded, the oldest first.
type count struct {
	taken []*taken
	used  time.Time
}

// taken is one upload in one count. Whoever holds the mutex owns it.
type taken struct {
	of     *count
	at     time.Time
	pixels int64
}

// NewRates returns empty counts. Wall is time.Now outside of tests.
func NewRates(wall func() time.Time) *Rates {
	return &Rates{wall: wall, blind: newBlinder(), counts: newRecent[blind, *count](ratesKept)}
}

// counted is what a count holds.
type counted struct {
	uploads, pixels int64
	reset           time.Duration // until the oldest of it is forgotten
}

// add counts a picture and returns what was counted before it, and what stands for it.
func (r *Rates) add(scope Scope, of netip.Prefix, pixels int64) (before counted, one *taken) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.wall()
	r.age(now)
	key := r.blind.of(string(scope), of)
	c, ok := r.counts.get(key)
	if !ok {
		c = &count{}
		r.counts.add(key, c)
	}
	c.used = now
	before = c.at(now)
	one = &taken{of: c, at: now, pixels: pixels}
	c.taken = append(c.taken, one)
	return before, one
}

// drop counts uploads no more.
func (r *Rates) drop(all []*taken) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range all {
		one.of.taken = slices.DeleteFunc(one.of.taken, func(t *taken) bool { return t == one })
	}
}

// lighten counts uploads on, without their pixels.
func (r *Rates) lighten(all []*taken) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range all {
		one.pixels = 0
	}
}

// Forget drops what is a minute old also while nobody uploads. It is to be called every minute.
func (r *Rates) Forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.age(r.wall())
}

// age forgets whoever has uploaded nothing for a minute.
func (r *Rates) age(now time.Time) {
	for {
		c, ok := r.counts.oldest()
		if !ok || now.Sub(c.used) < Window {
			return
		}
		r.counts.dropOldest()
	}
}

// look returns what is counted now.
func (r *Rates) look(scope Scope, of netip.Prefix) counted {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.counts.get(r.blind.of(string(scope), of))
	if !ok {
		return counted{}
	}
	return c.at(r.wall())
}

// at forgets what is a minute old and returns the rest.
func (c *count) at(now time.Time) (n counted) {
	c.taken = slices.DeleteFunc(c.taken, func(t *taken) bool { return now.Sub(t.at) >= Window })
	n.reset = Window
	for i, t := range c.taken {
		if i == 0 {
			n.reset = t.at.Add(Window).Sub(now)
		}
		n.uploads++
		n.pixels += t.pixels
	}
	return n
}
