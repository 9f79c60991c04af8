package opa

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// mutant is a module with one change that some test has to notice.
type mutant struct {
	name   string // "keys.due: drop: input.now"
	rule   string // "due"
	module *ast.Module
}

// mutants returns every mutant of a module: each definition and each expression dropped, each
// expression negated, each constant changed, each comparison inverted and moved by its
// boundary, each sum turned into a difference and each product into a sum.
func mutants(module *ast.Module) (all []mutant) {
	seen := map[string]int{}
	for rule := range module.Rules {
		for site := 0; ; site++ {
			changed := module.Copy()
			m := &mutator{left: site}
			m.rule(changed, rule)
			if m.done == "" {
				break
			}
			name := fmt.Sprintf("%s: %s", strings.TrimPrefix(module.Rules[rule].Ref().String(), "data."), m.done)
			if seen[name]++; seen[name] > 1 {
				name += fmt.Sprintf(" (%d)", seen[name])
			}
			all = append(all, mutant{name: name, rule: nameOf(module.Rules[rule]), module: changed})
		}
	}
	return all
}

// nameOf is a rule's name, also where its head goes on in brackets.
func nameOf(rule *ast.Rule) string {
	return strings.Trim(rule.Head.Ref()[0].String(), `"`)
}

// mutator walks one rule and makes the change at the site whose turn it is.
type mutator struct {
	left int    // sites to pass by before the change
	done string // what was changed
}

// here says whether this site is the one.
func (m *mutator) here() bool {
	m.left--
	return m.left == -1
}

func (m *mutator) rule(module *ast.Module, i int) {
	rule := module.Rules[i]
	if m.here() {
		m.done = "drop the definition: " + short(rule.Head.Value.String())
		if rule.Default {
			m.done = "drop the default"
		}
		module.Rules = append(module.Rules[:i:i], module.Rules[i+1:]...)
		return
	}
	m.term(rule.Head.Value)
	if !rule.Default { // a default's body is the parser's
		m.body(&rule.Body)
	}
}

func (m *mutator) body(body *ast.Body) {
	for i, expr := range *body {
		text := short(expr.String())
		binds := expr.IsAssignment() || isSome(expr)
		if !binds && m.here() {
			m.done = "drop: " + text
			rest := append(append(ast.Body{}, (*body)[:i]...), (*body)[i+1:]...)
			if len(rest) == 0 {
				rest = ast.NewBody(ast.NewExpr(ast.BooleanTerm(true)))
			}
			*body = rest
			return
		}
		if _, isEvery := expr.Terms.(*ast.Every); !binds && !isEvery && m.here() {
			m.done = "negate: " + text
			expr.Negated = !expr.Negated
			return
		}
		m.expr(expr)
	}
}

func isSome(expr *ast.Expr) bool {
	_, is := expr.Terms.(*ast.SomeDecl)
	return is
}

func (m *mutator) expr(expr *ast.Expr) {
	switch terms := expr.Terms.(type) {
	case *ast.Term:
		m.term(terms)
	case []*ast.Term:
		m.call(terms, expr.String())
	case *ast.Every:
		m.term(terms.Domain)
		m.body(&terms.Body)
	case *ast.SomeDecl: // binds names, and holds no constant
	}
}

// other is what an operator becomes.
var other = map[string][]string{
	"eq": {"neq"}, "equal": {"neq"}, "neq": {"equal"},
	"lt": {"gte", "lte"}, "gte": {"lt", "gt"}, "lte": {"gt", "lt"}, "gt": {"lte", "gte"},
	"plus": {"minus"}, "minus": {"plus"}, "mul": {"plus"}, "min": {"max"},
}

func (m *mutator) call(terms []*ast.Term, text string) {
	operator := terms[0].Value.String()
	for _, becomes := range other[operator] {
		if m.here() {
			m.done = fmt.Sprintf("%s instead of %s: %s", becomes, operator, short(text))
			terms[0] = ast.NewTerm(ast.Ref{ast.VarTerm(becomes)})
			return
		}
	}
	for _, term := range terms[1:] {
		m.term(term)
	}
}

func (m *mutator) term(term *ast.Term) {
	switch v := term.Value.(type) {
	case ast.Boolean:
		m.becomes(term, !v)
	case ast.String:
		m.becomes(term, v+"_")
	case ast.Number:
		n, _ := v.Int64()
		m.becomes(term, ast.Number(json.Number(fmt.Sprint(n+1))))
		m.becomes(term, ast.Number(json.Number(fmt.Sprint(n-1))))
	case ast.Call:
		m.call(v, term.String())
	case *ast.Array:
		elements := make([]*ast.Term, v.Len())
		for i := range elements {
			elements[i] = v.Elem(i)
			m.term(elements[i])
		}
		term.Value = ast.NewArray(elements...)
	case ast.Set:
		elements := v.Slice()
		for _, element := range elements {
			m.term(element)
		}
		term.Value = ast.NewSet(elements...)
	case ast.Object:
		var members [][2]*ast.Term
		for _, key := range v.Keys() {
			member := [2]*ast.Term{key, v.Get(key)}
			m.term(member[0])
			m.term(member[1])
			members = append(members, member)
		}
		term.Value = ast.NewObject(members...)
	case *ast.SetComprehension:
		m.term(v.Term)
		m.body(&v.Body)
	case *ast.ArrayComprehension:
		m.term(v.Term)
		m.body(&v.Body)
	case *ast.ObjectComprehension:
		m.term(v.Key)
		m.term(v.Value)
		m.body(&v.Body)
	}
}

func (m *mutator) becomes(term *ast.Term, value ast.Value) {
	if m.here() {
		m.done = fmt.Sprintf("%v instead of %v", value, term.Value)
		term.Value = value
	}
}

// short keeps names of mutants on one line.
func short(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > 120 {
		return text[:120] + "…"
	}
	return text
}

// What is changed in a small rule, and nothing is forgotten.
func TestMutantsOfASmallRule(t *testing.T) {
	module, err := ast.ParseModuleWithOpts("x.rego", `package x

default a := {"allow": false}

a := {"allow": true} if {
	input.n >= 3
	not input.stop
}
`, parserOptions())
	must(t, err)
	var names []string
	for _, m := range mutants(module) {
		names = append(names, m.name)
	}
	for _, want := range []string{
		"x.a: drop the default", `x.a: true instead of false`, `x.a: "allow_" instead of "allow"`,
		"x.a: drop: gte(input.n, 3)", "x.a: negate: gte(input.n, 3)", "x.a: lt instead of gte: gte(input.n, 3)", "x.a: gt instead of gte: gte(input.n, 3)",
		"x.a: 4 instead of 3", "x.a: 2 instead of 3", "x.a: drop: not input.stop", "x.a: negate: not input.stop",
	} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is missing among %q", want, names)
		}
	}
}
