package opa

import (
	"context"
	"encoding/json"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/policies"
)

func rulesIn(t *testing.T, files fs.FS) *Rules {
	t.Helper()
	r, err := OpenCandidate(t.Context(), files)
	must(t, err)
	return r
}

// What a decision says is what it says when it is asked again, byte for byte.
func TestDecisionsAreMadeAgain(t *testing.T) {
	p, ctx, again := policy(t, time.Hour), t.Context(), rulesIn(t, policies.Bundle)
	var made []event.Decision
	keep := func(d event.Decision, err error) {
		must(t, err)
		made = append(made, d)
	}
	_, d, err := p.Deadline(ctx, noon)
	keep(d, err)
	for _, ask := range []func() (bool, event.Decision, error){
		func() (bool, event.Decision, error) { return p.Downloaded(ctx, false) },
		func() (bool, event.Decision, error) { return p.Due(ctx, noon, noon) },
		func() (bool, event.Decision, error) { return p.Requested(ctx) },
		func() (bool, event.Decision, error) { return p.Blob(ctx, "holder", "cutout", true) },
		func() (bool, event.Decision, error) { return p.Blob(ctx, "processor", "cutout", false) },
		func() (bool, event.Decision, error) { return p.KeyDue(ctx, "visit", noon, noon) },
	} {
		_, d, err := ask()
		keep(d, err)
	}
	for _, d := range made {
		got, result, err := again.Evaluate(ctx, d.Rule, d.Input)
		if err != nil || !reflect.DeepEqual(got, d) || !json.Valid(result) {
			t.Errorf("%+v is made again as %+v, %s, %v", d, got, result, err)
		}
	}
}

func TestAccessToBlobs(t *testing.T) {
	p := policy(t, time.Hour)
	for _, tt := range []struct {
		reader, purpose string
		own, yes        bool
	}{
		{"holder", "cutout", true, true},
		{"processor", "cutout", true, true},
		{"holder", "cutout", false, false},
		{"support", "cutout", true, false},
		{"holder", "support", true, false},
		{"holder", "training", true, false},
		{"anybody", "cutout", true, false},
	} {
		yes, d, err := p.Blob(t.Context(), tt.reader, tt.purpose, tt.own)
		if yes != tt.yes || yes != (d.Outcome == "allow") || yes && err != nil || len(d.Input) == 0 {
			t.Errorf("%+v: %v, %+v, %v", tt, yes, d, err)
		}
	}
}

func TestEvaluateDeniesWhatIsNotDecided(t *testing.T) {
	r := rulesIn(t, policies.Bundle)
	for name, tt := range map[string]struct{ rule, input string }{
		"no such rule":     {"retention.never", `{}`},
		"no name of one":   {"retention.{", `{}`},
		"unknown kind":     {"retention.requested", `{"kind":"song"}`},
		"no object":        {"retention.requested", `[]`},
		"no JSON":          {"retention.requested", `{`},
		"half a number":    {"retention.requested", `{"kind":1.5}`},
		"a member inside":  {"retention.requested", `{"kind":{}}`},
		"a list of things": {"retention.requested", `{"kind":[1]}`},
	} {
		d, result, err := r.Evaluate(t.Context(), tt.rule, json.RawMessage(tt.input))
		if err == nil || result != nil || d.Outcome != "deny" || d.Rule != tt.rule {
			t.Errorf("%s: %+v, %s, %v", name, d, result, err)
		}
	}
}

func TestReads(t *testing.T) {
	const head = "package retention\n\n# METADATA\n# scope: document\n# custom:\n#   promises: [image.delete-24h]\n"
	for name, tt := range map[string]struct {
		body           string
		read, required []string
	}{
		"two members":      {`due := {"decided": true, "allow": true} if input.a == input.b`, []string{"a", "b"}, nil},
		"by a helper":      {"due := {\"decided\": true, \"allow\": helped}\n\nhelped if input.c", []string{"c"}, nil},
		"by a function":    {"due := {\"decided\": true, \"allow\": f(1)}\n\nf(x) if input.d == x", []string{"d"}, nil},
		"deep":             {`due := {"decided": true, "allow": input.a.b.c}`, []string{"a"}, nil},
		"whole":            {`due := {"decided": true, "allow": count(input) > 1}`, []string{"*"}, nil},
		"its names only":   {`due := {"decided": true, "allow": true} if object.keys(input) == {"a"}`, nil, nil},
		"a computed name":  {`due := {"decided": true, "allow": true} if input[input.a]`, []string{"*", "a"}, nil},
		"renamed":          {"due := {\"decided\": true, \"allow\": true} if {\n\tx := input\n\tx.a\n}", []string{"*"}, nil},
		"in a loop":        {"due := {\"decided\": true, \"allow\": true} if {\n\tevery x in input.list { x == input.y }\n}", []string{"list", "y"}, nil},
		"named by a text":  {`due := {"decided": true, "allow": true} if input["a"]`, []string{"a"}, nil},
		"nothing":          {`due := {"decided": true, "allow": true}`, nil, nil},
		"by another rule":  {"due := {\"decided\": true, \"allow\": other.x}\n\nother := {\"x\": input.e}", []string{"e"}, nil},
		"not asked at all": {"due := {\"decided\": true, \"allow\": true}\n\nelsewhere if input.z", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := OpenRules(with(t, "retention/retention.rego", head+tt.body+"\n"))
			must(t, err)
			read, required := r.Reads("retention.due")
			if !slices.Equal(read, tt.read) || !slices.Equal(required, tt.required) {
				t.Errorf("reads %v and requires %v; want %v and %v", read, required, tt.read, tt.required)
			}
		})
	}
	read, required := rulesIn(t, policies.Bundle).Reads("retention.limit")
	if !slices.Equal(read, []string{"due", "kind", "started"}) || !slices.Equal(required, []string{"kind", "started"}) {
		t.Errorf("retention.limit reads %v and requires %v", read, required)
	}
}

// The bundle's own rules name what they read, so that a change can be tried on history.
func TestRulesNameWhatTheyRead(t *testing.T) {
	b, err := load(source())
	must(t, err)
	r := &Rules{bundle: b, known: map[string]*question{}, reads: map[string]reading{}}
	for _, ref := range rules(b) {
		name := strings.TrimPrefix(ref.String(), "data.")
		read, required := r.Reads(name)
		if slices.Contains(read, anyMember) {
			t.Errorf("%s reads members that it does not name", name)
		}
		for _, member := range required {
			if !slices.Contains(read, member) {
				t.Errorf("%s requires %s and does not read it", name, member)
			}
		}
	}
}

func TestACandidateThatDoesNotCompile(t *testing.T) {
	rules, err := fs.ReadFile(policies.Bundle, "retention/retention.rego")
	must(t, err)
	broken := strings.Replace(string(rules), "is_boolean(input.whole)", "is_boolean(input.whole", 1)
	if _, err := OpenCandidate(t.Context(), with(t, "retention/retention.rego", broken)); err == nil || !strings.Contains(err.Error(), "retention/retention.rego:") {
		t.Errorf("got %v", err)
	}
	missing := strings.ReplaceAll(string(rules), "requested := ", "wished := ")
	if _, err := OpenCandidate(t.Context(), with(t, "retention/retention.rego", missing)); err == nil || !strings.Contains(err.Error(), "retention.requested") {
		t.Errorf("got %v", err)
	}
}

// RFC 8785, appendix and section 3.2: what inputs can hold of it is written alike, and the rest is refused.
func TestCanonicalIsRFC8785(t *testing.T) {
	for name, tt := range map[string]struct {
		given map[string]any
		want  string
	}{
		// Section 3.2.3: names sort by their UTF-16 units; of the RFC's seven, three are ASCII.
		"sorting":         {map[string]any{"a": "x", "1": "One", "A": "y", "10": "Ten", "_": "z"}, `{"1":"One","10":"Ten","A":"y","_":"z","a":"x"}`},
		"escapes":         {map[string]any{"string": `A'"\/`}, `{"string":"A'\"\\/"}`},
		"literals":        {map[string]any{"literals": true, "not": false}, `{"literals":true,"not":false}`},
		"largest integer": {map[string]any{"n": int64(9007199254740991)}, `{"n":9007199254740991}`},
		"least integer":   {map[string]any{"n": int64(-9007199254740991)}, `{"n":-9007199254740991}`},
		"zero":            {map[string]any{"n": int64(0)}, `{"n":0}`},
		"a long integer":  {map[string]any{"n": int64(100000000000000)}, `{"n":100000000000000}`},
		"order of a list": {map[string]any{"l": []string{"b", "a", ""}}, `{"l":["b","a",""]}`},
		"empty":           {map[string]any{}, `{}`},
	} {
		got, err := canonical(tt.given)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: got %s, %v; want %s", name, got, err, tt.want)
		}
		back, err := membersOf(got)
		must(t, err)
		if again, err := canonical(back); err != nil || string(again) != tt.want {
			t.Errorf("%s: read and written again it is %s, %v", name, again, err)
		}
	}
	// The RFC's own examples that need more than inputs may hold.
	for _, beyond := range []map[string]any{
		{"numbers": 333333333.33333329},
		{"numbers": 1e30},
		{"\u20ac": "Euro Sign"},
		{"\r": "Carriage Return"},
		{"string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"/"},
		{"literals": nil},
		{"\u0080": "Control"},
	} {
		if got, err := canonical(beyond); err == nil {
			t.Errorf("%v is taken as %s", beyond, got)
		}
	}
}

// Nobody waits for one who has gone.
func TestEvaluateEndsWithItsContext(t *testing.T) {
	r := rulesIn(t, policies.Bundle)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if d, _, err := r.Evaluate(ctx, "retention.requested", json.RawMessage(`{"kind":"image"}`)); err == nil && d.Outcome != "allow" {
		t.Errorf("got %+v", d)
	}
}
