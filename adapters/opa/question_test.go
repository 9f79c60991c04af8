package opa

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/bgremover/bgremover/internal/usecase"
)

// asking has one rule in place of one that the service asks.
func asking(t *testing.T, rule, module string) *Policy {
	t.Helper()
	compiler, err := compile(map[string]*ast.Module{"x.rego": ast.MustParseModule(module)})
	must(t, err)
	query, err := rego.New(rego.Query("data."+rule), rego.Compiler(compiler)).PrepareForEval(t.Context())
	must(t, err)
	p := &Policy{}
	p.inForce.Store(&ruleset{questions: map[string]*question{rule: {rule: rule, query: query}}})
	return p
}

// Whoever goes before a rule has answered leaves no question behind: asked again, the rule might say yes to it.
func TestNoQuestionIsLeftBehind(t *testing.T) {
	p := asking(t, "access.blob", `package access

blob := {"decided": true, "allow": count(numbers.range(1, 50000000)) > 0} if input.own`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, d, err := p.Blob(ctx, "holder", "cutout", true)
	if !errors.Is(err, context.Canceled) || d.Outcome != denied || len(d.Input) > 0 {
		t.Errorf("%+v, %v", d, err)
	}
}

// A no that is ours and not the rule's holds no question either.
func TestUselessAnswers(t *testing.T) {
	p := asking(t, "upload.rate", `package upload

rate := {"decided": true, "allow": true} if input.scope`)
	_, d, err := p.Rate(t.Context(), usecase.Usage{Scope: usecase.ScopeVisitor, Uploads: 1, Pixels: 1})
	if !errors.Is(err, ErrDenied) || d.Outcome != denied || len(d.Input) > 0 {
		t.Errorf("%+v, %v", d, err)
	}
}

// An error says where a rule failed, and nothing of what it was asked.
func TestErrorsQuoteNothing(t *testing.T) {
	compiler, err := compile(map[string]*ast.Module{"a/x.rego": ast.MustParseModule(`package a

x := {"decided": true, "allow": time.parse_rfc3339_ns(input.when) > 0}`)})
	must(t, err)
	query, err := rego.New(rego.Query("data.a.x"), rego.Compiler(compiler), rego.StrictBuiltinErrors(true)).PrepareForEval(t.Context())
	must(t, err)
	_, _, err = (&question{rule: "a.x", query: query}).ask(t.Context(), map[string]any{"when": "Grace Hopper"})
	if err == nil || strings.Contains(err.Error(), "Grace") || !strings.Contains(err.Error(), "eval_builtin_error") {
		t.Error(err)
	}
}
