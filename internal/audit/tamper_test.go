package audit

import (
	"flag"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/bgremover/bgremover/internal/fault/faulttest"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/merkle"
)

// full runs every failure test in its whole number, as `make chaos` does.
var full = flag.Bool("audit.full", faulttest.Full(), "tamper with a thousand records instead of a few")

// times is how often something is tampered with.
func times(many int) int {
	if *full {
		return many
	}
	return 6
}

// witness is what the auditor has at hand besides the topics.
type witness struct {
	name        string
	tiles, head bool
}

var witnesses = []witness{{"Kafka alone", false, false}, {"with tiles", true, false}, {"with tiles and Postgres", true, true}}

// tampered is a log whose last 150 facts no checkpoint covers yet.
func tampered(t *testing.T, w witness, seed uint64) (*logbook, Options) {
	t.Helper()
	l := newLog(t, 1200, seed)
	l.checkpoint(1, 200, 256, 600, 1050)
	o := l.options()
	o.Workers = 1
	if w.tiles {
		o.Tiles = l.leaves
	}
	if w.head {
		o.Head = l.head()
	}
	return l, o
}

const covered = 1050

// What cannot be found out with Kafka alone, and is reported instead of being passed over.
const (
	notCovered  = "reported as not covered by a checkpoint"
	nobodyKnows = "cut off after the last checkpoint, where nobody knows of more"
)

// each runs a test many times, or a few, for each witness, and prints how many were found.
func each(t *testing.T, what string, many int, once func(t *testing.T, w witness, l *logbook, o Options, random *rand.Rand) string) {
	t.Helper()
	for i, w := range witnesses {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			l, o := tampered(t, w, uint64(i))
			random, counts := rand.New(rand.NewPCG(7, uint64(i))), map[string]int{}
			for n := range times(many) {
				counts[once(t, w, l, o, random)]++
				if t.Failed() {
					t.Fatalf("the %d. time", n+1)
				}
			}
			named := times(many) - counts[""] - counts[notCovered] - counts[nobodyKnows]
			faulttest.Counted(t, "%s, %s: %d of %d found: %v", what, w.name, named, times(many), counts)
		})
	}
}

// found wants a finding of a kind, whose range holds a seq; exact, that it is this seq alone.
func found(t *testing.T, r Report, seq int64, exact bool, kinds ...What) string {
	t.Helper()
	f := r.Finding
	switch {
	case f == nil:
		t.Errorf("seq %d: nothing was found, expected %v", seq, kinds)
		return ""
	case !slices.Contains(kinds, f.What), f.Seq > seq, f.Through < seq, exact && (f.Seq != seq || f.Through != seq):
		t.Errorf("seq %d: found %s, expected %v", seq, f, kinds)
	}
	return string(f.What)
}

func TestOneFlippedBitInABody(t *testing.T) {
	each(t, "a flipped bit", 1000, func(t *testing.T, w witness, l *logbook, o Options, random *rand.Rand) string {
		i := random.IntN(len(l.record))
		body := slices.Clone(l.record[i].Body)
		body[random.IntN(len(body))] ^= 1 << random.IntN(8)
		record := l.record.clone()
		record[i].Body = body
		o.Record = record
		r, seq := verify(t, o), int64(i+1)
		switch {
		case seq <= covered && w.tiles, w.head:
			return found(t, r, seq, true, Changed)
		case seq <= covered:
			return found(t, r, seq, false, Changed)
		case r.Finding == nil:
			// Nobody vouches for it yet, it has the form of a fact, and the report says so.
			if r.Covered != covered || r.Facts != int64(len(l.record)) {
				t.Errorf("%+v", r)
			}
			return notCovered
		}
		// A fact that changed its stream may be missed only where that stream goes on.
		if r.Finding.What != BadEnvelope || r.Finding.Seq < seq {
			t.Errorf("seq %d: found %s", seq, r.Finding)
		}
		return string(r.Finding.What)
	})
}

func TestOneFlippedBitInANumber(t *testing.T) {
	each(t, "a flipped bit in a number", 1000, func(t *testing.T, w witness, l *logbook, o Options, random *rand.Rand) string {
		i := random.IntN(len(l.record))
		seq := int64(i + 1)
		header := []byte(strconv.FormatInt(seq, 10))
		header[random.IntN(len(header))] ^= 1 << random.IntN(8)
		now, err := strconv.ParseInt(string(header), 10, 64)
		if err != nil {
			now = 0 // as the reader of the topic has it
		}
		record := l.record.clone()
		record[i].Seq = now
		o.Record = record
		r := verify(t, o)
		switch vouched := w.head || w.tiles && seq <= covered; {
		case now < 1 || vouched:
			return found(t, r, seq, true, BadNumbering)
		case now < seq:
			return found(t, r, now, true, Changed) // it is there twice
		case i == len(record)-1 || now > seq:
			return found(t, r, seq, true, Missing)
		}
		return ""
	})
}

func TestRemovedRecords(t *testing.T) {
	each(t, "removed records", 200, func(t *testing.T, _ witness, l *logbook, o Options, random *rand.Rand) string {
		from := random.IntN(len(l.record) - 1)
		n := min(1+random.IntN(20), len(l.record)-1-from)
		o.Record = slices.Delete(l.record.clone(), from, from+n)
		return found(t, verify(t, o), int64(from+1), true, Missing)
	})
}

func TestSwappedRecords(t *testing.T) {
	each(t, "swapped records", 200, func(t *testing.T, _ witness, l *logbook, o Options, random *rand.Rand) string {
		i, j := random.IntN(len(l.record)-1), 0
		j = i + 1 + random.IntN(min(50, len(l.record)-1-i))
		record := l.record.clone()
		record[i], record[j] = record[j], record[i]
		o.Record = record.number()
		// The one that stands too late is found; what lies between has gone by meanwhile.
		return found(t, verify(t, o), int64(i+2), true, Reordered)
	})
}

// Whoever swaps bodies and leaves the numbers has changed two facts.
func TestSwappedBodies(t *testing.T) {
	each(t, "swapped bodies", 200, func(t *testing.T, w witness, l *logbook, o Options, random *rand.Rand) string {
		i := random.IntN(covered - 60)
		j := i + 1 + random.IntN(50)
		record := l.record.clone()
		record[i].Body, record[j].Body = record[j].Body, record[i].Body
		o.Record = record
		return found(t, verify(t, o), int64(i+1), w.tiles, Changed)
	})
}

func TestTruncatedTail(t *testing.T) {
	each(t, "truncated tails", 200, func(t *testing.T, w witness, l *logbook, o Options, random *rand.Rand) string {
		size := random.IntN(len(l.record))
		o.Record = l.record[:size]
		r := verify(t, o)
		if size >= covered && !w.head {
			if r.Finding != nil || r.Facts != int64(size) {
				t.Errorf("%+v", r)
			}
			return nobodyKnows
		}
		return found(t, r, int64(size+1), true, TruncatedTail)
	})
}

func TestRepeatedWithOtherBytes(t *testing.T) {
	each(t, "other bytes under a number that was there", 200, func(t *testing.T, _ witness, l *logbook, o Options, random *rand.Rand) string {
		i, j := random.IntN(len(l.record)), random.IntN(len(l.record))
		for i == j {
			j = random.IntN(len(l.record))
		}
		where := random.IntN(len(l.record))
		forged := ledger.Entry{Seq: int64(i + 1), Body: l.record[j].Body}
		o.Record = slices.Insert(l.record.clone(), where, forged).number()
		return found(t, verify(t, o), int64(i+1), true, Changed)
	})
}

// A log that was signed again over other facts: its own checkpoints all agree with it.
func TestSignedForks(t *testing.T) {
	each(t, "forks", 200, func(t *testing.T, w witness, l *logbook, o Options, random *rand.Rand) string {
		from := random.IntN(1000)
		kept := from + 1 + random.IntN(len(l.record)-from)
		fork := &logbook{t: t, key: l.key}
		other := merkle.SigningKey{}
		if random.IntN(2) == 0 {
			var err error
			other, err = merkle.NewSigningKey(l.key.Origin())
			must(t, err)
			fork.key = other
		}
		for i, e := range l.record {
			body := e.Body
			if i == from {
				id := len(`{"specversion":"1.0","id":"`) // another fact, and a well-formed one
				body = slices.Concat(body[:id], []byte(newID(random)), body[id+36:])
			}
			fork.add(body)
		}
		fork.checkpoint(300, len(l.record)) // the last one covers what any kept one does
		own := fork.options()
		own.Dir, own.Key, own.Pinned = o.Dir, l.key.Verifier(), true
		if w.tiles {
			own.Tiles = fork.leaves
		}
		if w.head {
			own.Head = fork.head()
		}
		if other != (merkle.SigningKey{}) && random.IntN(3) == 0 {
			return found(t, verify(t, own), 1, true, BadCheckpoint)
		}
		own.Against = l.sign(l.at(kept))
		if random.IntN(3) == 0 && other != (merkle.SigningKey{}) {
			own.Key, own.Pinned = other.Verifier(), false
		}
		return found(t, verify(t, own), int64(from+1), false, Forked)
	})
}

// Checkpoints that were tampered with are no checkpoints.
func TestOneFlippedBitInACheckpoint(t *testing.T) {
	each(t, "a flipped bit in a checkpoint", 200, func(t *testing.T, _ witness, l *logbook, o Options, random *rand.Rand) string {
		i := random.IntN(len(l.checkpoints))
		signed := slices.Clone(l.checkpoints[i].Body)
		signed[random.IntN(len(signed))] ^= 1 << random.IntN(8)
		checkpoints := l.checkpoints.clone()
		checkpoints[i].Body = signed
		o.Checkpoints = checkpoints
		r := verify(t, o)
		if r.Finding == nil || r.Finding.What != BadCheckpoint {
			t.Errorf("found %v in\n%s", r.Finding, signed)
			return ""
		}
		return string(r.Finding.What)
	})
}

func TestRemovedCheckpoints(t *testing.T) {
	each(t, "removed checkpoints", 200, func(t *testing.T, w witness, l *logbook, o Options, random *rand.Rand) string {
		i := random.IntN(len(l.checkpoints) - 1)
		if w.head { // then the last one is missed, too
			i = random.IntN(len(l.checkpoints))
			head, _ := l.head()(t.Context())
			head.Signed = int64(len(l.checkpoints))
			o.Head = headOf(head)
		}
		o.Checkpoints = slices.Delete(l.checkpoints.clone(), i, i+1).number()
		r := verify(t, o)
		if r.Finding == nil || r.Finding.What != BadCheckpoint {
			t.Errorf("found %v", r.Finding)
			return ""
		}
		return string(r.Finding.What)
	})
}

// A log that was set back, with its checkpoints, to what it was.
func TestRolledBack(t *testing.T) {
	each(t, "logs rolled back", 200, func(t *testing.T, _ witness, l *logbook, o Options, random *rand.Rand) string {
		size := 1 + random.IntN(1000)
		old := &logbook{t: t, key: l.key, record: l.record[:size], leaves: l.leaves[:size]}
		old.checkpoint(1, size)
		o.Record, o.Checkpoints, o.Head, o.Tiles = old.record, old.checkpoints, old.head(), old.leaves
		o.Against = l.sign(l.at(size + 1 + random.IntN(len(l.record)-size)))
		return found(t, verify(t, o), int64(size+1), true, RolledBack)
	})
}
