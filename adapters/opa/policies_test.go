package opa

import (
	"context"
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

// What the binary carries is everything that a decision depends on: all rules, all data. What people
// read and what tests need lies beside it.
func TestBundleIsComplete(t *testing.T) {
	in := func(files fs.FS) (names []string) {
		must(t, fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
			isRule := path.Ext(name) == ".rego" && !strings.HasSuffix(name, "_test.rego")
			if err == nil && !entry.IsDir() && (isRule || path.Dir(name) == "data" || name == ".manifest" || name == "schema.json") {
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
	got, err := Digest(policies.Bundle)
	must(t, err)
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
		metadata := b.compiler.GetAnnotationSet().GetDocumentScope(ref)
		schema, known := *metadata.Schemas[0].Definition, samples(t, b, metadata)
		decided := 0
		t.Run(rule, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				document := document(t, known)
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

// samples returns, for each member that a rule's schema knows, values that it accepts.
func samples(t *testing.T, b *bundle, metadata *ast.Annotations) map[string][]any {
	t.Helper()
	keys, _ := metadata.Custom["keys"].(map[string]any)
	found := map[string][]any{}
	for name, property := range entries(entries(*metadata.Schemas[0].Definition)["properties"]) {
		p := entries(property)
		listed, _ := p["enum"].([]any)
		table, fromData := keys[name].(string)
		switch {
		case len(listed) > 0:
			found[name] = listed
		case fromData:
			for key := range entries(b.data[table]) {
				found[name] = append(found[name], key)
			}
		case p["type"] == "boolean":
			found[name] = []any{true, false}
		case p["type"] == "integer":
			found[name] = []any{1, 2, 60, 86400, 86401}
		case p["type"] == "array":
			found[name] = []any{[]any{"email"}, []any{"email", "name"}, []any{"fact"}}
		case p["format"] == "date-time":
			found[name] = []any{"2026-03-02T12:00:00Z", "2026-03-02T12:00:00.5+01:00"}
		case p["type"] == "string":
			found[name] = []any{"email", "payer"}
		}
		if len(found[name]) == 0 {
			t.Errorf("no value is known for %s", name)
		}
		slices.SortFunc(found[name], func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	}
	return found
}

// document draws inputs near what a rule knows: in half of the cases all right, so that
// something is decided; else with some members missing, of another type or unknown.
func document(t *rapid.T, known map[string][]any) map[string]any {
	wrong := []any{"noon", "selfie", 1.5, -1, 0, "60", "true", true, nil, []any{}, []any{"email", 1}, map[string]any{"a": "email"}, "2026-03-02T12:00:00"}
	right := rapid.Bool().Draw(t, "right")
	document := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		from := known[name]
		if !right {
			switch rapid.IntRange(0, 9).Draw(t, "of "+name) {
			case 0:
				continue
			case 1:
				from = wrong
			}
		}
		document[name] = rapid.SampledFrom(from).Draw(t, name)
	}
	if !right && rapid.IntRange(0, 9).Draw(t, "more") == 0 {
		document["vip"] = true
	}
	return document
}
