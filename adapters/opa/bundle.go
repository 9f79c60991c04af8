package opa

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

// bundle is a compiled policy bundle, ready to be asked.
type bundle struct {
	revision int64
	compiler *ast.Compiler
	data     map[string]any
}

// load reads a bundle: .manifest, data/*.json with their schema.json, and every *.rego that is
// not a test.
func load(files fs.FS) (*bundle, error) {
	b := &bundle{data: map[string]any{}}
	var err error
	if b.revision, err = revision(files); err != nil {
		return nil, err
	}
	if err := b.loadData(files); err != nil {
		return nil, err
	}
	modules, err := parse(files)
	if err != nil {
		return nil, err
	}
	b.compiler, err = compile(modules)
	return b, err
}

func revision(files fs.FS) (int64, error) {
	content, err := fs.ReadFile(files, ".manifest")
	if err != nil {
		return 0, err
	}
	var manifest struct {
		Revision string `json:"revision"` // OPA's bundle format has it as a text
	}
	if err := json.Unmarshal(content, &manifest); err != nil {
		return 0, fmt.Errorf(".manifest: %w", err)
	}
	n, err := strconv.ParseInt(manifest.Revision, 10, 64)
	if err != nil || n < 1 {
		return 0, errors.New(".manifest: the revision is a whole number from 1 on")
	}
	return n, nil
}

// parse reads the modules of a bundle.
func parse(files fs.FS) (map[string]*ast.Module, error) {
	modules := map[string]*ast.Module{}
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(name) != ".rego" || strings.HasSuffix(name, "_test.rego") {
			return err
		}
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		modules[name], err = ast.ParseModuleWithOpts(name, string(content), parserOptions())
		return err
	})
	if err == nil && len(modules) == 0 {
		err = errors.New("there is no rule")
	}
	return modules, err
}

func parserOptions() ast.ParserOptions {
	return ast.ParserOptions{RegoVersion: ast.RegoV1, ProcessAnnotation: true, Capabilities: capabilities()}
}

// compile checks the modules, strictly and against the schemas in their METADATA.
func compile(modules map[string]*ast.Module) (*ast.Compiler, error) {
	c := newCompiler()
	if c.Compile(modules); c.Failed() {
		return nil, c.Errors
	}
	return c, nil
}

func newCompiler() *ast.Compiler {
	return ast.NewCompiler().
		WithDefaultRegoVersion(ast.RegoV1).
		WithCapabilities(capabilities()).
		WithStrict(true).
		WithSchemas(ast.NewSchemaSet()).
		WithUseTypeCheckAnnotations(true)
}

// capabilities are the built-in functions that rules may call: those that answer the same
// for ever. A rule that calls another does not compile.
func capabilities() *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion(ast.CapabilitiesRegoVersion(ast.RegoV1))
	c.AllowNet = []string{}
	c.Builtins = slices.DeleteFunc(c.Builtins, func(b *ast.Builtin) bool { return b.Nondeterministic })
	return c
}

// question is one rule, prepared.
type question struct {
	rule     string   // "retention.deadline"
	promises []string // from the rule's METADATA
	personal []string // attributes of its input that say something about one person; also from there
	revision int64
	query    rego.PreparedEvalQuery
}

// prepare makes a rule ready to be asked. The rule must say which promises it keeps, and may say which
// attributes of its input are personal.
func (b *bundle) prepare(ctx context.Context, rule string) (*question, error) {
	ref := ast.MustParseRef("data." + rule)
	if len(b.compiler.GetRulesExact(ref)) == 0 {
		return nil, fmt.Errorf("the rule %s is missing", rule)
	}
	metadata := b.compiler.GetAnnotationSet().GetDocumentScope(ref)
	promises, err := promisesOf(metadata)
	if err != nil {
		return nil, fmt.Errorf("the rule %s: %w", rule, err)
	}
	personal, err := personalOf(metadata)
	if err != nil {
		return nil, fmt.Errorf("the rule %s: %w", rule, err)
	}
	query, err := rego.New(
		rego.ParsedQuery(ast.NewBody(ast.NewExpr(ast.NewTerm(ref)))),
		rego.Compiler(b.compiler),
		rego.Store(inmem.NewFromObject(b.data)),
		rego.StrictBuiltinErrors(true),
	).PrepareForEval(ctx)
	if err != nil {
		return nil, fmt.Errorf("prepare the rule %s: %w", rule, err)
	}
	return &question{rule: rule, promises: promises, personal: personal, revision: b.revision, query: query}, nil
}

// promisesOf reads custom.promises of a rule's METADATA.
func promisesOf(metadata *ast.Annotations) ([]string, error) {
	if metadata == nil {
		return nil, errors.New("its METADATA is missing")
	}
	listed, ok := metadata.Custom["promises"].([]any)
	if !ok || len(listed) == 0 {
		return nil, errors.New("its METADATA names no promise")
	}
	promises := make([]string, 0, len(listed))
	for _, promise := range listed {
		id, ok := promise.(string)
		if !ok {
			return nil, errors.New("its METADATA names a promise that is no text")
		}
		promises = append(promises, id)
	}
	return promises, nil
}
