package policy_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/domain/policy"
)

func TestLacks(t *testing.T) {
	one := []string{"x"}
	tests := map[string]struct {
		given policy.Promise
		then  []string
	}{
		"enforced by a rule":      {policy.Promise{Kind: policy.Enforced, Rules: one, Facts: one, Tests: one, Figure: "x"}, nil},
		"enforced by a mechanism": {policy.Promise{Kind: policy.Enforced, Mechanism: "x", Facts: one, Tests: one, Figure: "x"}, nil},
		"enforced by nothing":     {policy.Promise{Kind: policy.Enforced}, []string{"rules or mechanism", "facts", "tests", "figure"}},
		"enforced, unseen":        {policy.Promise{Kind: policy.Enforced, Rules: one, Facts: one, Tests: one, Check: "x"}, []string{"figure"}},
		"tested":                  {policy.Promise{Kind: policy.Tested, Tests: one, Check: "x"}, nil},
		"tested once":             {policy.Promise{Kind: policy.Tested, Tests: one}, []string{"check"}},
		"attested":                {policy.Promise{Kind: policy.Attested, Facts: one, SignedBy: "x", HoldsDays: 1, Statement: "x"}, nil},
		"attested for ever":       {policy.Promise{Kind: policy.Attested, Facts: one, SignedBy: "x", Statement: "x"}, []string{"holds_days"}},
		"attested without words":  {policy.Promise{Kind: policy.Attested, Facts: one, SignedBy: "x", HoldsDays: 1}, []string{"statement"}},
		"attested by nobody":      {policy.Promise{Kind: policy.Attested, HoldsDays: 1, Statement: "x"}, []string{"facts", "signed_by"}},
		"information":             {policy.Promise{Kind: policy.Information, Where: "/x", Tests: one, Check: "x"}, nil},
		"information nowhere":     {policy.Promise{Kind: policy.Information, Tests: one}, []string{"where", "check"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tt.given.Lacks(); !slices.Equal(got, tt.then) {
				t.Errorf("got %v, want %v", got, tt.then)
			}
		})
	}
}

func TestStated(t *testing.T) {
	whole := policy.Operator{Name: "a", Address: "b", Region: "c", Contact: "d", Authority: "e"}
	seen := map[string]bool{}
	for _, blank := range policy.Blanks() {
		seen[whole.Of(blank)] = true
		p := policy.Promise{Needs: []policy.Blank{blank}}
		if !p.Stated(whole) || p.Stated(policy.Operator{}) {
			t.Errorf("%s: stated %v with it, %v without", blank, p.Stated(whole), p.Stated(policy.Operator{}))
		}
	}
	if len(seen) != len(policy.Blanks()) {
		t.Errorf("two blanks are filled by the same: %v", seen)
	}
	if !(policy.Promise{}).Stated(policy.Operator{}) {
		t.Error("what needs nothing is not stated")
	}
}

// Sections together make every promise of the text once, each where it is made first.
func TestPromised(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOfN(rapid.SampledFrom([]policy.ID{"a.a", "b.b", "c.c", "d.d"}), 1, 2)
		var text policy.Text
		var all []policy.ID
		for range rapid.IntRange(1, 4).Draw(t, "sections") {
			var section policy.Section
			for range rapid.IntRange(0, 3).Draw(t, "sentences") {
				named := ids.Draw(t, "promises")
				section.Blocks = append(section.Blocks, policy.Block{Items: [][]policy.Sentence{{{Promises: named}}}})
				for _, id := range named {
					if !slices.Contains(all, id) {
						all = append(all, id)
					}
				}
			}
			text.Sections = append(text.Sections, section)
		}
		var got []policy.ID
		for i := range text.Sections {
			got = append(got, text.Promised(i)...)
		}
		if !slices.Equal(got, all) {
			t.Fatalf("got %v, want %v", got, all)
		}
	})
}

func TestSentenceInPlainLetters(t *testing.T) {
	s := policy.Sentence{Runs: []policy.Run{{Text: "We are", Strong: true}, {Text: " in "}, {Blank: policy.Region}, {Text: "."}}}
	if got := s.String(); got != "We are in {region}." {
		t.Errorf("got %q", got)
	}
}
