package published_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	rego "github.com/open-policy-agent/opa/v1/ast"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/published"
	"github.com/bgremover/bgremover/policies"
	"github.com/bgremover/bgremover/projections/promises"
)

const root = "../.."

// What a promise says backs it must be there: rules in the bundle that name the promise, facts
// in the registry, tests in the tree, addresses among the routes.
func TestPartsExist(t *testing.T) {
	rules, facts, routes := rulesOf(t), ledger.Facts().Names(), read(t, "adapters/web/routes.go")+read(t, "adapters/web/routes_desk.go")
	figures, checks := promises.Names(), checksOf(t)
	seen := 0
	for _, p := range ours(t).Promises {
		for _, rule := range p.Rules {
			if promised, ok := rules[rule]; !ok || !slices.Contains(promised, p.ID) {
				t.Errorf("%s: no rule %s of the bundle names this promise", p.ID, rule)
			}
		}
		for _, fact := range p.Facts {
			if !slices.Contains(facts, event.Name(fact)) {
				t.Errorf("%s: the registry knows no fact %s", p.ID, fact)
			}
		}
		for _, test := range p.Tests {
			folder, name, _ := strings.Cut(test, ".")
			if !slices.Contains(testsIn(t, folder), name) {
				t.Errorf("%s: there is no test %s in %s", p.ID, name, folder)
			}
		}
		if p.Where != "" && !strings.Contains(routes, `"GET `+p.Where+`"`) {
			t.Errorf("%s: there is no page %s", p.ID, p.Where)
		}
		if p.Figure != "" && !slices.Contains(figures, p.Figure) {
			t.Errorf("%s: there is no figure %s", p.ID, p.Figure)
		}
		if p.Check != "" && !slices.Contains(checks, p.Check) {
			t.Errorf("%s: there is no scheduled check %s", p.ID, p.Check)
		}
		if p.SignedBy != "" && !slices.Contains([]event.Role{event.Officer, event.Responder}, event.Role(p.SignedBy)) {
			t.Errorf("%s: nobody is a %s, who could sign", p.ID, p.SignedBy)
		}
		seen += len(p.Rules) + len(p.Facts) + len(p.Tests)
	}
	if seen < 100 {
		t.Errorf("only %d parts were looked for", seen)
	}
}

// A rule that keeps a promise stands among the promise's parts, so that its page shows it.
func TestPromisesNameTheirRules(t *testing.T) {
	all := ours(t).Promises
	for rule, promised := range rulesOf(t) {
		for _, id := range promised {
			p, ok := all.Promise(id)
			if !ok || !slices.Contains(p.Rules, rule) {
				t.Errorf("the rule %s names %s, and promises.yaml does not name the rule there", rule, id)
			}
		}
	}
}

// What is built is counted, and printed: never assumed.
func TestPromisesBacked(t *testing.T) {
	all := ours(t).Promises
	for _, state := range policy.States() {
		t.Logf("%d of %d promises: %s", all.Count(state), len(all), state)
		for _, p := range all {
			if p.State == state {
				t.Logf("  %-11s %s", p.Kind, p.ID)
			}
		}
	}
	if total := all.Count(policy.Built) + all.Count(policy.InPart) + all.Count(policy.NotBuilt); total != len(all) {
		t.Errorf("%d of %d have a state", total, len(all))
	}
}

// What the page shows as a rule's source is that rule, whole.
func TestRulesAreShown(t *testing.T) {
	shown, err := published.Rules(policies.Bundle)
	if err != nil {
		t.Fatal(err)
	}
	for rule := range rulesOf(t) {
		source, name := shown[rule], rule[strings.LastIndex(rule, ".")+1:]
		if strings.Count(source, "# METADATA") != 1 || !strings.Contains(source, "default "+name+" := ") || !strings.Contains(source, "\n"+name+" := ") {
			t.Errorf("of %s it would show\n%s", rule, source)
		}
	}
}

// Each figure and each check shows something that is promised, and says of which promise.
func TestEveryFigureAndCheckBacksAPromise(t *testing.T) {
	all := ours(t).Promises
	for _, figure := range promises.Names() {
		if !slices.ContainsFunc(all, func(p policy.Promise) bool { return p.Figure == figure }) {
			t.Errorf("no promise names the figure %s", figure)
		}
	}
	for _, check := range checksOf(t) {
		if !slices.ContainsFunc(all, func(p policy.Promise) bool { return p.Check == check }) {
			t.Errorf("no promise names the check %s", check)
		}
	}
}

// checksOf reads in the program's source which checks the sentinel is given: their names stand where each
// is made, as a usecase.Check or by the short form in checks.go.
func checksOf(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "cmd/bgremover/*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if check, ok := checkIn(n); ok {
				names = append(names, check)
			}
			return true
		})
	}
	if len(names) < 5 {
		t.Fatalf("only these checks were found: %v", names)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// checkIn returns the name of the check that a piece of source makes.
func checkIn(n ast.Node) (string, bool) {
	var name ast.Expr
	switch n := n.(type) {
	case *ast.CallExpr: // check("policy.dated", …)
		if f, ok := n.Fun.(*ast.Ident); ok && f.Name == "check" && len(n.Args) > 1 {
			name = n.Args[0]
		}
	case *ast.CompositeLit: // usecase.Check{Name: "policy.dated", …}
		of, ok := n.Type.(*ast.SelectorExpr)
		if !ok || of.Sel.Name != "Check" {
			break
		}
		for _, element := range n.Elts {
			if field, ok := element.(*ast.KeyValueExpr); ok {
				if key, ok := field.Key.(*ast.Ident); ok && key.Name == "Name" {
					name = field.Value
				}
			}
		}
	}
	text, ok := name.(*ast.BasicLit)
	if !ok || text.Kind != token.STRING {
		return "", false
	}
	check, err := strconv.Unquote(text.Value)
	return check, err == nil && strings.Contains(check, ".")
}

// rulesOf returns the rules of the bundle, and the promises that the METADATA of each names.
func rulesOf(t *testing.T) map[string][]policy.ID {
	t.Helper()
	found := map[string][]policy.ID{}
	err := fs.WalkDir(policies.Bundle, ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || path.Ext(name) != ".rego" {
			return err
		}
		content, err := fs.ReadFile(policies.Bundle, name)
		if err != nil {
			return err
		}
		module, err := rego.ParseModuleWithOpts(name, string(content), rego.ParserOptions{RegoVersion: rego.RegoV1, ProcessAnnotation: true})
		if err != nil {
			return err
		}
		of := strings.TrimPrefix(module.Package.Path.String(), "data.")
		for _, rule := range module.Rules {
			if !rule.Default {
				continue // each rule has one, with its METADATA
			}
			for _, annotation := range rule.Annotations {
				listed, _ := annotation.Custom["promises"].([]any)
				for _, id := range listed {
					text, _ := id.(string)
					rule := of + "." + rule.Head.Name.String()
					found[rule] = append(found[rule], policy.ID(text))
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Fatal("no rule names a promise: nothing was checked")
	}
	return found
}

// testsIn lists the tests of a folder, whatever they need to be built.
func testsIn(t *testing.T, folder string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				names = append(names, f.Name.Name)
			}
		}
	}
	return names
}

func read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
