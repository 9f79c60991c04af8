//go:build realkafka

package ledger_test

import (
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/kafka"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/merkle"
)

// load appends without a pause, from several callers, and keeps what it was told.
type load struct {
	w    *world
	stop func()
	flow sync.RWMutex // held by every append that is not answered

	mu      sync.Mutex
	told    map[id.Fact]int64
	refused int           // appends that were told to come again
	last    time.Time     // of the newest answer
	longest time.Duration // between two answers
}

func (w *world) load(callers int) *load {
	l := &load{w: w, told: map[id.Fact]int64{}, last: time.Now()}
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for ctx.Err() == nil {
				l.flow.RLock()
				made, err := w.ledger.Append(ctx, w.upload(newImage()))
				l.flow.RUnlock()
				if ctx.Err() == nil {
					l.answered(made, err)
				}
			}
		})
	}
	l.stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	w.t.Cleanup(l.stop)
	return l
}

func (l *load) answered(made event.Appended, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		if !errors.Is(err, event.ErrUnavailable) {
			l.w.t.Error(err)
		}
		l.refused++
		return
	}
	for _, f := range made.Facts {
		l.told[f.ID] = f.Seq
	}
	l.longest = max(l.longest, time.Since(l.last))
	l.last = time.Now()
}

// quiet does something while nothing is appended, and all that was is answered.
func (l *load) quiet(do func()) {
	l.flow.Lock()
	defer l.flow.Unlock()
	do()
}

// sofar is what was told until now, and the highest seq of it.
func (l *load) sofar() (told map[id.Fact]int64, through int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, seq := range l.told {
		through = max(through, seq)
	}
	return maps.Clone(l.told), through
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.told)
}

// goesOn waits for more answers.
func (l *load) goesOn() {
	l.w.t.Helper()
	before := l.count()
	within(l.w.t, 2*time.Minute, "appends are answered again", func() bool { return l.count() >= before+200 })
}

// auditor reads the record by the readers' rule, as anybody does, and makes a tree of its own.
type auditor struct {
	w     *world
	src   *kafka.Source
	r     *ledger.Reader
	codec *ledger.Codec
	seqs  map[id.Fact]int64
	tree  merkle.Frontier
	roots map[int64]merkle.Hash // of the sizes at which it rested
	lost  int                   // alarms that the broker lost something; then it reads again from the beginning
}

func (w *world) auditor() *auditor {
	a := &auditor{
		w: w, src: kafka.NewSource(w.cfg), codec: ledger.NewCodec("test", ledger.Facts(), nil),
		seqs: map[id.Fact]int64{}, roots: map[int64]merkle.Hash{},
	}
	w.t.Cleanup(func() { must(w.t, a.src.Close()) })
	a.r = ledger.NewReader(a.src, ledger.Position{}, ledger.ReaderOptions{Log: w.log})
	return a
}

// read goes on at least to a seq.
func (a *auditor) read(through int64) {
	a.w.t.Helper()
	ctx, cancel := context.WithTimeout(a.w.t.Context(), 2*time.Minute)
	defer cancel()
	for a.tree.Size() < through {
		entries, err := a.r.Next(ctx)
		if errors.Is(err, ledger.ErrLost) {
			a.lost++
			a.r = ledger.NewReader(a.src, ledger.Position{Seq: a.tree.Size()}, ledger.ReaderOptions{Log: a.w.log})
			continue
		}
		if err != nil {
			a.w.t.Fatalf("after %d facts of %d: %v", a.tree.Size(), through, err)
		}
		for _, e := range entries {
			env, err := a.codec.Decode(ctx, e.Seq, e.Body)
			must(a.w.t, err)
			if e.Seq != a.tree.Size()+1 || a.seqs[env.ID] != 0 {
				a.w.t.Fatalf("fact %s has the number %d after %d, and had %d", env.ID, e.Seq, a.tree.Size(), a.seqs[env.ID])
			}
			a.seqs[env.ID] = e.Seq
			a.tree.Append(merkle.Leaf(e.Body))
		}
	}
	a.roots[a.tree.Size()] = a.tree.Root()
}

// alarmed checks that a reader sees by itself what the broker has lost.
func (a *auditor) alarmed() {
	a.w.t.Helper()
	ctx, cancel := context.WithTimeout(a.w.t.Context(), time.Minute)
	defer cancel()
	if entries, err := a.r.Next(ctx); !errors.Is(err, ledger.ErrLost) {
		a.w.t.Fatalf("read %d facts and got %v", len(entries), err)
	}
}

// agree checks that everything that was told is in the record as it was told, and that the
// tree that Postgres has is the auditor's, now and whenever it rested.
func (a *auditor) agree(told map[id.Fact]int64) {
	a.w.t.Helper()
	for fact, seq := range told {
		if a.seqs[fact] != seq {
			a.w.t.Fatalf("fact %s was told to be %d, and is %d", fact, seq, a.seqs[fact])
		}
	}
	ctx, tree := a.w.t.Context(), ledger.NewTree(a.w.pool)
	size := a.tree.Size()
	root, err := merkle.RootOf(ctx, tree, size)
	must(a.w.t, err)
	if root != a.tree.Root() {
		a.w.t.Fatalf("the tree over %d facts is another one in Postgres", size)
	}
	for old, oldRoot := range a.roots {
		proof, err := merkle.Consistency(ctx, tree, old, size)
		must(a.w.t, err)
		if err := merkle.CheckConsistency(proof, size, root, old, oldRoot); err != nil {
			a.w.t.Fatalf("from %d to %d facts: %v", old, size, err)
		}
	}
}

// holds checks everything that must hold after a failure: a reader that was there goes on, a
// new one reads the same, and both have what was told.
func (l *load) holds(there *auditor) {
	l.w.t.Helper()
	told, through := l.sofar()
	there.read(through)
	there.agree(told)
	fresh := l.w.auditor()
	fresh.read(there.tree.Size())
	fresh.agree(told)
	if !maps.Equal(subset(fresh.seqs, there.tree.Size()), there.seqs) {
		l.w.t.Fatal("two readers have read different facts")
	}
}

func subset(seqs map[id.Fact]int64, through int64) map[id.Fact]int64 {
	some := map[id.Fact]int64{}
	for fact, seq := range seqs {
		if seq <= through {
			some[fact] = seq
		}
	}
	return some
}

// repetitions is how many messages the partition holds more than facts, so far.
func (w *world) repetitions() int64 {
	w.t.Helper()
	src := kafka.NewSource(w.cfg)
	defer src.Close()
	f, err := src.Fetch(w.t.Context(), 0, 0)
	must(w.t, err)
	return f.End - w.number("select through from ledger.published")
}

// logged is what both sides of a failure test say at its end.
func logged(t testing.TB, l *load, s *ledger.Sequencer) (facts int, refused int, longest time.Duration, terms, failures int64) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.told), l.refused, l.longest.Round(100 * time.Millisecond), s.Counters().Terms.Load(), s.Counters().Failures.Load()
}

// follower is a reader at the end of the record, as a view is.
type follower struct {
	w    *world
	seq  atomic.Int64
	stop func()
}

// follow starts one. Any alarm of it fails the test.
func (w *world) follow() *follower {
	f := &follower{w: w}
	src := kafka.NewSource(w.cfg)
	r := ledger.NewReader(src, ledger.Position{}, ledger.ReaderOptions{Log: w.log})
	f.stop = w.run(func(ctx context.Context) error {
		for {
			entries, err := r.Next(ctx)
			if ctx.Err() != nil {
				return src.Close()
			}
			if err != nil {
				return errors.Join(err, src.Close())
			}
			f.seq.Store(entries[len(entries)-1].Seq)
		}
	})
	return f
}

// reached waits for a seq.
func (f *follower) reached(seq int64) {
	f.w.t.Helper()
	within(f.w.t, time.Minute, "the follower has everything", func() bool { return f.seq.Load() >= seq })
	f.stop()
}
