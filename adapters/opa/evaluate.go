package opa

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/util"

	"github.com/bgremover/bgremover/domain/event"
)

// Rules are the rules of a bundle that need not be in force: what it decided once, or would
// decide. They are safe for concurrent use.
type Rules struct {
	bundle *bundle
	mu     sync.Mutex
	known  map[string]*question // nil: the bundle has no such rule
	reads  map[string]reading
}

// reading is what a rule reads of its input.
type reading struct{ read, required []string }

// OpenRules compiles a bundle. What is wrong with it is a refusal that names file and line.
func OpenRules(files fs.FS) (*Rules, error) {
	b, err := load(files)
	if err != nil {
		return nil, explain(files, err)
	}
	return &Rules{bundle: b, known: map[string]*question{}, reads: map[string]reading{}}, nil
}

// OpenCandidate is OpenRules for a bundle that is to come into force: it has every rule that
// the service asks.
func OpenCandidate(ctx context.Context, files fs.FS) (*Rules, error) {
	if _, err := prepare(ctx, files); err != nil {
		return nil, explain(files, err)
	}
	return OpenRules(files)
}

// Revision returns the bundle's revision.
func (r *Rules) Revision() int64 { return r.bundle.revision }

// Evaluate asks a rule with an input as the record holds it. The decision is as the record would hold it, and
// complete also with an error, which says why the rule decided nothing: then it denies. result
// is the rule's whole answer in one form; nil if it decided nothing.
func (r *Rules) Evaluate(ctx context.Context, rule string, input json.RawMessage) (d event.Decision, result json.RawMessage, err error) {
	d = event.Decision{Rule: rule, Revision: r.bundle.revision, Outcome: denied}
	q, err := r.question(ctx, rule)
	if err != nil {
		return d, nil, err
	}
	if q == nil {
		return d, nil, fmt.Errorf("the rule %s is missing", rule)
	}
	d.Promises = q.promises
	members, err := membersOf(input)
	if err != nil {
		return d, nil, err
	}
	exact, err := canonical(members)
	if err == nil {
		err = d.Ask(exact, q.personal)
	}
	if err != nil {
		return d, nil, err
	}
	a, err := q.evaluate(ctx, exact)
	if err != nil {
		return d, nil, fmt.Errorf("ask %s: %w", rule, err)
	}
	if a.allow {
		d.Outcome = allowed
	}
	result, err = json.Marshal(a.more)
	return d, result, err
}

// membersOf reads an input of the record as it was put together.
func membersOf(input json.RawMessage) (map[string]any, error) {
	var read map[string]any
	if err := util.UnmarshalJSON(input, &read); err != nil {
		return nil, err
	}
	for name, value := range read {
		switch v := value.(type) {
		case json.Number:
			n, err := v.Int64()
			if err != nil {
				return nil, errNotCanonical
			}
			read[name] = n
		case []any:
			texts := make([]string, len(v))
			for i, one := range v {
				text, ok := one.(string)
				if !ok {
					return nil, errNotCanonical
				}
				texts[i] = text
			}
			read[name] = texts
		}
	}
	return read, nil
}

// question prepares a rule when it is asked first; nil if there is none of this name.
func (r *Rules) question(ctx context.Context, rule string) (*question, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if q, known := r.known[rule]; known {
		return q, nil
	}
	if r.rulesOf(rule) == nil {
		r.known[rule] = nil
		return nil, nil
	}
	q, err := r.bundle.prepare(ctx, rule)
	if err == nil {
		r.known[rule] = q
	}
	return q, err
}

func (r *Rules) rulesOf(rule string) []*ast.Rule {
	ref, err := ast.ParseRef("data." + rule)
	if err != nil {
		return nil
	}
	return r.bundle.compiler.GetRulesExact(ref)
}

// anyMember stands for members that cannot be named by looking at the rule.
const anyMember = "*"

// Reads says which members of its input a rule refers to, itself or in rules and functions
// that it calls, and which its schema requires; both sorted. A reference that does not name its member counts
// as one to "*".
func (r *Rules) Reads(rule string) (read, required []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, ok := r.reads[rule]
	if !ok {
		known.read, known.required = r.readsOf(rule)
		r.reads[rule] = known
	}
	return known.read, known.required
}

func (r *Rules) readsOf(rule string) (read, required []string) {
	members := map[string]bool{}
	seen := map[*ast.Rule]bool{}
	next := r.rulesOf(rule)
	for len(next) > 0 {
		one := next[0]
		next = next[1:]
		if seen[one] {
			continue
		}
		seen[one] = true
		inputsOf(one, members)
		for dependency := range r.bundle.compiler.Graph.Dependencies(one) {
			if on, is := dependency.(*ast.Rule); is {
				next = append(next, on)
			}
		}
	}
	read = slices.Sorted(maps.Keys(members))
	if ref, err := ast.ParseRef("data." + rule); err == nil {
		required = requiredBy(r.bundle.compiler.GetAnnotationSet().GetDocumentScope(ref))
	}
	return read, required
}

// inputsOf collects the members of the input that one rule names. Comparing the names of its
// members, as every rule here does, is no reading.
func inputsOf(rule *ast.Rule, members map[string]bool) {
	// The compiler writes object.keys(input) as x = input; object.keys(x).
	whole := map[ast.Var]bool{}
	isWhole := func(term *ast.Term) bool {
		v, is := term.Value.(ast.Var)
		return is && whole[v] || isInput(term)
	}
	ast.WalkExprs(rule, func(e *ast.Expr) bool {
		if v, is := namesInput(e); is {
			whole[v] = true
		}
		return false
	})
	var walk *ast.GenericVisitor
	walk = ast.NewGenericVisitor(func(x any) bool {
		switch n := x.(type) {
		case *ast.Expr:
			_, names := namesInput(n)
			return names || n.IsCall() && n.Operator().String() == ast.ObjectKeys.Name && isWhole(n.Operand(0))
		case ast.Ref:
			if !n.HasPrefix(ast.InputRootRef) {
				return false
			}
			members[memberOf(n)] = true
			for _, inside := range n[1:] {
				walk.Walk(inside)
			}
			return true
		case ast.Var:
			if whole[n] || n.Equal(ast.InputRootDocument.Value) {
				members[anyMember] = true
			}
		}
		return false
	})
	walk.Walk(rule)
}

// namesInput says whether an expression gives the whole input another name.
func namesInput(e *ast.Expr) (ast.Var, bool) {
	if !e.IsEquality() && !e.IsAssignment() || !isInput(e.Operand(1)) {
		return "", false
	}
	v, is := e.Operand(0).Value.(ast.Var)
	return v, is
}

func isInput(term *ast.Term) bool {
	if ref, is := term.Value.(ast.Ref); is {
		return ref.Equal(ast.InputRootRef)
	}
	return term.Equal(ast.InputRootDocument)
}

func memberOf(ref ast.Ref) string {
	if len(ref) > 1 {
		if name, is := ref[1].Value.(ast.String); is {
			return string(name)
		}
	}
	return anyMember
}

func requiredBy(metadata *ast.Annotations) (names []string) {
	if metadata == nil || len(metadata.Schemas) == 0 || metadata.Schemas[0].Definition == nil {
		return nil
	}
	listed, _ := entries(*metadata.Schemas[0].Definition)["required"].([]any)
	for _, one := range listed {
		if name, is := one.(string); is {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
