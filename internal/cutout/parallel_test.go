package cutout

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func TestSplitCoversEverythingOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 200).Draw(t, "n")
		var mu sync.Mutex
		seen := make([]int, n)
		split(rapid.IntRange(0, 5).Draw(t, "workers"), n, rapid.IntRange(1, 50).Draw(t, "piece"), func(lo, hi int) {
			mu.Lock()
			defer mu.Unlock()
			for i := lo; i < hi; i++ {
				seen[i]++
			}
		})
		if slices.ContainsFunc(seen, func(times int) bool { return times != 1 }) {
			t.Fatalf("seen %v", seen)
		}
	})
}

func TestOrderedUsesEverythingInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 100).Draw(t, "n")
		failAt := rapid.IntRange(0, 120).Draw(t, "failAt")
		broken := errors.New("broken")
		var used []int
		err := ordered(rapid.IntRange(0, 5).Draw(t, "workers"), n,
			func(i int) int { return i },
			func(i int) error {
				if i == failAt {
					return broken
				}
				used = append(used, i)
				return nil
			})
		if want := min(n, failAt); len(used) != want || !slices.IsSorted(used) {
			t.Fatalf("used %v of %d", used, n)
		}
		if failed := failAt < n; errors.Is(err, broken) != failed {
			t.Fatalf("got %v", err)
		}
	})
}

// A panic in a worker comes out where it can be caught.
func TestPanicsReachTheCaller(t *testing.T) {
	for name, f := range map[string]func(){
		"split":   func() { split(3, 100, 1, func(int, int) { panic("broken") }) },
		"ordered": func() { _ = ordered(3, 100, func(int) int { panic("broken") }, func(int) error { return nil }) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if p := recover(); p != "broken" {
					t.Errorf("recovered %v", p)
				}
			}()
			f()
			t.Error("no panic")
		})
	}
}

func TestPoolLendsWhatWasAskedFor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p pool[uint8]
		for _, n := range rapid.SliceOf(rapid.IntRange(0, 5000)).Draw(t, "sizes") {
			s := p.get(n)
			if len(s) != n {
				t.Fatalf("got %d bytes, want %d", len(s), n)
			}
			for i := range s {
				s[i] = 1
			}
			p.put(s)
			if z := p.zeroed(n); slices.Contains(z, 1) {
				t.Fatal("not zeroed")
			}
		}
		p.put(make([]uint8, 1000)) // not a power of two, from elsewhere
		if s := p.get(900); len(s) != 900 {
			t.Fatal(len(s))
		}
	})
}
