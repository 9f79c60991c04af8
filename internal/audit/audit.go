package audit

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/merkle"
)

// Options say what is verified, and against what.
type Options struct {
	Record      ledger.Source // the topic "record"; required
	Checkpoints ledger.Source // the topic "checkpoints"; required

	// Key is the log's first verifier key, a vkey line; later ones follow by rotations. Who has
	// it from elsewhere says that it is pinned. Without one the first in the topic is used.
	Key    string
	Pinned bool
	// Against is a signed checkpoint that was kept elsewhere; nil: there is none.
	Against []byte
	// Tiles are hints from a running service, to name a changed fact exactly; nil: there are none.
	Tiles merkle.Tiles
	// Head asks the ledger how far it has come, for what no checkpoint covers; nil: nobody can say.
	Head func(context.Context) (Head, error)

	Dir      string        // for temporary files; the system's folder if empty
	Rate     int           // facts a second at most; 0: as fast as it goes
	Workers  int           // who hash and parse; as many as there are cores if 0
	Patience time.Duration // how long a missing fact is waited for at the end of a record that is being written
	Progress func(Progress)
}

// Head is how far the ledger has come by its own account.
type Head struct {
	Published int64 // that much is in Kafka
	Size      int64 // that much is numbered
	Root      merkle.Hash
	Signed    int64 // that many entries are in the topic of checkpoints; 0: nobody can say
}

// Progress is how far a verification has come.
type Progress struct {
	Facts       int64
	Offset, End int64 // in the topic "record"
}

// audit is one verification.
type audit struct {
	Options
	hasher  hasher
	found   *findings
	record  *partition
	notes   *notes
	leaves  *leaves
	order   *order
	streams *spill // which version of which stream stands where
	ids     *spill

	first, last int64              // the times of the first and the last fact
	agreed      int64              // the largest checkpoint that has the record's root
	resigned    int64              // the largest that has it and that somebody else signed
	differs     *vouched           // the smallest that has another root
	below       int64              // the largest before it that has the record's
	kept        *merkle.Checkpoint // of [Options.Against]
	head        *Head
	compared    int64 // up to where the ledger's own head agrees
	remarks     []string
}

// Verify reads everything once and says what it found. Its error says why it could not: that
// is no finding, and no verdict either.
func Verify(ctx context.Context, o Options) (Report, error) {
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	a := &audit{Options: o, hasher: newHasher(), found: &findings{}, record: newPartition(o.Record)}
	if err := a.open(ctx); err != nil {
		return Report{}, fmt.Errorf("audit: %w", err)
	}
	defer a.close()
	if err := a.read(ctx); err != nil {
		return Report{}, fmt.Errorf("audit: %w", err)
	}
	if err := a.judge(ctx); err != nil {
		return Report{}, fmt.Errorf("audit: %w", err)
	}
	return a.report(), nil
}

// open asks what has to be known before the record is read: what is signed or published by
// then has to be in it.
func (a *audit) open(ctx context.Context) (err error) {
	a.notes = &notes{from: newPartition(a.Checkpoints), found: a.found, early: map[int64]ledger.Entry{}}
	if a.Key != "" {
		if err := a.notes.trust(a.Key); err != nil {
			return err
		}
	}
	if a.Against != nil {
		kept, err := merkle.ReadCheckpoint(a.Against)
		if err != nil {
			return fmt.Errorf("the checkpoint kept elsewhere: %w", err)
		}
		a.kept = &kept
	}
	if a.Head != nil {
		head, err := a.Head(ctx)
		if err != nil {
			return fmt.Errorf("ask the ledger how far it is: %w", err)
		}
		a.head = &head
	}
	if _, err := a.notes.peek(ctx); err != nil { // fixes where the topic ends
		return err
	}
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	if a.leaves, err = newLeaves(a.Dir); err != nil {
		return err
	}
	if a.streams, err = newSpill(a.Dir); err != nil {
		return err
	}
	a.order = &order{leaves: a.leaves, found: a.found, early: map[int64]merkle.Hash{}}
	a.ids, err = newSpill(a.Dir)
	return err
}

func (a *audit) close() {
	if a.leaves != nil {
		a.leaves.close()
	}
	for _, s := range []*spill{a.streams, a.ids} {
		if s != nil {
			s.close()
		}
	}
}

// read goes through the record and compares each checkpoint when it is reached.
func (a *audit) read(ctx context.Context) error {
	if err := a.checkpoints(ctx); err != nil { // there may be one of size 0
		return err
	}
	err := stream(ctx, a.record, a.Workers, newPace(a.Rate), a.hasher, a.take(ctx))
	switch {
	case errors.Is(err, errCut):
		a.found.add(at(Missing, a.leaves.Size()+1, "%v: it begins at offset %d", err, a.record.start))
		return nil
	case errors.Is(err, errLost):
		a.found.add(at(TruncatedTail, a.leaves.Size()+1, "%v", err))
		return nil
	case err != nil:
		return fmt.Errorf("read the record: %w", err)
	}
	return a.settle(ctx)
}

// take returns what deals with the next entries.
func (a *audit) take(ctx context.Context) func(*page) error {
	return func(p *page) error {
		for i := range p.digests {
			accepted, err := a.order.take(&p.digests[i])
			if err == nil && accepted {
				err = a.accept(ctx, &p.digests[i])
			}
			if err != nil {
				return err
			}
		}
		if a.Progress != nil {
			a.Progress(Progress{Facts: a.leaves.Size(), Offset: a.order.next, End: p.end})
		}
		return nil
	}
}

// accept deals with the next fact.
func (a *audit) accept(ctx context.Context, d *digest) error {
	if d.bad != "" {
		a.found.add(at(BadEnvelope, d.seq, "%s", d.bad))
	} else {
		if a.first == 0 {
			a.first = d.fact.at
		}
		a.last = d.fact.at
		if err := a.streams.add(entry{key: d.fact.stream, seq: d.seq, number: d.fact.version}); err != nil {
			return err
		}
		if err := a.ids.add(entry{key: d.fact.id, seq: d.seq}); err != nil {
			return err
		}
	}
	if a.notes.ahead == nil || a.notes.ahead.Size > d.seq {
		return nil
	}
	return a.checkpoints(ctx)
}
