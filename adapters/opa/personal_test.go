package opa

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/policies"
)

// What a rule is asked about one person. Whoever adds an attribute to a rule decides on which side it stands: about a
// role, a class of things, a moment or an order, or about one person.
func TestPersonalAttributesAreMarked(t *testing.T) {
	want := map[string][]string{
		"access.view":    {"granted", "until"},
		"child.account":  {"band"},
		"child.consent":  {"band", "country", "parent"},
		"consent.given":  {"active", "capable"},
		"consent.live":   {"given", "withdrawn"},
		"marketing.send": {"consent", "registered", "suppressed", "wording"},
		"sharing.share":  {"gpc", "objected", "restricted"},
	}
	b, err := load(source())
	must(t, err)
	got := map[string][]string{}
	for _, rule := range rules(b) {
		marked, err := personalOf(b.compiler.GetAnnotationSet().GetDocumentScope(rule))
		if err != nil {
			t.Errorf("%v: %v", rule, err)
		}
		if len(marked) > 0 {
			got[strings.TrimPrefix(rule.String(), "data.")] = marked
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("personal are %v, want %v", got, want)
	}
}

// A rule that marks what its schema does not know is not asked: what it meant would be written in clear.
func TestPersonalAttributesAreInTheSchema(t *testing.T) {
	const rule = `package retention

# METADATA
# scope: document
# custom:
#   promises: [right.delete]
#   personal: PERSONAL
# schemas:
#   - input:
#       type: object
#       properties: {age: {type: integer}, kind: {type: string}}
default due := {"decided": false, "allow": false}
`
	for marked, want := range map[string]string{
		`[age]`:        "",
		`[age, kind]`:  "",
		`[kind, age]`:  "not sorted",
		`[age, age]`:   "not sorted",
		`[aged]`:       `"aged", which the schema`,
		`[age, 7]`:     `"7", which the schema`,
		`[]`:           "no list",
		`age`:          "no list",
		`{age: "yes"}`: "no list",
	} {
		b, err := load(with(t, "retention/retention.rego", strings.Replace(rule, "PERSONAL", marked, 1)))
		must(t, err)
		_, err = b.prepare(t.Context(), "retention.due")
		if (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", marked, err, want)
		}
	}
	noSchema := strings.Replace(strings.Replace(rule, "PERSONAL", "[age]", 1), rule[strings.Index(rule, "# schemas:"):strings.Index(rule, "default")], "", 1)
	b, err := load(with(t, "retention/retention.rego", noSchema))
	must(t, err)
	if _, err := b.prepare(t.Context(), "retention.due"); err == nil {
		t.Error("a rule without a schema marks an attribute")
	}
}

// What a person objected to is asked and is no part of what a decision shows, and the same question comes out of
// the decision again.
func TestPersonalAttributesOfSharing(t *testing.T) {
	p, again := policy(t, time.Hour), rulesIn(t, policies.Bundle)
	_, d, err := p.Share(t.Context(), usecase.SharingQuestion{
		Recipient: "partner", Purpose: "introduction", Category: "account", Basis: "consent", Fields: []string{"email"}, Expires: noon, Now: noon,
	})
	must(t, err)
	if !slices.Equal(d.Personal, []string{"gpc", "objected", "restricted"}) || d.Sealed != personal.Of(`{"gpc":false,"objected":false,"restricted":false}`) ||
		strings.Contains(string(d.Input), "objected") {
		t.Errorf("decided %+v, on %s", d, d.Input)
	}
	question, whole := d.Question()
	got, _, err := again.Evaluate(t.Context(), d.Rule, question)
	if err != nil || !whole || !reflect.DeepEqual(got, d) {
		t.Errorf("made again as %+v, %v", got, err)
	}
	if gone := overruled(d); gone.Personal != nil || !gone.Sealed.IsEmpty() || gone.Input != nil {
		t.Errorf("left out, and still there: %+v", gone)
	}
}

// Whatever a rule with personal attributes is asked, they are in the sealed part alone.
func TestPersonalAttributesAreNeverOpen(t *testing.T) {
	r := rulesIn(t, policies.Bundle)
	rapid.Check(t, func(rt *rapid.T) {
		asked := map[string]any{}
		for _, name := range []string{"band", "country", "parent"} {
			if rapid.Bool().Draw(rt, "with "+name) {
				asked[name] = rapid.OneOf(
					rapid.Map(rapid.Bool(), func(b bool) any { return b }),
					rapid.Map(rapid.SampledFrom([]string{"13", "under_13", "FR"}), func(s string) any { return s }),
				).Draw(rt, name)
			}
		}
		exact, err := canonical(asked)
		if err != nil {
			rt.Fatal(err)
		}
		// What the rule does not decide has a question as well.
		d, _, _ := r.Evaluate(rt.Context(), "child.consent", exact)
		if again, whole := d.Question(); string(d.Input) != `{}` || !whole || string(again) != string(exact) {
			rt.Fatalf("asked %s: %+v, which comes out as %s", exact, d, again)
		}
		if err := d.Check(); err != nil {
			rt.Fatalf("%+v cannot be recorded: %v", d, err)
		}
	})
}
