package opa

import (
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Rules look data up by key: an answer takes as long as the question, however much data there
// is. What they go through is the input and what they wrote down themselves.
func TestRulesDoNotIterateOverData(t *testing.T) {
	rules := 0
	for name, module := range parsed(t, false) {
		for _, rule := range module.Rules {
			rules++
			for _, problem := range iterations(rule) {
				t.Errorf("%s: %s", name, problem)
			}
		}
	}
	if rules < 20 {
		t.Errorf("only %d rules were looked at", rules)
	}
}

func TestIterationIsNoticed(t *testing.T) {
	for body, want := range map[string]bool{
		`data.periods[input.kind].maximum_s > 1`:                       false,
		`data.periods.image`:                                           false,
		`from := data.a[input.x].b; data.t[from].c`:                    false,
		`some x in input.fields; data.t[input.k][x]`:                   false,
		`every x in input.fields { data.t.a[x] }`:                      false,
		`all := {"a": data.t.a.b}; some why, holds in all; holds`:      false,
		`count({x | some x in input.fields; not data.t.a[x]}) == 0`:    false,
		`object.get(data.t[input.k], input.x, false)`:                  false,
		`data.periods[_].maximum_s`:                                    true,
		`data.periods[kind]; kind == "image"`:                          true,
		`some kind; data.periods[kind].x == 1`:                         true,
		`data.periods[input[_]].x`:                                     true,
		`some x in data.periods; x.maximum_s`:                          true,
		`every x in data.periods { x.maximum_s }`:                      true,
		`entry := data.periods.image; some x in entry; x == 1`:         true,
		`entry := data.t.a; entry[_] == 1`:                             true,
		`entry := data.t.a; deeper := entry.b; some x in deeper; x`:    true,
		`all := data.periods; all.image`:                               true,
		`count(data.periods) > 0`:                                      true,
		`count({x | some x in data.t.a}) > 0`:                          true,
		`merged := object.union(data.t.a, {"b": 1}); some x in merged`: true,
		`walk(data.t.a, [path, x])`:                                    true,
	} {
		module, err := ast.ParseModuleWithOpts("x.rego", "package x\n\na if {\n"+strings.ReplaceAll(body, "; ", "\n")+"\n}\n", parserOptions())
		must(t, err)
		if problems := iterations(module.Rules[0]); (len(problems) > 0) != want {
			t.Errorf("%s: %q; want some: %v", body, problems, want)
		}
	}
}

// names are what a rule calls things by.
type names struct {
	single map[ast.Var]bool // one value at a time: assigned, or bound by going through what may be gone through
	table  map[ast.Var]bool // holds data, or what was made of it
}

// iterations returns where a rule may go through data.
func iterations(rule *ast.Rule) (problems []string) {
	known := names{single: map[ast.Var]bool{}, table: map[ast.Var]bool{}}
	for _, argument := range rule.Head.Args {
		if v, is := argument.Value.(ast.Var); is {
			known.single[v] = true
		}
	}
	add := func(node ast.Node) { problems = append(problems, node.Loc().String()+": "+short(node.String())) }
	goesThrough := func(node ast.Node, domain *ast.Term, bound ...*ast.Term) {
		if !known.mayIterate(domain) {
			add(node)
		}
		for _, term := range bound {
			if v, is := term.Value.(ast.Var); is {
				known.single[v] = true
			}
		}
	}
	ast.WalkNodes(rule, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.Expr:
			if n.IsAssignment() {
				known.assign(n.Operand(0), n.Operand(1))
			}
		case *ast.SomeDecl:
			call, isIn := n.Symbols[0].Value.(ast.Call)
			if !isIn {
				add(n)
				break
			}
			goesThrough(n, call[len(call)-1], call[1:len(call)-1]...)
		case *ast.Every:
			bound := []*ast.Term{n.Value}
			if n.Key != nil {
				bound = append(bound, n.Key)
			}
			goesThrough(n, n.Domain, bound...)
		}
		return false
	})
	ast.WalkTerms(rule, func(term *ast.Term) bool {
		if ref, is := term.Value.(ast.Ref); is && !known.looksUp(ref) {
			add(term)
		}
		return false
	})
	return problems
}

func (n names) assign(left, right *ast.Term) {
	v, is := left.Value.(ast.Var)
	if !is {
		return
	}
	n.single[v] = true
	switch right.Value.(type) {
	case ast.Object, *ast.Array, ast.Set, *ast.SetComprehension, *ast.ArrayComprehension, *ast.ObjectComprehension:
		return // as long as the rule wrote it, or checked where it is made
	}
	ast.WalkRefs(right, func(ref ast.Ref) bool {
		head, _ := ref[0].Value.(ast.Var)
		n.table[v] = n.table[v] || ref.HasPrefix(ast.DefaultRootRef) || n.table[head]
		return false
	})
	ast.WalkVars(right, func(of ast.Var) bool {
		n.table[v] = n.table[v] || n.table[of]
		return false
	})
}

// mayIterate says whether something is as long as the input or the rule, whatever the data.
func (n names) mayIterate(domain *ast.Term) bool {
	switch v := domain.Value.(type) {
	case ast.Ref:
		return v.HasPrefix(ast.InputRootRef) && v.IsGround()
	case ast.Var:
		return n.single[v] && !n.table[v]
	case ast.Object, *ast.Array, ast.Set:
		return true
	}
	return false
}

// looksUp says whether a reference takes one entry of the data at most, and never a whole table.
func (n names) looksUp(ref ast.Ref) bool {
	if ref.String() == "walk" {
		return false
	}
	head, _ := ref[0].Value.(ast.Var)
	isData := ref.HasPrefix(ast.DefaultRootRef)
	if !isData && !n.table[head] {
		return true
	}
	if isData && len(ref) < 3 {
		return false
	}
	for _, key := range ref[1:] {
		switch k := key.Value.(type) {
		case ast.String:
		case ast.Var:
			if !n.single[k] {
				return false
			}
		case ast.Ref:
			if !k.HasPrefix(ast.InputRootRef) || !k.IsGround() {
				return false
			}
		default:
			return false
		}
	}
	return true
}
