package ledger

import (
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// entry stands at an offset; its body is its number, or whatever else.
func entry(offset, seq int64, body ...string) Entry {
	e := Entry{Seq: seq, Offset: offset, Body: fmt.Append(nil, seq)}
	if len(body) > 0 {
		e.Body = []byte(body[0])
	}
	return e
}

func TestRule(t *testing.T) {
	type step struct {
		e    Entry
		then ruling
		fail error
	}
	tests := map[string]struct {
		last, from int64
		steps      []step
	}{
		"in order":               {steps: []step{{e: entry(0, 1)}, {e: entry(1, 2)}, {e: entry(5, 3)}}},
		"repetition":             {steps: []step{{e: entry(0, 1)}, {e: entry(1, 1), then: drop}, {e: entry(2, 2)}, {e: entry(3, 1), then: drop}}},
		"early, then everything": {steps: []step{{e: entry(0, 2), then: skip}, {e: entry(1, 1)}, {e: entry(2, 2)}}},
		"goes on after a seq":    {last: 7, from: 20, steps: []step{{e: entry(20, 7), then: drop}, {e: entry(21, 8)}}},
		"other bytes":            {steps: []step{{e: entry(0, 1)}, {e: entry(1, 1, "x"), then: drop, fail: ErrFork}}},
		"other bytes before it":  {last: 7, steps: []step{{e: entry(0, 7, "x"), then: drop}}}, // it never saw the first ones
		"offset falls":           {steps: []step{{e: entry(3, 1)}, {e: entry(3, 2), then: drop, fail: ErrLost}}},
		"before where it began":  {from: 5, steps: []step{{e: entry(4, 1), then: drop, fail: ErrLost}}},
		"no fact":                {steps: []step{{e: entry(0, 0), then: drop, fail: ErrFork}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRule(tt.last, tt.from)
			for i, s := range tt.steps {
				if got, err := r.take(s.e); got != s.then || !errors.Is(err, s.fail) {
					t.Fatalf("step %d: got %d, %v; want %d, %v", i, got, err, s.then, s.fail)
				}
			}
		})
	}
}

func TestRuleRemembersTheLastOnes(t *testing.T) {
	r := newRule(0, 0)
	const n = remembered + 10
	for seq := int64(1); seq <= n; seq++ {
		if got, err := r.take(entry(seq, seq)); got != accept || err != nil {
			t.Fatal(seq, got, err)
		}
	}
	if _, err := r.take(entry(n+1, n-remembered, "x")); err != nil {
		t.Errorf("forgotten, and yet: %v", err)
	}
	if _, err := r.take(entry(n+2, n-remembered+1)); err != nil {
		t.Errorf("the oldest remembered, unchanged: %v", err)
	}
	if _, err := r.take(entry(n+3, n-remembered+1, "x")); !errors.Is(err, ErrFork) {
		t.Errorf("the oldest remembered, changed: %v", err)
	}
}

func TestRuleSeeksBackOnceThenGivesUp(t *testing.T) {
	r := newRule(0, 0)
	for offset, seq := range []int64{1, 2, 4} {
		if _, err := r.take(entry(int64(offset), seq)); err != nil {
			t.Fatal(err)
		}
	}
	if !r.gap() {
		t.Fatal("no gap")
	}
	from, err := r.giveUp()
	if from != 2 || err != nil { // after the last one accepted
		t.Fatal(from, err)
	}
	if got, err := r.take(entry(2, 4)); got != skip || err != nil {
		t.Fatal(got, err)
	}
	if _, err := r.giveUp(); !errors.Is(err, ErrGap) {
		t.Fatal(err)
	}
	// Progress gives it another chance.
	if got, err := r.take(entry(3, 3)); got != accept || err != nil {
		t.Fatal(got, err)
	}
	if from, err := r.giveUp(); from != 4 || err != nil {
		t.Fatal(from, err)
	}

	// A reader that has accepted nothing yet started from a hint, which may be wrong.
	hinted := newRule(5, 100)
	if _, err := hinted.take(entry(100, 9)); err != nil {
		t.Fatal(err)
	}
	if from, err := hinted.giveUp(); from != 0 || err != nil {
		t.Fatal(from, err)
	}
}

// partition is what a publisher leaves that stores its batches whole, in part, from the
// front or from the back, and then again, as the sequencer does.
func partition(t *rapid.T, n int64) []Entry {
	var log []Entry
	store := func(from, to int64) {
		for seq := from; seq <= to; seq++ {
			hole := int64(0)
			if rapid.IntRange(0, 9).Draw(t, "hole") == 0 {
				hole = 3 // offsets are sparse
			}
			log = append(log, entry(int64(len(log))*4+hole, seq))
		}
	}
	for confirmed := int64(0); confirmed < n; {
		to := min(n, confirmed+rapid.Int64Range(1, 6).Draw(t, "batch"))
		if rapid.Bool().Draw(t, "doubt") {
			from := rapid.Int64Range(confirmed+1, to).Draw(t, "from")
			store(from, rapid.Int64Range(from, to).Draw(t, "to"))
			continue // everything again, maybe with more
		}
		store(confirmed+1, to)
		confirmed = to
		if rapid.IntRange(0, 4).Draw(t, "zombie") == 0 {
			from := rapid.Int64Range(1, confirmed).Draw(t, "old from")
			store(from, rapid.Int64Range(from, confirmed).Draw(t, "old to"))
		}
	}
	return log
}

// Whatever was stored before, once everything has been stored again the rule yields exactly
// 1 to n, from wherever it had come.
func TestRuleMakesOneOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(1, 30).Draw(t, "n")
		log := partition(t, n)
		r := newRule(0, 0)
		stop := rapid.IntRange(0, len(log)).Draw(t, "checkpoint")
		for i, e := range log {
			if i == stop { // a reader that comes back with its checkpoint
				r = newRule(r.last, max(r.lastAt, 0))
				for _, again := range log[:i] {
					if again.Offset >= r.next {
						if ruled, err := r.take(again); ruled == accept || err != nil {
							t.Fatalf("after its checkpoint: %d, %v", ruled, err)
						}
					}
				}
			}
			before := r.last
			ruled, err := r.take(e)
			if err != nil {
				t.Fatal(err)
			}
			if ruled == accept && e.Seq != before+1 || ruled != accept && e.Seq == before+1 {
				t.Fatalf("%d after %d was ruled %d", e.Seq, before, ruled)
			}
		}
		if r.last != n || r.gap() {
			t.Fatalf("came to %d of %d; gap: %v", r.last, n, r.gap())
		}
	})
}
