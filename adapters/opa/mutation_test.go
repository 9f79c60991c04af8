//go:build !race

// The race detector makes this run several times slower and finds nothing new in it: what runs at
// once shares nothing. make test runs it apart, without the detector.

package opa

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"
)

// atOnce is how many mutants are tried side by side.
const atOnce = 2

// Every change of a rule makes a test of its own folder fail. A mutant that no test can kill,
// because it answers the same to everything, stands with its reason in testdata/equivalent.json.
func TestMutantsAreKilled(t *testing.T) {
	b, err := load(source())
	must(t, err)
	store := inmem.NewFromObject(b.data)
	equivalent := equivalents(t)
	tried, killed, invalid := 0, 0, 0
	start := time.Now()
	for name, rules := range parsed(t, false) {
		test := strings.TrimSuffix(name, ".rego") + "_test.rego"
		content, err := fs.ReadFile(source(), test)
		must(t, err)
		tests, err := ast.ParseModuleWithOpts(test, string(content), parserOptions())
		must(t, err)
		for m, verdict := range tryAll(t, store, rules, tests) {
			tried++
			reason, listed := equivalent[m]
			delete(equivalent, m)
			switch {
			case verdict == invalidMutant:
				invalid++
				t.Logf("does not compile: %s", m)
			case verdict == survived && !listed:
				t.Errorf("no test notices %s", m)
			case verdict == survived:
			case listed:
				t.Errorf("a test notices %s, which testdata/equivalent.json lists (%q)", m, reason)
			default:
				killed++
			}
		}
	}
	for m := range equivalent {
		t.Errorf("testdata/equivalent.json lists %s, which is no mutant", m)
	}
	t.Logf("%d mutants tried: %d killed, %d do not compile, %d equivalent, in %v",
		tried, killed, invalid, tried-killed-invalid, time.Since(start).Round(time.Second))
	t.Log("rules are checked as by opa check --strict and opa fmt, and by the project's own checks; Regal is not among the tools")
	if tried < 500 {
		t.Errorf("only %d mutants", tried)
	}
}

func equivalents(t *testing.T) map[string]string {
	t.Helper()
	content, err := os.ReadFile("testdata/equivalent.json")
	must(t, err)
	var listed map[string]string
	must(t, json.Unmarshal(content, &listed))
	for m, reason := range listed {
		if len(reason) < 20 {
			t.Errorf("%s is said to be equivalent without a reason", m)
		}
	}
	return listed
}

type verdict int

const (
	survived verdict = iota
	noticed
	invalidMutant // the compiler refuses it
)

// tryAll tries all mutants of a module, side by side.
func tryAll(t *testing.T, store storage.Store, rules, tests *ast.Module) map[string]verdict {
	t.Helper()
	about := map[string]*ast.Module{} // a rule's own tests
	for _, rule := range rules.Rules {
		name := nameOf(rule)
		if about[name] == nil {
			about[name] = testsOf(tests, name)
			if len(about[name].Rules) == 0 {
				t.Fatalf("nothing tests %v.%s", rules.Package.Path, name)
			}
			if try(t, store, mutant{module: rules.Copy(), rule: name}, about[name]) != survived {
				t.Errorf("the tests of %v.%s fail as they are", rules.Package.Path, name)
			}
		}
	}
	all := mutants(rules)
	verdicts := make([]verdict, len(all))
	next := make(chan int)
	var wait sync.WaitGroup
	for range atOnce {
		wait.Go(func() {
			for i := range next {
				verdicts[i] = try(t, store, all[i], about[all[i].rule])
			}
		})
	}
	for i := range all {
		next <- i
	}
	close(next)
	wait.Wait()
	found := map[string]verdict{}
	for i, m := range all {
		found[m.name] = verdicts[i]
	}
	return found
}

// testsOf returns the tests that ask a rule, with what they need. Rules do not ask each other, so
// no other test can notice a change of it.
func testsOf(tests *ast.Module, name string) *ast.Module {
	wanted := map[string]bool{}
	subject := strings.TrimSuffix(strings.TrimPrefix(tests.Package.Path.String(), "data."), "_test")
	needs := func(rule *ast.Rule) bool {
		if wanted[nameOf(rule)] {
			return true
		}
		asks := false
		ast.WalkRefs(rule, func(ref ast.Ref) bool {
			asks = asks || len(ref) > 1 && ref[0].String() == subject && ref[1].Value.Compare(ast.String(name)) == 0
			return false
		})
		return asks && strings.HasPrefix(nameOf(rule), "test_")
	}
	for before := -1; before != len(wanted); {
		before = len(wanted)
		for _, rule := range tests.Rules {
			if needs(rule) {
				wanted[nameOf(rule)] = true
				ast.WalkVars(rule, func(v ast.Var) bool {
					wanted[string(v)] = true
					return false
				})
			}
		}
	}
	some := tests.Copy()
	some.Rules = slices.DeleteFunc(some.Rules, func(rule *ast.Rule) bool { return !wanted[nameOf(rule)] })
	return some
}

// try runs the tests of one rule against a mutant of it, until the first one fails.
func try(t *testing.T, store storage.Store, m mutant, tests *ast.Module) verdict {
	testName := tests.Package.Location.File
	m.module.Rules = slices.DeleteFunc(m.module.Rules, func(rule *ast.Rule) bool { return nameOf(rule) != m.rule })
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		t.Error(err)
		return survived
	}
	defer store.Abort(ctx, txn)
	compiler := ast.NewCompiler().WithDefaultRegoVersion(ast.RegoV1).WithCapabilities(capabilities())
	running, err := tester.NewRunner().
		SetCompiler(compiler).
		SetStore(store).
		SetParallel(1).
		CapturePrintOutput(false).
		SetModules(map[string]*ast.Module{"mutant.rego": m.module, testName: tests.Copy()}).
		RunTests(ctx, txn)
	if err != nil {
		return refused(err, testName)
	}
	said := survived
	for result := range running {
		if said == survived && !result.Pass() {
			said = noticed
			stop()
		}
	}
	return said
}

// refused tells a mutant that is no rule from one whose tests no longer compile, because it cannot
// answer what they compare with.
func refused(err error, testName string) verdict {
	var found ast.Errors
	if errors.As(err, &found) && slices.ContainsFunc(found, func(e *ast.Error) bool { return e.Location != nil && e.Location.File == testName }) {
		return noticed
	}
	return invalidMutant
}
