package ledger

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// memory is a partition in memory: a [Source], and something to write to.
type memory struct {
	mu      sync.Mutex
	entries []Entry
	start   int64
	batch   int   // how many entries a fetch returns; 0: 100
	fail    error // what Fetch returns
}

func (m *memory) add(entries ...Entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries = append(m.entries, entries...)
}

// store appends numbered bodies at the next offsets.
func (m *memory) store(seq int64, bodies ...[]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, body := range bodies {
		m.entries = append(m.entries, Entry{Seq: seq + int64(i), Offset: m.end(), Body: body})
	}
}

func (m *memory) end() int64 {
	if len(m.entries) == 0 {
		return m.start
	}
	return m.entries[len(m.entries)-1].Offset + 1
}

func (m *memory) Fetch(ctx context.Context, from int64, wait time.Duration) (Fetched, error) {
	f, err := m.fetch(from)
	if err == nil && len(f.Entries) == 0 && wait > 0 {
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		return m.fetch(from)
	}
	return f, err
}

func (m *memory) fetch(from int64) (Fetched, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := Fetched{Next: from, Start: m.start, End: m.end()}
	size := m.batch
	if size == 0 {
		size = 100
	}
	if m.fail != nil {
		return Fetched{}, m.fail
	}
	for _, e := range m.entries {
		if e.Offset >= from && len(f.Entries) < size {
			f.Entries = append(f.Entries, e)
			f.Next = e.Offset + 1
		}
	}
	return f, nil
}

func seqs(entries []Entry) []int64 {
	var all []int64
	for _, e := range entries {
		all = append(all, e.Seq)
	}
	return all
}

func TestReader(t *testing.T) {
	tests := map[string]struct {
		given []Entry
		start int64
		after Position
		then  []int64
		fails error
	}{
		"all of it":              {given: []Entry{entry(0, 1), entry(1, 2), entry(2, 3)}, then: []int64{1, 2, 3}},
		"after a checkpoint":     {given: []Entry{entry(0, 1), entry(1, 2), entry(2, 3)}, after: Position{Seq: 2, Offset: 1}, then: []int64{3}},
		"checkpoint, no hint":    {given: []Entry{entry(0, 1), entry(1, 2), entry(2, 3)}, after: Position{Seq: 2}, then: []int64{3}},
		"checkpoint, wrong hint": {given: []Entry{entry(0, 1), entry(1, 2), entry(2, 3)}, after: Position{Seq: 1, Offset: 2}, then: []int64{2, 3}},
		"early":                  {given: []Entry{entry(0, 2), entry(1, 3), entry(2, 1), entry(3, 2), entry(4, 3)}, then: []int64{1, 2, 3}},
		"what comes before":      {given: []Entry{entry(0, 1), entry(1, 2), entry(2, 2, "x")}, then: []int64{1, 2}, fails: ErrFork},
		"a gap for good":         {given: []Entry{entry(0, 1), entry(1, 3)}, then: []int64{1}, fails: ErrGap},
		"shorter than it was":    {given: []Entry{entry(0, 1)}, after: Position{Seq: 5, Offset: 4}, fails: ErrLost},
		"lost, and there again":  {given: []Entry{entry(0, 1), entry(1, 2), entry(2, 3)}, after: Position{Seq: 2, Offset: 9}, then: []int64{3}},
		"at a later copy":        {given: []Entry{entry(0, 1), entry(1, 2), entry(2, 3), entry(3, 2), entry(4, 4)}, after: Position{Seq: 2, Offset: 3}, then: []int64{3, 4}},
		"its beginning removed":  {given: []Entry{entry(3, 4)}, start: 3, fails: ErrCut},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := &memory{start: tt.start, batch: 2}
				src.add(tt.given...)
				r := NewReader(src, tt.after, ReaderOptions{})
				var got []int64
				for len(got) < len(tt.then) {
					entries, err := r.Next(t.Context())
					if err != nil {
						t.Fatalf("after %v: %v", got, err)
					}
					got = append(got, seqs(entries)...)
				}
				if !slices.Equal(got, tt.then) {
					t.Errorf("read %v", got)
				}
				if tt.fails == nil {
					return
				}
				for range 2 { // an alarm stays
					if entries, err := r.Next(t.Context()); !errors.Is(err, tt.fails) || entries != nil {
						t.Errorf("got %v, %v; want %v", entries, err, tt.fails)
					}
				}
			})
		})
	}
}

// A reader that does not know where its fact stands takes no early copy for it, which nobody
// was ever told of: schedule 10408 of the simulation.
func TestNoHintIsNoPlace(t *testing.T) {
	src := &memory{batch: 2}
	src.add(entry(0, 2, "never was"), entry(1, 3, "never was"), entry(2, 1), entry(3, 2), entry(4, 3))
	entries, err := NewReader(src, Position{Seq: 2}, ReaderOptions{}).Next(t.Context())
	if err != nil || len(entries) != 1 || !bytes.Equal(entries[0].Body, entry(4, 3).Body) {
		t.Errorf("read %+v, %v", entries, err)
	}
}

// A gap that closes while it is waited for is no alarm, however long Kafka is away.
func TestReaderIsPatient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &memory{}
		src.add(entry(0, 2))
		r := NewReader(src, Position{}, ReaderOptions{})
		read := make(chan []Entry, 1)
		go func() {
			entries, err := r.Next(t.Context())
			if err != nil {
				t.Error(err)
			}
			read <- entries
		}()
		away := func(err error, d time.Duration) {
			src.mu.Lock()
			src.fail = err
			src.mu.Unlock()
			time.Sleep(d)
		}
		away(nil, 50*time.Second) // longer than one patience, shorter than both
		away(errors.New("away"), time.Hour)
		away(nil, 20*time.Second)
		src.add(entry(1, 1), entry(2, 2))
		if got := seqs(<-read); !slices.Equal(got, []int64{1, 2}) {
			t.Errorf("read %v", got)
		}
	})
}

func TestReaderEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := NewReader(&memory{}, Position{}, ReaderOptions{}).Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if _, err := NewReader(&memory{fail: errors.New("away")}, Position{}, ReaderOptions{}).Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

// Readers that come and go with their checkpoints read 1 to n, each once.
func TestReadersReadEverythingOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(1, 40).Draw(t, "n")
		src := &memory{batch: rapid.IntRange(1, 7).Draw(t, "fetch")}
		src.add(partition(t, n)...)
		var got []int64
		var at Position
		for int64(len(got)) < n {
			r := NewReader(src, at, ReaderOptions{})
			for range rapid.IntRange(1, 5).Draw(t, "batches before a restart") {
				if int64(len(got)) == n {
					break
				}
				entries, err := r.Next(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, seqs(entries)...)
				last := entries[len(entries)-1]
				at = Position{Seq: last.Seq, Offset: last.Offset}
			}
		}
		for i, seq := range got {
			if seq != int64(i+1) {
				t.Fatalf("read %v", got)
			}
		}
	})
}
