package ledger

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/bgremover/bgremover/domain/event"
)

// board is where everybody in this process waits for something to be published. What was
// published is announced to it: by a sequencer in this process, or by the one goroutine
// that follows what other processes published (listen.go). Whoever waits costs a map
// entry, no goroutine and no question to Postgres of its own; whoever comes too late for
// an announcement is answered from what is remembered, or by the next sweep.
type board struct {
	mu       sync.Mutex
	through  int64 // highest seq known to be published
	followed int64 // up to here, everything published was announced or asked about
	appends  map[int64][]*ticket
	streams  map[event.Stream][]*ticket
	recent   recentAppends
	kick     chan struct{} // asks the loop for a sweep
}

// ticket is one who waits: for an append's position, or a stream past a version.
type ticket struct {
	pos    int64
	id     *pgtype.UUID // of the append's first fact; nil: any append in that position
	stream event.Stream
	after  int64
	asked  bool        // Postgres was asked about it at least once
	done   chan placed // buffered: whoever resolves it does not wait
}

// placed is what became of what was waited for.
type placed struct {
	first   int64       // the append's first seq
	id      pgtype.UUID // of its first fact
	removed bool        // the append was removed before it was published: Kafka has others in its place
}

// recentAppends remembers the appends announced last: an announcement may come before the
// append's own caller asks for it. They are known by the id of their first fact, because a
// Postgres that was restored gives positions a second time.
type recentAppends struct {
	first map[pgtype.UUID]int64 // id → seq
	ring  [1 << 13]pgtype.UUID
	next  int
}

func (r *recentAppends) add(id pgtype.UUID, seq int64) {
	delete(r.first, r.ring[r.next])
	r.first[id], r.ring[r.next] = seq, id
	r.next = (r.next + 1) % len(r.ring)
}

func newBoard() *board {
	return &board{
		appends: map[int64][]*ticket{},
		streams: map[event.Stream][]*ticket{},
		recent:  recentAppends{first: map[pgtype.UUID]int64{}},
		kick:    make(chan struct{}, 1),
	}
}

// awaitAppend returns once an append is published, or removed. id is that of its first fact
// for whoever has just stored it, and nil for everybody else.
func (b *board) awaitAppend(ctx context.Context, pos int64, id *pgtype.UUID) (placed, error) {
	b.mu.Lock()
	if id != nil {
		if first, ok := b.recent.first[*id]; ok {
			b.mu.Unlock()
			return placed{first: first}, nil
		}
	}
	t := &ticket{pos: pos, id: id, done: make(chan placed, 1)}
	b.appends[pos] = append(b.appends[pos], t)
	b.mu.Unlock()
	if id == nil {
		b.wake() // it may be published already
	}
	return b.await(ctx, t)
}

// awaitStream returns once a stream has a published fact after a version.
func (b *board) awaitStream(ctx context.Context, stream event.Stream, after int64) error {
	b.mu.Lock()
	t := &ticket{stream: stream, after: after, done: make(chan placed, 1)}
	b.streams[stream] = append(b.streams[stream], t)
	b.mu.Unlock()
	b.wake() // the fact may be there already
	_, err := b.await(ctx, t)
	return err
}

func (b *board) await(ctx context.Context, t *ticket) (placed, error) {
	select {
	case p := <-t.done:
		return p, nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forget(t)
	select {
	case p := <-t.done: // resolved at the last moment
		return p, nil
	default:
		return placed{}, context.Cause(ctx)
	}
}

// wake asks for a sweep. It never blocks.
func (b *board) wake() {
	select {
	case b.kick <- struct{}{}:
	default:
	}
}

// resolve ends a ticket's wait, and forget its entry; the caller holds the lock.
func (b *board) resolve(t *ticket, p placed) {
	b.forget(t)
	t.done <- p
}

func (b *board) forget(t *ticket) {
	switch {
	case t.pos != 0:
		removeTicket(b.appends, t.pos, t)
	default:
		removeTicket(b.streams, t.stream, t)
	}
}

func removeTicket[K comparable](from map[K][]*ticket, key K, t *ticket) {
	var left []*ticket
	for _, other := range from[key] {
		if other != t {
			left = append(left, other)
		}
	}
	if left == nil {
		delete(from, key)
		return
	}
	from[key] = left
}

// announcement is what was published: whole appends, in order.
type announcement struct {
	seq, pos int64
	idx      int32
	id       pgtype.UUID
	stream   event.Stream
	version  int64
}

// announce tells everybody what was published, and up to where everything now is.
func (b *board) announce(through int64, facts []announcement) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range facts {
		if f.idx == 0 {
			b.recent.add(f.id, f.seq)
			b.settle(f.pos, placed{first: f.seq, id: f.id})
		}
		for _, t := range b.streams[f.stream] {
			if f.version > t.after {
				b.resolve(t, placed{})
			}
		}
	}
	b.followed = through
	b.reached(through)
}

// reached notes up to where the record is published; the caller holds the lock. It may
// be less than before: the broker lost facts, and they are being published again.
func (b *board) reached(through int64) {
	b.through = through
}

// settle resolves those who wait for a position. Whoever waits for one append, and finds
// another there, learns that its own was removed: a Postgres that was restored forgot it and
// gave its position again. The caller holds the lock.
func (b *board) settle(pos int64, p placed) {
	for _, t := range b.appends[pos] {
		if t.id != nil && *t.id != p.id {
			b.resolve(t, placed{removed: true})
			continue
		}
		b.resolve(t, p)
	}
}

// position returns up to where announcements have come, and whether anybody waits.
func (b *board) position() (followed int64, anybody bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.followed, len(b.appends)+len(b.streams) > 0
}

// question is what a sweep asks Postgres, each thing once.
type question struct {
	positions []int64
	streams   []string
	after     []int64
}

// question collects what is waited for: all of it, or what was not asked about before.
func (b *board) question(all bool) question {
	b.mu.Lock()
	defer b.mu.Unlock()
	var q question
	ask := func(tickets []*ticket) (ask bool, after int64) {
		after = tickets[0].after
		for _, t := range tickets {
			ask = ask || all || !t.asked
			after = min(after, t.after)
			t.asked = true
		}
		return ask, after
	}
	for pos, tickets := range b.appends {
		if asking, _ := ask(tickets); asking {
			q.positions = append(q.positions, pos)
		}
	}
	for stream, tickets := range b.streams {
		if asking, after := ask(tickets); asking {
			q.streams, q.after = append(q.streams, string(stream)), append(q.after, after)
		}
	}
	return q
}

// answer is what Postgres said to a question.
type answer struct {
	through int64
	appends map[int64]placed
	streams map[event.Stream]int64 // the highest published version
}

// answered resolves what a sweep found; all says that everything was asked about.
func (b *board) answered(a answer, all bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for pos, p := range a.appends {
		b.settle(pos, p)
	}
	for stream, version := range a.streams {
		for _, t := range b.streams[stream] {
			if version > t.after {
				b.resolve(t, placed{})
			}
		}
	}
	if all {
		b.followed = max(b.followed, a.through)
	}
	if a.through > b.through {
		b.reached(a.through)
	}
}
