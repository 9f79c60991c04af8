package opa

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

// alone makes a bundle of one rule: its definitions, and the data that they look up.
func alone(t testing.TB, b *bundle, rule string) *bundle {
	t.Helper()
	of, name, _ := strings.Cut(rule, ".")
	small := &bundle{revision: b.revision, data: map[string]any{}}
	for file, module := range parsed(t, false) {
		if module.Package.Path.String() != "data."+of {
			continue
		}
		module = module.Copy()
		module.Rules = slices.DeleteFunc(module.Rules, func(r *ast.Rule) bool { return nameOf(r) != name })
		module.Annotations = nil // those of the other rules would stand nowhere
		ast.WalkRefs(module, func(ref ast.Ref) bool {
			if len(ref) > 1 && ref.HasPrefix(ast.DefaultRootRef) {
				member, _ := ref[1].Value.(ast.String)
				if value, there := b.data[string(member)]; there {
					small.data[string(member)] = value
				}
			}
			return false
		})
		var err error
		small.compiler, err = compile(map[string]*ast.Module{file: module})
		must(t, err)
	}
	return small
}

// ready prepares a rule as [bundle.prepare] does, without its METADATA.
func ready(t testing.TB, b *bundle, rule string) *question {
	t.Helper()
	query, err := rego.New(
		rego.ParsedQuery(ast.NewBody(ast.NewExpr(ast.NewTerm(ast.MustParseRef("data."+rule))))),
		rego.Compiler(b.compiler), rego.Store(inmem.NewFromObject(b.data)), rego.StrictBuiltinErrors(true),
	).PrepareForEval(t.Context())
	must(t, err)
	return &question{rule: rule, query: query}
}

// inputs are what the tests of a rule begin with, by rule: an input that it decides.
func inputs(t testing.TB) map[string]json.RawMessage {
	t.Helper()
	found := map[string]json.RawMessage{}
	for name, module := range parsed(t, true) {
		if !strings.HasSuffix(name, "_test.rego") {
			continue
		}
		of := strings.TrimSuffix(strings.TrimPrefix(module.Package.Path.String(), "data."), "_test")
		for _, rule := range module.Rules {
			base, is := strings.CutSuffix(nameOf(rule), "_base")
			if !is {
				continue
			}
			value, err := ast.JSON(rule.Head.Value.Value)
			must(t, err)
			found[of+"."+base], err = json.Marshal(value)
			must(t, err)
		}
	}
	return found
}

// A rule answers the same whether the others are there or not.
func TestRulesStandAlone(t *testing.T) {
	b, err := load(source())
	must(t, err)
	known := inputs(t)
	for rule, input := range known {
		whole, err := ready(t, b, rule).evaluate(t.Context(), input)
		single, err2 := ready(t, alone(t, b, rule), rule).evaluate(t.Context(), input)
		if err != nil || err2 != nil {
			t.Errorf("%s: %v; alone: %v", rule, err, err2)
		}
		if whole.allow != single.allow || !maps.EqualFunc(whole.more, single.more, sameJSON) {
			t.Errorf("%s answers %+v, and alone %+v", rule, whole, single)
		}
	}
	if len(known) < 15 {
		t.Errorf("only %d rules", len(known))
	}
}

func sameJSON(a, b any) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return string(x) == string(y)
}

// BenchmarkFullBundle asks each rule with all rules and all data loaded, and in a bundle of that rule
// and its data alone, in turns; it reports the ratio of the medians, which may be 6 at most: what a
// rule costs is its own affair, and not that of how many others there are.
func BenchmarkFullBundle(b *testing.B) {
	all, err := load(source())
	must(b, err)
	known := inputs(b)
	for _, rule := range slices.Sorted(maps.Keys(known)) {
		whole, single := ready(b, all, rule), ready(b, alone(b, all, rule), rule)
		b.Run(rule, func(b *testing.B) {
			var inAll, inOne []time.Duration
			for b.Loop() {
				start := time.Now()
				_, err := whole.evaluate(b.Context(), known[rule])
				must(b, err)
				between := time.Now()
				_, err = single.evaluate(b.Context(), known[rule])
				must(b, err)
				inAll, inOne = append(inAll, between.Sub(start)), append(inOne, time.Since(between))
			}
			slices.Sort(inAll)
			slices.Sort(inOne)
			ratio := float64(inAll[len(inAll)/2]) / float64(inOne[len(inOne)/2])
			b.ReportMetric(ratio, "×alone")
			b.ReportMetric(float64(inAll[len(inAll)/2].Nanoseconds())/1000, "median-µs")
			if len(inAll) > 1000 && ratio > 6 {
				b.Errorf("%s takes %.1f times as long among all rules; 6 is the most", rule, ratio)
			}
		})
	}
}
