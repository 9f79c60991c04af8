package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// modelReader follows the record as a projection does: it has a position, and rows that it
// commits together with it; it crashes and goes on from there.
type modelReader struct {
	*model
	name   int
	rand   *rand.Rand
	src    *shaky
	reader *Reader
	at     Position // committed
	rows   [][]byte // committed: the facts' bytes
	well   bool     // no more faults
	lost   bool     // the broker has lost its end since this reader began

	began, alarms int64
}

func newModelReader(m *model, name int, r *rand.Rand) *modelReader {
	reader := &modelReader{model: m, name: name, rand: r}
	reader.begin()
	return reader
}

// begin starts the reader anew, from what it has committed.
func (r *modelReader) begin() {
	after := r.at
	switch r.rand.IntN(6) { // the offset is a hint
	case 0:
		after.Offset = 0
	case 1:
		if after.Seq > 0 {
			after.Offset = r.log.end() + 1000 // where it stood in a partition of which the end was lost
		}
	}
	r.src = &shaky{memory: r.log.memory, rand: r.rand, seen: r.log.end()}
	patience := time.Hour
	if r.src.prompt = r.name > 0 || r.well; r.src.prompt { // then its patience ends as soon as it has seen a gap twice
		patience = time.Nanosecond
	}
	r.reader = NewReader(r.src, after, ReaderOptions{Patience: patience})
	r.began++
	r.lost = false
}

func (r *modelReader) did(what string) {
	r.model.did(fmt.Sprintf("  reader %d at %d: %s", r.name, r.at.Seq, what))
}

// step reads what there is, or crashes.
func (r *modelReader) step() {
	if r.rand.IntN(2) == 0 {
		return
	}
	if r.rand.IntN(20) == 0 {
		r.did("crashes")
		r.begin()
		return
	}
	r.read()
}

// read takes one answer, and commits all of it, or a part before it dies.
func (r *modelReader) read() {
	ctx, cancel := context.WithCancel(r.t.Context())
	defer cancel()
	r.src.over, r.src.empty, r.src.well = cancel, 0, r.well
	entries, err := r.reader.Next(ctx)
	switch {
	case errors.Is(err, context.Canceled):
		return
	case err != nil:
		r.alarmed(err)
		return
	}
	commit := len(entries)
	dies := !r.well && r.rand.IntN(15) == 0
	if dies {
		commit = r.rand.IntN(commit + 1)
	}
	for _, e := range entries[:commit] {
		if e.Seq != r.at.Seq+1 {
			r.t.Fatalf("reader %d got fact %d after %d", r.name, e.Seq, r.at.Seq)
		}
		r.at = Position{Seq: e.Seq, Offset: e.Offset}
		r.rows = append(r.rows, e.Body)
	}
	r.did("came there")
	if dies {
		r.did("crashes between two commits")
		r.begin()
	}
}

// alarmed checks that an alarm was justified, and begins anew as an operator does.
func (r *modelReader) alarmed(err error) {
	r.did(fmt.Sprint("alarm: ", err))
	r.alarms++
	there := r.log.reaches()
	switch {
	case errors.Is(err, ErrLost) && (r.lost || r.loses && !r.src.prompt || there < r.at.Seq):
	// A restored Postgres may give numbers again that stand early in the partition: what
	// comes before them has not followed there, so nobody was told that they are published.
	case errors.Is(err, ErrGap) && (r.lost || there <= r.at.Seq):
	default:
		r.t.Fatalf("reader %d after fact %d: %v", r.name, r.at.Seq, err)
	}
	r.begin()
}

// finish reads to the end, and compares what was committed with the record.
func (r *modelReader) finish(stored [][]byte) {
	r.well = true
	r.begin()
	for tries := 0; r.at.Seq < int64(len(stored)); tries++ {
		if tries > 1000 {
			r.t.Fatalf("reader %d stays at %d of %d", r.name, r.at.Seq, len(stored))
		}
		r.read()
	}
	for i, body := range stored {
		if !bytes.Equal(r.rows[i], body) {
			r.t.Fatalf("reader %d has another fact %d", r.name, i+1)
		}
	}
	if len(r.rows) != len(stored) {
		r.t.Errorf("reader %d has %d facts of %d", r.name, len(r.rows), len(stored))
	}
}

// shaky is a [Source] whose answers get lost, or come late, or small.
type shaky struct {
	*memory
	rand   *rand.Rand
	over   context.CancelFunc // ends the call of Next
	empty  int                // answers without a fact, in this call
	well   bool               // no more faults
	prompt bool               // no answers from a moment ago
	seen   int64              // the partition's end when this reader began
}

func (s *shaky) Fetch(_ context.Context, from int64, _ time.Duration) (Fetched, error) {
	if !s.well && s.rand.IntN(10) == 0 {
		s.over()
		return Fetched{}, errTrouble
	}
	f, err := s.fetch(from)
	if err != nil {
		return f, err
	}
	if !s.well && len(f.Entries) > 0 {
		keep := 1 + s.rand.IntN(len(f.Entries))
		f.Entries = f.Entries[:keep]
		f.Next = f.Entries[keep-1].Offset + 1
		if !s.prompt && s.rand.IntN(4) == 0 { // an answer from a moment ago
			f.End = min(f.End, max(f.Next, s.seen))
		}
	}
	if len(f.Entries) == 0 {
		// Often enough for patience to end, for reading again, and for patience to end again.
		if s.empty++; s.empty > 4 {
			s.over()
		}
	}
	return f, nil
}

// reaches returns up to where the partition has the record without a gap.
func (m *memory) reaches() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := newRule(0, 0)
	for _, e := range m.entries {
		if _, err := r.take(e); err != nil {
			return 0
		}
	}
	return r.last
}
