package analytics

import (
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestHide(t *testing.T) {
	tests := map[string]struct {
		given []Group
		then  Breakdown
	}{
		"nothing happened":    {then: Breakdown{}},
		"fewer than k of all": {given: []Group{{"a", 2}, {"b", 2}}, then: Breakdown{Hidden: true}},
		"exactly k":           {given: []Group{{"a", 5}}, then: Breakdown{Total: 5, Groups: []Group{{"a", 5}}}},
		"all large enough":    {given: []Group{{"a", 5}, {"b", 7}}, then: Breakdown{Total: 12, Groups: []Group{{"a", 5}, {"b", 7}}}},
		"one small drags the smallest along": {
			given: []Group{{"a", 9}, {"b", 1}, {"c", 6}},
			then:  Breakdown{Total: 16, Groups: []Group{{"a", 9}}, Hidden: true},
		},
		"small ones that hide each other": {
			given: []Group{{"a", 3}, {"b", 9}, {"c", 2}},
			then:  Breakdown{Total: 14, Groups: []Group{{"b", 9}}, Hidden: true},
		},
		"nothing left to show but the total": {
			given: []Group{{"a", 1}, {"b", 9}},
			then:  Breakdown{Total: 10, Groups: []Group{}, Hidden: true},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := Breakdown{Groups: slices.Clone(tt.given)}
			b.hide(5)
			if !reflect.DeepEqual(b, tt.then) {
				t.Errorf("got %+v, want %+v", b, tt.then)
			}
		})
	}
}

// No number that is shown, and none that follows from what is shown, is below k.
func TestNoSmallGroupCanBeTold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.Int64Range(1, 10).Draw(t, "k")
		var b Breakdown
		var all int64
		for i, n := range rapid.SliceOfN(rapid.Int64Range(1, 15), 0, 8).Draw(t, "groups") {
			b.Groups = append(b.Groups, Group{string(rune('a' + i)), n})
			all += n
		}
		b.hide(k)
		rest := b.Total
		for _, g := range b.Groups {
			if g.N < k {
				t.Errorf("shows a group of %d", g.N)
			}
			rest -= g.N
		}
		if rest != 0 && rest < k {
			t.Errorf("a hidden group of %d can be told from the rest", rest)
		}
		if b.Hidden != (rest > 0 || b.Total < all) {
			t.Errorf("hidden is %v in %+v of %d", b.Hidden, b, all)
		}
		if b.Total != all && all >= k {
			t.Errorf("total %d of %d", b.Total, all)
		}
	})
}

func TestSmallestShown(t *testing.T) {
	group := func(total int64, n ...int64) Breakdown {
		b := Breakdown{Total: total}
		for _, one := range n {
			b.Groups = append(b.Groups, Group{"a", one})
		}
		return b
	}
	tests := map[string]struct {
		given []Hour
		then  int64
	}{
		"nothing":                {nil, 0},
		"nothing shown":          {[]Hour{{Uploads: Breakdown{Hidden: true}}}, 0},
		"a group":                {[]Hour{{Uploads: group(16, 9, 7)}, {}}, 7},
		"a total without groups": {[]Hour{{Failures: group(6)}, {Results: group(9, 9)}}, 6},
		"the last of all":        {[]Hour{{Uploads: group(9, 9), Results: group(9, 9), Durations: group(9, 9), Failures: group(9, 9), Downloads: group(9, 9), Deletions: group(5, 5)}}, 5},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := SmallestShown(tt.given); got != tt.then {
				t.Errorf("got %d, want %d", got, tt.then)
			}
		})
	}
}
