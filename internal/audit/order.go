package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/bgremover/bgremover/internal/merkle"
)

// maxEarly bounds how many entries that came too early are compared with those that are
// accepted later. The sequencer leaves at most a few batches; more is counted only.
const maxEarly = 1 << 16

// order is the readers' rule, kept over the whole record: it accepts 1, 2, 3 … and says who
// repeats, who is early, and whose repetition is not the same.
type order struct {
	leaves *leaves
	found  *findings
	next   int64 // no offset below may come any more
	high   int64 // the highest seq seen
	early  map[int64]merkle.Hash
	counts Counts
}

// Counts of what stands in the topic besides the facts, once each.
type Counts struct {
	Repeated   int64 `json:"repeated"`   // again, the same bytes
	Early      int64 `json:"early"`      // before what is missing; they follow again
	Uncompared int64 `json:"uncompared"` // early ones too many to be compared with those that follow
}

// take judges the next entry, and says whether it is the next fact.
func (o *order) take(d *digest) (accepted bool, err error) {
	last := o.leaves.Size()
	if d.offset < o.next {
		o.found.add(at(Reordered, last+1, "the broker returned offset %d after offset %d", d.offset, o.next-1))
		return false, nil
	}
	o.next = d.offset + 1
	o.high = max(o.high, d.seq)
	switch {
	case d.seq < 1:
		o.found.addAt(d.offset, at(BadNumbering, last+1, "what stands at offset %d has no number", d.offset))
		return false, nil
	case d.seq == last+1:
		if leaf, known := o.early[d.seq]; known && leaf != d.leaf {
			o.found.add(at(Changed, d.seq, "it stands at offset %d, and before that, too early, with other bytes", d.offset))
		}
		delete(o.early, d.seq)
		return true, o.leaves.add(d.leaf)
	case d.seq > last:
		o.isEarly(d)
		return false, nil
	}
	leaf, err := o.leaves.leaf(d.seq - 1)
	if err != nil {
		return false, err
	}
	if leaf != d.leaf {
		o.found.addAt(d.offset, at(Changed, d.seq, "it stands again at offset %d, with other bytes than the first time", d.offset))
		return false, nil
	}
	o.counts.Repeated++
	return false, nil
}

func (o *order) isEarly(d *digest) {
	o.counts.Early++
	leaf, known := o.early[d.seq]
	switch {
	case known && leaf != d.leaf:
		o.found.add(at(Changed, d.seq, "it stands twice before its time, with different bytes; the second time at offset %d", d.offset))
	case known:
	case len(o.early) >= maxEarly:
		o.counts.Uncompared++
	default:
		o.early[d.seq] = d.leaf
	}
}

// gap says whether something came early and what is before it has not followed.
func (o *order) gap() bool { return o.high > o.leaves.Size() }

// settle waits for what is missing at the end of a record that is being written.
func (a *audit) settle(ctx context.Context) error {
	deadline := time.Now().Add(a.Patience)
	for a.order.gap() && time.Now().Before(deadline) {
		a.record.reopen()
		before := a.record.at
		if err := stream(ctx, a.record, 1, nil, a.hasher, a.take(ctx)); err != nil {
			return err
		}
		if a.record.at == before {
			if err := pause(ctx, fetchWait); err != nil {
				return err
			}
		}
	}
	return nil
}

// search reads the record once more for a fact that did not come in its turn. otherwise is
// the finding when it is nowhere.
func (a *audit) search(ctx context.Context, seq int64, otherwise Finding) error {
	wanted, known := a.vouchedLeaf(ctx, seq)
	var moved, renamed *digest
	err := stream(ctx, newPartition(a.Record), a.Workers, nil, a.hasher, func(p *page) error {
		for i := range p.digests {
			switch d := &p.digests[i]; {
			case d.seq == seq && moved == nil:
				moved = d
			case known && d.leaf == wanted && renamed == nil:
				renamed = d
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return fmt.Errorf("look for fact %d: %w", seq, err)
	case moved != nil:
		a.found.add(at(Reordered, seq, "it stands at offset %d only, where the readers' rule does not find it", moved.offset))
	case renamed != nil:
		a.found.forget(renamed.offset)
		a.found.addAt(renamed.offset, at(BadNumbering, seq, "its bytes stand at offset %d under the number %d", renamed.offset, renamed.seq))
	default:
		a.found.add(otherwise)
	}
	return nil
}
