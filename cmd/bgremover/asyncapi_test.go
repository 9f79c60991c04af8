package main

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/bgremover/bgremover/adapters/kafka"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/merkle"
)

var writeAsyncAPI = flag.Bool("write-asyncapi", false, "write docs/asyncapi.yaml anew")

const asyncapiFile = "../../docs/asyncapi.yaml"

func TestAsyncAPIIsCurrent(t *testing.T) {
	var out bytes.Buffer
	if code := run(t.Context(), []string{"asyncapi"}, streams{&out, os.Stderr}); code != 0 {
		t.Fatal(code)
	}
	if *writeAsyncAPI {
		if err := os.WriteFile(asyncapiFile, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	committed, err := os.ReadFile(asyncapiFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(committed, out.Bytes()) {
		t.Error("docs/asyncapi.yaml does not say what the program knows: write it anew with bin/bgremover asyncapi > docs/asyncapi.yaml")
	}
}

// tree is a document as it is read again.
type tree = map[string]any

func readAsyncAPI(t *testing.T) tree {
	t.Helper()
	text, err := asyncAPI(ledger.Facts())
	if err != nil {
		t.Fatal(err)
	}
	var doc tree
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// What AsyncAPI 3.0 asks of the parts that are used here.
func TestAsyncAPIIsValid(t *testing.T) {
	doc := readAsyncAPI(t)
	only := func(at string, v any, required []string, optional ...string) tree {
		t.Helper()
		node, ok := v.(tree)
		if !ok {
			t.Fatalf("%s is a %T", at, v)
		}
		for _, name := range required {
			if _, there := node[name]; !there {
				t.Errorf("%s has no %s", at, name)
			}
		}
		for name := range node {
			if !slices.Contains(required, name) && !slices.Contains(optional, name) {
				t.Errorf("%s has %s, which is not known there", at, name)
			}
		}
		return node
	}
	only("the document", doc, []string{"asyncapi", "info", "defaultContentType", "channels", "operations", "components"})
	only("info", doc["info"], []string{"title", "version", "description", "license"})
	key := regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)
	channels := doc["channels"].(tree)
	for name, v := range channels {
		c := only("channel "+name, v, []string{"address", "description", "messages", "bindings"})
		if c["address"] != name || !key.MatchString(name) || len(c["messages"].(tree)) == 0 {
			t.Errorf("channel %s: %v", name, c)
		}
	}
	for name, v := range doc["operations"].(tree) {
		o := only("operation "+name, v, []string{"action", "channel", "summary"})
		if o["action"] != "send" && o["action"] != "receive" {
			t.Errorf("operation %s: %v", name, o["action"])
		}
	}
	components := only("components", doc["components"], []string{"messages", "schemas"})
	for name, v := range components["messages"].(tree) {
		only("message "+name, v, []string{"name", "title", "contentType", "payload"}, "summary", "headers", "examples")
	}
	resolve(t, doc, doc, "#")
}

// resolve wants every reference to lead somewhere.
func resolve(t *testing.T, doc tree, v any, at string) {
	t.Helper()
	switch v := v.(type) {
	case tree:
		if ref, is := v["$ref"].(string); is {
			if _, ok := lookup(doc, ref); !ok || len(v) != 1 {
				t.Errorf("%s refers to %s", at, ref)
			}
		}
		for name, inner := range v {
			resolve(t, doc, inner, at+"/"+name)
		}
	case []any:
		for i, inner := range v {
			resolve(t, doc, inner, at+"/"+strconv.Itoa(i))
		}
	}
}

func lookup(doc tree, ref string) (v any, ok bool) {
	v = doc
	for _, name := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
		node, is := v.(tree)
		if !is {
			return nil, false
		}
		if v, ok = node[name]; !ok {
			return nil, false
		}
	}
	return v, true
}

func TestAsyncAPIHasEveryTopicAndFact(t *testing.T) {
	doc := readAsyncAPI(t)
	var topics []string
	for _, topic := range kafka.Topics() {
		topics = append(topics, topic.Name)
	}
	slices.Sort(topics)
	if described := slices.Sorted(maps.Keys(doc["channels"].(tree))); !slices.Equal(described, topics) {
		t.Errorf("describes %v of %v", described, topics)
	}
	record := doc["channels"].(tree)[ledger.TopicRecord].(tree)["messages"].(tree)
	if described := slices.Sorted(maps.Keys(record)); !slices.Equal(described, factNames(ledger.Facts())) {
		t.Errorf("describes %v", described)
	}
}

// The samples, which stand for what is in somebody's record, fit what is said of them.
func TestAsyncAPIExamplesFitTheirSchemas(t *testing.T) {
	doc := readAsyncAPI(t)
	fitted := 0
	for name, v := range doc["components"].(tree)["messages"].(tree) {
		m := v.(tree)
		examples, _ := m["examples"].([]any)
		for _, e := range examples {
			example := e.(tree)
			for _, part := range []string{"headers", "payload"} {
				if err := fits(doc, m[part].(tree), example[part]); err != nil {
					t.Errorf("%s of %s: %v", part, name, err)
				}
				fitted++
			}
		}
	}
	if fitted < 2*len(ledger.Facts().Names()) {
		t.Errorf("%d examples", fitted)
	}
	sample := doc["components"].(tree)["messages"].(tree)["image.uploaded.v1"].(tree)
	payload := sample["examples"].([]any)[0].(tree)["payload"].(tree)
	payload["data"].(tree)["fact"].(tree)["name"] = "in clear"
	if err := fits(doc, sample["payload"].(tree), payload); err == nil {
		t.Error("a personal field in clear fits")
	}
}

// fits checks a value against those parts of JSON Schema that the document uses.
func fits(doc, schema tree, v any) error {
	for keyword, want := range schema {
		if err := fitsKeyword(doc, schema, keyword, want, v); err != nil {
			return err
		}
	}
	return nil
}

func fitsKeyword(doc, schema tree, keyword string, want, v any) error {
	bad := fmt.Errorf("%v does not fit %s %v", v, keyword, want)
	node, _ := v.(tree) // what is asked of objects holds for everything else
	switch keyword {
	case "$ref":
		target, _ := lookup(doc, want.(string))
		return fits(doc, target.(tree), v)
	case "allOf", "oneOf":
		matching := 0
		for _, one := range want.([]any) {
			err := fits(doc, one.(tree), v)
			if err == nil {
				matching++
			} else if keyword == "allOf" {
				return err
			}
		}
		if keyword == "oneOf" && matching != 1 {
			return bad
		}
	case "type":
		if names, several := want.([]any); several {
			for _, name := range names {
				if fitsKeyword(doc, schema, "type", name, v) == nil {
					return nil
				}
			}
			return bad
		}
		if !isType(want.(string), v) {
			return bad
		}
	case "const":
		if v != want {
			return bad
		}
	case "enum":
		if !slices.Contains(want.([]any), v) {
			return bad
		}
	case "pattern":
		if s, ok := v.(string); !ok || !regexp.MustCompile(want.(string)).MatchString(s) {
			return bad
		}
	case "required":
		for _, name := range want.([]any) {
			if _, there := node[name.(string)]; node != nil && !there {
				return bad
			}
		}
	case "properties":
		for name, inner := range want.(tree) {
			if value, there := node[name]; there {
				if err := fits(doc, inner.(tree), value); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
		}
	case "additionalProperties":
		known, _ := schema["properties"].(tree)
		for name, value := range node {
			if _, is := known[name]; is {
				continue
			}
			if want == false {
				return fmt.Errorf("%s is not known", name)
			}
			if err := fits(doc, want.(tree), value); err != nil {
				return err
			}
		}
	case "items":
		items, _ := v.([]any)
		for _, item := range items {
			if err := fits(doc, want.(tree), item); err != nil {
				return err
			}
		}
	case "minimum":
		if n, ok := v.(int); !ok || float64(n) < number(want) {
			return bad
		}
	case "format", "contentEncoding", "description":
	default:
		return fmt.Errorf("the keyword %s is not checked by this test", keyword)
	}
	return nil
}

func number(v any) float64 {
	if n, ok := v.(int); ok {
		return float64(n)
	}
	return math.NaN()
}

func isType(name string, v any) bool {
	switch v.(type) {
	case string:
		return name == "string"
	case bool:
		return name == "boolean"
	case int:
		return name == "integer" || name == "number"
	case float64:
		return name == "number"
	case tree:
		return name == "object"
	case []any:
		return name == "array"
	case nil:
		return name == "null"
	}
	return false
}

// What stands there as a signed note is one.
func TestAsyncAPINotesAreSigned(t *testing.T) {
	key := notes[0].sample
	for _, note := range notes[1:] {
		var err error
		if note.kind == "rotation" {
			_, err = merkle.OpenRotation([]byte(note.sample), key)
		} else {
			_, err = merkle.OpenCheckpoint([]byte(note.sample), key)
		}
		if err != nil {
			t.Errorf("%s: %v", note.kind, err)
		}
	}
}

// The values of closed types stand in the source, and every named text that a fact holds and
// that has constants is one.
func TestAsyncAPIKnowsTheClosedTypes(t *testing.T) {
	inSource := constants(t)
	held := map[reflect.Type]bool{}
	for _, name := range ledger.Facts().Names() {
		kind, _ := ledger.Facts().Kind(name)
		namedTexts(kind.Type(), held)
	}
	for typ := range held {
		values := inSource[filepath.Base(typ.PkgPath())+"."+typ.Name()]
		if len(values) > 1 && closed[typ] == nil {
			t.Errorf("%s has the constants %v, and is not among the closed types", typ, values)
		}
	}
	for typ, values := range closed {
		if want := inSource[filepath.Base(typ.PkgPath())+"."+typ.Name()]; !slices.Equal(slices.Sorted(slices.Values(values)), slices.Sorted(slices.Values(want))) {
			t.Errorf("%s has the constants %v, and is described with %v", typ, want, values)
		}
	}
}

func namedTexts(t reflect.Type, into map[reflect.Type]bool) {
	switch kind := t.Kind(); {
	case kind == reflect.String && t.PkgPath() != "":
		into[t] = true
	case kind == reflect.Struct:
		for f := range t.Fields() {
			if f.IsExported() {
				namedTexts(f.Type, into)
			}
		}
	case slices.Contains([]reflect.Kind{reflect.Slice, reflect.Array, reflect.Map, reflect.Pointer}, kind):
		namedTexts(t.Elem(), into)
	}
}

// constants reads the typed text constants of the domain: "image.Why" → its values.
func constants(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	files, err := filepath.Glob("../../domain/*/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, is := n.(*ast.ValueSpec)
			if !is || spec.Type == nil || len(spec.Values) != 1 {
				return true
			}
			typ, named := spec.Type.(*ast.Ident)
			value, literal := spec.Values[0].(*ast.BasicLit)
			if named && literal && value.Kind == token.STRING {
				text, _ := strconv.Unquote(value.Value)
				name := parsed.Name.Name + "." + typ.Name
				found[name] = append(found[name], text)
			}
			return true
		})
	}
	return found
}
