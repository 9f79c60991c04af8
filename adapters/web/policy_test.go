package web_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/web"
	"github.com/bgremover/bgremover/adapters/web/public"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/published"
	"github.com/bgremover/bgremover/policies"
)

var operator = policy.Operator{
	Name: "Example <Ltd>", Address: "1 Example Street", Region: "Frankfurt, Germany (EU)", Contact: "privacy@example.org", Authority: "The Authority",
}

// publishes returns a change of the site that has it publish what this release does, as o runs it.
func publishes(t *testing.T, o policy.Operator) func(*web.Config) {
	t.Helper()
	p, err := published.Load(policies.Published)
	if err != nil {
		t.Fatal(err)
	}
	rules, err := published.Rules(policies.Bundle)
	if err != nil {
		t.Fatal(err)
	}
	return func(c *web.Config) {
		c.Policy = &public.Policy{Promises: p.Promises, Versions: p.Versions, Operator: o, Rules: rules}
	}
}

// twoVersions is a small policy with a past, and a promise of each standing.
func twoVersions(c *web.Config) {
	sentence := func(text string, ids ...policy.ID) [][]policy.Sentence {
		return [][]policy.Sentence{{{Runs: []policy.Run{{Text: text}}, Promises: ids}}}
	}
	section := func(blocks ...policy.Block) []policy.Section {
		return []policy.Section{{ID: "all", Title: "All of it", Blocks: blocks}}
	}
	region := policy.Sentence{Runs: []policy.Run{{Text: "In "}, {Blank: policy.Region}, {Text: "."}}, Promises: []policy.ID{"x.region"}}
	c.Policy = &public.Policy{
		Promises: policy.Catalogue{
			{ID: "x.built", Kind: policy.Enforced, State: policy.Built, Text: "Is built.", Figure: "x.figure", Facts: []string{"image.deleted.v1"}},
			{ID: "x.part", Kind: policy.Tested, State: policy.InPart, Text: "Works.", Missing: "A check."},
			{ID: "x.none", Kind: policy.Enforced, State: policy.NotBuilt, Text: "Is not there.", Missing: "Everything."},
			{ID: "x.signed", Kind: policy.Attested, State: policy.Built, Text: "Is signed for.", SignedBy: "officer", HoldsDays: 365},
			{ID: "x.region", Kind: policy.Information, State: policy.Built, Text: "Is stated.", Needs: []policy.Blank{policy.Region}},
		},
		Versions: []policy.Text{
			{Version: 1, Date: time.Date(2025, 1, 2, 0, 0, 0, 0, time.UTC), Changed: "The first version.", Title: "Old policy", Sections: section(
				policy.Block{Items: sentence("As it was.", "x.none")},
			)},
			{Version: 2, Date: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), Changed: "It is stricter.", Title: "New policy", Sections: section(
				policy.Block{Items: sentence("Sentence one.", "x.built")},
				policy.Block{Items: sentence("Sentence two.", "x.part", "x.none")},
				policy.Block{Points: true, Items: sentence("Sentence three.", "x.signed")},
				policy.Block{Points: true, Items: [][]policy.Sentence{{region}}},
			)},
		},
		Evidence: knownOf(goodEvidence()), Now: func() time.Time { return noon },
	}
}

func TestPrivacyShowsItsDate(t *testing.T) {
	w := newWorld(t, fake.Cutter{}, publishes(t, operator))
	current := inForce(t)
	body := w.do(t, "GET", "/privacy", nil).Body.String()
	for _, want := range []string{
		`Last revised on <time datetime="` + current.Date.Format("2006-01-02") + `">`,
		`<nav class="contents" aria-label="On this page">`, `href="#cookies"`, `<h2 id="cookies">Cookies</h2>`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	for _, section := range current.Sections {
		if section.ID != "" && strings.Count(body, `id="`+section.ID+`"`) != 1 {
			t.Errorf("the section %q does not stand there once", section.Title)
		}
	}
	if got, want := strings.Count(body, `class="said`), len(current.Sentences()); got != want {
		t.Errorf("%d sentences are shown; the text has %d", got, want)
	}
}

func inForce(t *testing.T) policy.Text {
	t.Helper()
	p, err := published.Load(policies.Published)
	if err != nil {
		t.Fatal(err)
	}
	return p.Current()
}

func TestEveryVersionStaysReadable(t *testing.T) {
	w := newWorld(t, fake.Cutter{}, twoVersions)
	tests := map[string]struct {
		code int
		want []string
		not  []string
	}{
		"/privacy":   {200, []string{"<h1>New policy</h1>", "Last revised on <time datetime=\"2026-03-02\">2 March 2026</time> · version 2", `href="/privacy/1"`, "It is stricter."}, []string{"no longer in force"}},
		"/privacy/2": {200, []string{"<h1>New policy</h1>", `href="/privacy/2" aria-current="page"`}, []string{"no longer in force"}},
		"/privacy/1": {200, []string{"<h1>Old policy</h1>", "As it was.", "no longer in force", "It held from 2 January 2025 until 2 March 2026"}, []string{"not built", `class="mark`}},
		"/privacy/3": {404, nil, nil}, "/privacy/0": {404, nil, nil}, "/privacy/01": {404, nil, nil}, "/privacy/-1": {404, nil, nil}, "/privacy/one": {404, nil, nil},
	}
	for address, tt := range tests {
		answer := w.do(t, "GET", address, nil)
		if answer.Code != tt.code {
			t.Errorf("%s answered %d, want %d", address, answer.Code, tt.code)
		}
		for _, want := range tt.want {
			if !strings.Contains(answer.Body.String(), want) {
				t.Errorf("%s lacks %s", address, want)
			}
		}
		for _, not := range tt.not {
			if strings.Contains(answer.Body.String(), not) {
				t.Errorf("%s holds %s", address, not)
			}
		}
	}
}

func TestPrivacyFillsTheOperatorsBlanks(t *testing.T) {
	w := newWorld(t, fake.Cutter{}, publishes(t, operator))
	body := w.do(t, "GET", "/privacy", nil).Body.String()
	for _, want := range []string{"Example &lt;Ltd&gt;", "1 Example Street", "Frankfurt, Germany (EU)", `<a href="mailto:privacy@example.org">privacy@example.org</a>`, "The Authority"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if strings.Contains(body, "not stated") {
		t.Error("something is not stated, although all is")
	}

	w = newWorld(t, fake.Cutter{}, publishes(t, policy.Operator{}))
	body = w.do(t, "GET", "/privacy", nil).Body.String()
	for _, blank := range policy.Blanks() {
		if !strings.Contains(body, `<span class="blank">`+string(blank)+`: not stated by the operator</span>`) {
			t.Errorf("the blank %s is not shown as such", blank)
		}
	}
	for _, id := range []string{"region.declared", "contact.stated"} {
		if !strings.Contains(body, `<a class="mark not-stated" href="/promises#`+id+`"`) {
			t.Errorf("%s looks as if it were established", id)
		}
	}
}

var marks = regexp.MustCompile(`<a class="mark ([a-z-]+)" href="/promises#([a-z.-]+)"`)

// A sentence whose promise is not built says so right behind it.
func TestSentencesSayHowFarTheirPromisesAre(t *testing.T) {
	w := newWorld(t, fake.Cutter{}, twoVersions)
	body := w.do(t, "GET", "/privacy", nil).Body.String()
	want := map[string][]string{
		"Sentence one.":   {"kept x.built"},
		"Sentence two.":   {"in-part x.part", "not-built x.none"},
		"Sentence three.": {"not-established x.signed"},
		"not stated by":   {"not-stated x.region"},
	}
	for text, want := range want {
		_, rest, _ := strings.Cut(body, text)
		rest, _, _ = strings.Cut(rest, `</p>`)
		rest, _, _ = strings.Cut(rest, `</li>`)
		var got []string
		for _, found := range marks.FindAllStringSubmatch(rest, -1) {
			got = append(got, found[1]+" "+found[2])
		}
		if !slices.Equal(got, want) {
			t.Errorf("behind %q stands %v; want %v", text, got, want)
		}
	}
}

func TestPolicyThatIsNotPublished(t *testing.T) {
	w := newWorld(t, fake.Cutter{})
	for _, address := range []string{"/privacy", "/privacy/1", "/promises", "/v1/promises", "/promises/badge.svg", "/v1/badge.json"} {
		if answer := w.do(t, "GET", address, nil); answer.Code != http.StatusNotFound {
			t.Errorf("%s answered %d", address, answer.Code)
		}
	}
}
