package opa

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/format"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/util"
	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/policies"
)

// source is the folder of the policies, with their tests.
func source() fs.FS { return os.DirFS("../../policies") }

func regoFiles(t testing.TB) (names []string) {
	t.Helper()
	must(t, fs.WalkDir(source(), ".", func(name string, _ fs.DirEntry, err error) error {
		if path.Ext(name) == ".rego" {
			names = append(names, name)
		}
		return err
	}))
	return names
}

// parsed returns the modules of the policies, tests among them if wanted.
func parsed(t testing.TB, withTests bool) map[string]*ast.Module {
	t.Helper()
	modules := map[string]*ast.Module{}
	for _, name := range regoFiles(t) {
		if strings.HasSuffix(name, "_test.rego") && !withTests {
			continue
		}
		content, err := fs.ReadFile(source(), name)
		must(t, err)
		modules[name], err = ast.ParseModuleWithOpts(name, string(content), parserOptions())
		must(t, err)
	}
	return modules
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestRegoIsFormatted(t *testing.T) {
	for _, name := range regoFiles(t) {
		content, err := fs.ReadFile(source(), name)
		must(t, err)
		want, err := format.SourceWithOpts(name, content, format.Opts{RegoVersion: ast.RegoV1})
		must(t, err)
		if string(content) != string(want) {
			t.Errorf("%s is not as opa fmt writes it; it would be:\n%s", name, want)
		}
	}
}

// Every rule's tests pass, and together they run every line of every rule.
func TestRegoTests(t *testing.T) {
	modules, lines := parsed(t, true), cover.New()
	results := runTests(t, modules, lines)
	for _, result := range results {
		if !result.Pass() || result.Skip {
			t.Errorf("%s.%s: %s", result.Package, result.Name, result)
		}
	}
	if len(results) < 10 {
		t.Errorf("only %d tests ran", len(results))
	}
	for name, file := range lines.Report(modules).Files {
		if !strings.HasSuffix(name, "_test.rego") && (file.Coverage != 100 || len(file.NotCovered) > 0) {
			t.Errorf("%s: %.0f%% of the rules are tested; not tested: %v", name, file.Coverage, file.NotCovered)
		}
	}
}

// runTests runs all tests in the modules as opa test does.
func runTests(t *testing.T, modules map[string]*ast.Module, lines *cover.Cover) (results []*tester.Result) {
	t.Helper()
	b, err := load(source())
	must(t, err)
	store := inmem.NewFromObject(b.data)
	txn, err := store.NewTransaction(t.Context())
	must(t, err)
	defer store.Abort(t.Context(), txn)
	running, err := tester.NewRunner().
		SetCompiler(newCompiler()).
		SetStore(store).
		SetModules(modules).
		SetCoverageQueryTracer(lines).
		RunTests(t.Context(), txn)
	must(t, err)
	for result := range running {
		results = append(results, result)
	}
	return results
}

// A rule that fails makes its test fail: the runner looks at every case of a table.
func TestRegoTestsCanFail(t *testing.T) {
	content, err := fs.ReadFile(source(), "retention/retention.rego")
	must(t, err)
	for was, becomes := range map[string]string{
		"input.period_s <= maximum_s":             "input.period_s <= maximum_s + 1",
		`"allow": input.whole`:                    `"allow": true`,
		">= time.parse_rfc3339_ns(input.due)":     "> time.parse_rfc3339_ns(input.due)",
		`object.keys(input) == {"kind"}`:          `object.keys(input) != {}`,
		"input.period_s == floor(input.period_s)": "true",
	} {
		changed := strings.Replace(string(content), was, becomes, 1)
		if changed == string(content) {
			t.Errorf("%q stands nowhere", was)
			continue
		}
		modules := parsed(t, true)
		modules["retention/retention.rego"], err = ast.ParseModuleWithOpts("retention/retention.rego", changed, parserOptions())
		must(t, err)
		results := runTests(t, modules, cover.New())
		if !slices.ContainsFunc(results, func(r *tester.Result) bool { return !r.Pass() }) {
			t.Errorf("no test notices %q instead of %q", becomes, was)
		}
	}
}

// What the binary carries is everything but the tests.
func TestBundleIsComplete(t *testing.T) {
	beside := []string{"embed.go", "promises.yaml", "revisions.json"}
	in := func(files fs.FS) (names []string) {
		must(t, fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
			if err == nil && !entry.IsDir() && !slices.Contains(beside, name) && !strings.HasSuffix(name, "_test.rego") {
				names = append(names, name)
			}
			return err
		}))
		return names
	}
	if got, want := in(policies.Bundle), in(source()); !slices.Equal(got, want) {
		t.Errorf("the bundle holds %v; the folder %v", got, want)
	}
}

// A decision in the record names a revision, so one revision is one bundle for ever.
// After a change, raise the revision in .manifest and add its line to revisions.json.
func TestRevisionsAreRaised(t *testing.T) {
	content, err := fs.ReadFile(source(), "revisions.json")
	must(t, err)
	var digests map[string]string
	must(t, json.Unmarshal(content, &digests))
	current, err := revision(policies.Bundle)
	must(t, err)
	hash := sha256.New()
	must(t, fs.WalkDir(policies.Bundle, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(policies.Bundle, name)
		_, _ = fmt.Fprintf(hash, "%s %d\n%s", name, len(content), content)
		return err
	}))
	got := hex.EncodeToString(hash.Sum(nil))
	if want := digests[strconv.FormatInt(current, 10)]; got != want || int64(len(digests)) != current {
		t.Errorf("revision %d of %d has the digest %s; revisions.json says %q", current, len(digests), got, want)
	}
}

// known are the ids in promises.yaml.
func known(t *testing.T) map[string]bool {
	t.Helper()
	content, err := fs.ReadFile(source(), "promises.yaml")
	must(t, err)
	var catalogue struct {
		Promises []struct{ ID, Kind, Text string }
	}
	must(t, util.Unmarshal(content, &catalogue))
	ids := map[string]bool{}
	for _, p := range catalogue.Promises {
		if p.ID == "" || p.Text == "" || !slices.Contains([]string{"enforced", "tested", "attested", "information"}, p.Kind) || ids[p.ID] {
			t.Errorf("promises.yaml: %+v lacks something, or stands twice", p)
		}
		ids[p.ID] = true
	}
	return ids
}

func TestEveryRuleNamesItsPromises(t *testing.T) {
	b, err := load(source())
	must(t, err)
	ids := known(t)
	for _, rule := range rules(b) {
		metadata := b.compiler.GetAnnotationSet().GetDocumentScope(rule)
		promises, err := promisesOf(metadata)
		if err != nil {
			t.Errorf("%v: %v", rule, err)
			continue
		}
		if metadata.Title == "" || metadata.Description == "" || len(metadata.Schemas) == 0 {
			t.Errorf("%v: its METADATA lacks a title, a description or the schema of its input", rule)
		}
		for _, id := range promises {
			if !ids[id] {
				t.Errorf("%v names the promise %s, which promises.yaml does not know", rule, id)
			}
		}
	}
}

// rules returns the references of all rules, each once.
func rules(b *bundle) []ast.Ref {
	found := map[string]ast.Ref{}
	for _, module := range b.compiler.Modules {
		for _, rule := range module.Rules {
			found[rule.Ref().String()] = rule.Ref()
		}
	}
	return slices.Collect(maps.Values(found))
}

// Every rule has a default, and the default denies.
func TestEveryDefaultDenies(t *testing.T) {
	b, err := load(source())
	must(t, err)
	want := ast.MustParseTerm(`{"decided": false, "allow": false}`)
	for _, ref := range rules(b) {
		denies := false
		for _, rule := range b.compiler.GetRulesExact(ref) {
			denies = denies || rule.Default && rule.Head.Value.Equal(want)
		}
		if !denies {
			t.Errorf("%v has no default that denies", ref)
		}
	}
}

// Rules look data up by key: an answer takes as long as the question, however much data there is.
func TestRulesDoNotIterateOverData(t *testing.T) {
	for name, module := range parsed(t, false) {
		ast.WalkNodes(module, func(node ast.Node) bool {
			switch n := node.(type) {
			case *ast.SomeDecl, *ast.Every:
				t.Errorf("%s: %v iterates", name, n)
			case *ast.Term:
				if problem := iterates(n); problem {
					t.Errorf("%s, line %d: %v may iterate", name, n.Location.Row, n)
				}
			}
			return false
		})
	}
}

func iterates(term *ast.Term) bool {
	switch v := term.Value.(type) {
	case *ast.ArrayComprehension, *ast.SetComprehension, *ast.ObjectComprehension:
		return true
	case ast.Ref:
		if v.String() == "walk" {
			return true
		}
		return v.HasPrefix(ast.DefaultRootRef) && slices.ContainsFunc(v[1:], func(key *ast.Term) bool {
			if of, isRef := key.Value.(ast.Ref); isRef {
				return !of.HasPrefix(ast.InputRootRef) || !of.IsGround()
			}
			_, isText := key.Value.(ast.String)
			return !isText
		})
	}
	return false
}

func TestIterationIsNoticed(t *testing.T) {
	for body, want := range map[string]bool{
		"data.periods[input.kind].maximum_s": false,
		"data.periods.image":                 false,
		"data.periods[_]":                    true,
		"data.periods[kind]":                 true,
		"data.periods[input[_]]":             true,
		"[x | x := data.periods]":            true,
	} {
		if got := iterates(ast.MustParseTerm(body)); got != want {
			t.Errorf("%s: %v; want %v", body, got, want)
		}
	}
}

// A rule that asks for the time, the network or chance does not compile.
func TestRulesCannotAskTheWorld(t *testing.T) {
	for _, call := range []string{
		`time.now_ns()`, `http.send({"method": "get", "url": "http://127.0.0.1"})`, `rand.intn("x", 2)`,
		`uuid.rfc4122("x")`, `opa.runtime()`, `net.lookup_ip_addr("localhost")`,
	} {
		module, err := ast.ParseModuleWithOpts("x.rego", "package x\n\na := "+call, parserOptions())
		if err == nil {
			_, err = compile(map[string]*ast.Module{"x.rego": module})
		}
		if err == nil {
			t.Errorf("%s compiles", call)
		}
	}
}

// The schema in a rule's METADATA is what the rule accepts: whatever else it is asked, it
// does not decide.
func TestRulesDecideOnlyWhatTheirSchemaKnows(t *testing.T) {
	b, err := load(source())
	must(t, err)
	matches, err := rego.New(rego.Query("json.match_schema(input.document, input.schema)")).PrepareForEval(t.Context())
	must(t, err)
	for _, ref := range rules(b) {
		rule := strings.TrimPrefix(ref.String(), "data.")
		q, err := b.prepare(t.Context(), rule)
		must(t, err)
		schema := *b.compiler.GetAnnotationSet().GetDocumentScope(ref).Schemas[0].Definition
		decided := 0
		t.Run(rule, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				document := document(t, properties(schema), anyKind(schema))
				exact, err := json.Marshal(document)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := q.evaluate(context.Background(), exact); err != nil {
					return
				}
				decided++
				result, err := matches.Eval(context.Background(), rego.EvalInput(map[string]any{"document": document, "schema": schema}))
				if err != nil {
					t.Fatal(err)
				}
				if verdict := fmt.Sprint(result[0].Expressions[0].Value); verdict != "[true []]" {
					t.Fatalf("decided %s, which the schema refuses: %s", exact, verdict)
				}
			})
			if decided == 0 {
				t.Error("nothing was decided: the test tests nothing")
			}
		})
	}
}

// properties returns the names that a rule's schema knows.
func properties(schema any) []string {
	known, _ := schema.(map[string]any)["properties"].(map[string]any)
	return slices.Sorted(maps.Keys(known))
}

// anyKind returns a kind of thing that the rule knows.
func anyKind(schema any) any {
	known, _ := schema.(map[string]any)["properties"].(map[string]any)
	kind, _ := known["kind"].(map[string]any)
	if kinds, _ := kind["enum"].([]any); len(kinds) > 0 {
		return kinds[0]
	}
	return "image"
}

// document draws inputs near what a rule knows: right and wrong values under right and wrong
// names, and in a quarter of the cases everything right, so that something is decided.
func document(t *rapid.T, own []string, kind any) map[string]any {
	shapes := [][]string{{"kind"}, {"kind", "whole"}, {"due", "kind", "now"}, {"kind", "period_s", "uploaded"}, {"kind", "vip"}, {}}
	if rapid.Bool().Draw(t, "own shape") {
		shapes = [][]string{own}
	}
	right := rapid.Bool().Draw(t, "right values")
	values := map[string][]any{
		"kind":     {kind, kind, "image", "invoice", 1, nil},
		"whole":    {true, false, "true", nil},
		"period_s": {60, 86400, 86401, 0, -1, 1.5, "60", []any{60}},
		"time":     {"2026-03-02T12:00:00Z", "2026-03-02T12:00:00Z", "2026-03-02T12:00:00.5+01:00", "noon", 0, nil},
	}
	document := map[string]any{}
	for _, name := range rapid.SampledFrom(shapes).Draw(t, "shape") {
		from, ok := values[name]
		if !ok {
			from = values["time"]
		}
		if right {
			from = from[:1]
		}
		document[name] = rapid.SampledFrom(from).Draw(t, name)
	}
	return document
}
