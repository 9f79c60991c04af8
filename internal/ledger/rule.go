package ledger

import (
	"errors"
	"fmt"
	"hash/maphash"
)

// Entry is a fact where it stands in the partition; Seq and Body are what [Codec.Decode] takes.
type Entry struct {
	Seq    int64 // the header "seq"
	Offset int64
	Body   []byte
}

// Alarms. Each ends the reader that raises it; none goes away by trying again there.
var (
	// ErrFork says that the record exists in two versions.
	ErrFork = errors.New("the record is forked: stop everything that writes, find out which Kafka and which " +
		"Postgres belong together (was one of them restored, or a data folder copied?), and start with that pair")
	// ErrCut says that the beginning of the record was removed.
	ErrCut = errors.New("the beginning of the record was removed from Kafka: restore the topic, and see that " +
		"nothing sets a retention on it")
	// ErrGap says that a fact is missing in the partition.
	ErrGap = errors.New("the record has a gap: see that a sequencer is running; it publishes what is missing; " +
		"then start this reader again")
	// ErrLost says that the broker no longer has what it once returned.
	ErrLost = errors.New("the broker lost a part of the record: see to the broker's disks and replicas; " +
		"the sequencer's next term publishes again what Postgres has")
)

// ruling is what the readers' rule says about one entry.
type ruling uint8

const (
	accept ruling = iota // it is the next one
	drop                 // it is a repetition
	skip                 // it comes too early: the one that is missing follows, and then this one again
)

// remembered is how many of the facts accepted last are compared with their repetitions.
const remembered = 4096

// rule is the readers' rule: it makes 1, 2, 3 … of a partition that holds repetitions and
// batches whose beginning comes later. It touches nothing outside itself.
type rule struct {
	last   int64 // the seq accepted last
	lastAt int64 // its offset; -1 while nothing was accepted
	high   int64 // the highest seq seen
	next   int64 // no offset below may come any more
	sought bool  // the partition was read again since the last one accepted

	seed maphash.Seed
	sums [remembered]uint64 // of the last facts, by seq
	from int64              // the oldest remembered seq
}

// newRule starts after a seq, reading from an offset.
func newRule(last, offset int64) *rule {
	return &rule{last: last, lastAt: -1, high: last, next: offset, seed: maphash.MakeSeed(), from: last + 1}
}

// take judges what comes next. Its error is an alarm.
func (r *rule) take(e Entry) (ruling, error) {
	if e.Offset < r.next {
		return drop, fmt.Errorf("ledger: offset %d after offset %d: %w", e.Offset, r.next-1, ErrLost)
	}
	if e.Seq < 1 {
		return drop, fmt.Errorf("ledger: offset %d holds no fact: %w", e.Offset, ErrFork)
	}
	r.next = e.Offset + 1
	r.high = max(r.high, e.Seq)
	sum := maphash.Bytes(r.seed, e.Body)
	switch {
	case e.Seq == r.last+1:
		r.last, r.lastAt, r.sought = e.Seq, e.Offset, false
		r.sums[e.Seq%remembered] = sum
		r.from = max(r.from, e.Seq-remembered+1)
		return accept, nil
	case e.Seq > r.last:
		return skip, nil
	case e.Seq >= r.from && r.sums[e.Seq%remembered] != sum:
		return drop, fmt.Errorf("ledger: offset %d holds another fact %d than before: %w", e.Offset, e.Seq, ErrFork)
	}
	return drop, nil
}

// gap says whether something came early and what is before it has not followed.
func (r *rule) gap() bool { return r.high > r.last }

// giveUp is called when a gap at the partition's end has not closed in time. The first
// time it returns the offset to read again from; the second time it is an alarm.
func (r *rule) giveUp() (from int64, err error) {
	if r.sought {
		return 0, fmt.Errorf("ledger: fact %d does not come, though fact %d is there: %w", r.last+1, r.high, ErrGap)
	}
	r.sought = true
	r.next = r.lastAt + 1 // the beginning, when nothing was accepted yet: the offset it started from was a hint
	return r.next, nil
}

// fetched checks what the partition says about itself.
func (r *rule) fetched(from int64, f Fetched) error {
	switch {
	case from > f.End:
		return fmt.Errorf("ledger: the partition ends at offset %d, and was read up to %d: %w", f.End, from, ErrLost)
	case from < f.Start:
		return fmt.Errorf("ledger: the partition begins at offset %d, and should hold %d: %w", f.Start, from, ErrCut)
	}
	return nil
}
