package published_test

import (
	"encoding/json"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/internal/published"
	"github.com/bgremover/bgremover/policies"
)

// ours is what this release publishes.
func ours(t *testing.T) *published.Policy {
	t.Helper()
	p, err := published.Load(policies.Published)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Loading refuses a sentence without a promise, and a promise without a sentence; here it has
// had something to look at.
func TestEverySentenceHasAPromise(t *testing.T) {
	p := ours(t)
	made := map[policy.ID]int{}
	for _, sentence := range p.Current().Sentences() {
		for _, id := range sentence.Promises {
			made[id]++
		}
	}
	if len(made) != len(p.Promises) || len(made) < 50 {
		t.Errorf("the text makes %d promises, and there are %d", len(made), len(p.Promises))
	}
}

// A text that was published is what people read: it never changes under its version and date.
// After a change of policy.md, copy the one before to versions/<n>.md, raise version and date,
// and add the line that this test tells to versions/digests.json.
func TestVersionsNeverChange(t *testing.T) {
	content, err := fs.ReadFile(policies.Published, "versions/digests.json")
	if err != nil {
		t.Fatal(err)
	}
	var digests map[string]string
	if err := json.Unmarshal(content, &digests); err != nil {
		t.Fatal(err)
	}
	p := ours(t)
	texts, err := p.Texts(policies.Published)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range texts {
		if want := digests[strconv.Itoa(text.Version)]; text.Digest != want {
			t.Errorf("version %d of %s has the digest %s; versions/digests.json says %q", text.Version, text.Date, text.Digest, want)
		}
	}
	if len(digests) != len(p.Versions) {
		t.Errorf("versions/digests.json knows %v; there are %d versions", slices.Sorted(maps.Keys(digests)), len(p.Versions))
	}
}

const (
	onePromise = `promises:
  - id: image.purpose
    kind: enforced
    text: A photo is cut out.
    state: not built
    missing: Everything.
`
	oneSentence = "---\nversion: 1\ndate: 2026-03-02\nchanged: The first version.\n---\n# Privacy policy\n\nWe cut out. <!-- image.purpose -->\n"
)

func with(changes map[string]string) fstest.MapFS {
	files := fstest.MapFS{}
	for name, content := range map[string]string{"promises.yaml": onePromise, "policy.md": oneSentence} {
		files[name] = &fstest.MapFile{Data: []byte(content)}
	}
	for name, content := range changes {
		files[name] = &fstest.MapFile{Data: []byte(content)}
	}
	return files
}

func TestTextIsReadWhole(t *testing.T) {
	text := oneSentence + `It is done. <!-- image.purpose -->

## How long, and why?

- **Photos.** Not [long](/stats). <!-- image.purpose -->
  Really. <!-- image.purpose -->
- In {region}. <!-- image.purpose -->
At last. <!-- image.purpose -->
`
	p, err := published.Load(with(map[string]string{"policy.md": text}))
	if err != nil {
		t.Fatal(err)
	}
	id := []policy.ID{"image.purpose"}
	plain := func(s string, line int) policy.Sentence {
		return policy.Sentence{Runs: []policy.Run{{Text: s}}, Promises: id, Line: line}
	}
	want := policy.Text{
		Version: 1, Date: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), Changed: "The first version.", Title: "Privacy policy",
		Sections: []policy.Section{
			{Blocks: []policy.Block{{Items: [][]policy.Sentence{{plain("We cut out.", 8), plain("It is done.", 9)}}}}},
			{ID: "how-long-and-why", Title: "How long, and why?", Blocks: []policy.Block{
				{Points: true, Items: [][]policy.Sentence{
					{
						{Runs: []policy.Run{{Text: "Photos.", Strong: true}, {Text: " Not "}, {Text: "long", Link: "/stats"}, {Text: "."}}, Promises: id, Line: 13},
						plain("Really.", 14),
					},
					{{Runs: []policy.Run{{Text: "In "}, {Blank: policy.Region}, {Text: "."}}, Promises: id, Line: 15}},
				}},
				{Items: [][]policy.Sentence{{plain("At last.", 16)}}},
			}},
		},
	}
	if got := p.Current(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// Whatever is wrong is refused, with its file, its line and its promise.
func TestMistakesAreNamed(t *testing.T) {
	text := func(lines string) map[string]string { return map[string]string{"policy.md": oneSentence + lines} }
	promise := func(was, becomes string) map[string]string {
		return map[string]string{"promises.yaml": strings.Replace(onePromise, was, becomes, 1)}
	}
	front := func(was, becomes string) map[string]string {
		return map[string]string{"policy.md": strings.Replace(oneSentence, was, becomes, 1)}
	}
	second := front("version: 1\ndate: 2026-03-02", "version: 2\ndate: 2026-03-03")
	tests := map[string]struct {
		changes map[string]string
		says    string
	}{
		"a sentence without a promise":   {text("Trust us.\n"), `policy.md, line 9: this sentence names no promise`},
		"a promise that is unknown":      {text("We dance. <!-- image.dance -->\n"), `policy.md, line 9, image.dance: promises.yaml does not know this promise`},
		"the same promise twice":         {text("We cut. <!-- image.purpose image.purpose -->\n"), `policy.md, line 9, image.purpose: is named twice`},
		"two sentences under one":        {text("We cut. We sell. <!-- image.purpose -->\n"), `policy.md, line 9: holds two sentences`},
		"two sentences behind a label":   {text("- **Cut.** We cut! We sell. <!-- image.purpose -->\n"), `policy.md, line 9: holds two sentences`},
		"half a sentence":                {text("We cut <!-- image.purpose -->\n"), `policy.md, line 9: does not end as a sentence does`},
		"an unknown blank":               {text("Ask {moon}. <!-- image.purpose -->\n"), `policy.md, line 9: {moon} is nothing that an operator states`},
		"a link to elsewhere":            {text("See [us](https://example.org). <!-- image.purpose -->\n"), `policy.md, line 9: "See [us](https://example.org)." holds a sign`},
		"HTML":                           {text("<b>We</b> cut. <!-- image.purpose -->\n"), `policy.md, line 9: "<b>We</b> cut." holds a sign`},
		"indented without a point":       {text("\n  We cut. <!-- image.purpose -->\n"), `policy.md, line 10: is indented`},
		"a heading that stands twice":    {text("## A\n## A\n"), `policy.md, line 10: the heading "A"`},
		"a second title":                 {text("# Another\n"), `policy.md, line 9: this sentence names no promise`},
		"no front matter":                {front("---\n", ""), `policy.md, line 1: does not begin with its version`},
		"front matter without an end":    {front("version.\n---", "version.\n"), `policy.md, line 1: does not begin with its version`},
		"no date":                        {front("date: 2026-03-02", "date: soon"), `policy.md, line 1: the date "soon"`},
		"no version":                     {front("version: 1", "version: 0"), `policy.md, line 1: the version 0`},
		"a version that is far too high": {front("version: 1", "version: 1000000"), `policy.md, line 1: the version 1000000`},
		"no word on what changed":        {front("changed: The first version.\n", ""), `policy.md, line 1: does not say what changed`},
		"more than it should say":        {front("changed:", "mood: good\nchanged:"), `field mood not found`},
		"an empty text":                  {map[string]string{"policy.md": ""}, `policy.md: has no title`},
		"no text":                        {front("We cut out. <!-- image.purpose -->\n", ""), `policy.md: has no sentence`},
		"a promise nobody makes":         {promise("promises:\n", "promises:\n  - {id: image.dance, kind: tested, text: x, state: not built, missing: x}\n"), `promises.yaml, image.dance: no sentence of policy.md makes this promise`},
		"a promise that stands twice":    {map[string]string{"promises.yaml": onePromise + strings.TrimPrefix(onePromise, "promises:\n")}, `promises.yaml, line 7, image.purpose: stands twice`},
		"a bad id":                       {promise("image.purpose", "Image"), `the id "Image" is not like`},
		"a kind that there is not":       {promise("enforced", "hoped"), `promises.yaml, line 2, image.purpose: the kind "hoped"`},
		"a state that there is not":      {promise("not built", "nearly"), `promises.yaml, line 2, image.purpose: the state "nearly"`},
		"a blank that there is not":      {promise("    kind", "    needs: [moon]\n    kind"), `image.purpose: needs "moon"`},
		"a part that there is not":       {promise("    kind", "    hope: much\n    kind"), `promises.yaml, line 3, image.purpose: "hope" is nothing that a promise has`},
		"a part of another type":         {promise("    kind", "    holds_days: long\n    kind"), `promises.yaml, line 2, image.purpose: yaml: unmarshal errors`},
		"no words":                       {promise("    text: A photo is cut out.\n", ""), `promises.yaml, line 2, image.purpose: has no text`},
		"built, and it lacks parts":      {promise("    state: not built\n    missing: Everything.\n", ""), `image.purpose: is enforced and lacks: rules or mechanism, facts, tests, figure`},
		"built, and something missing":   {promise("    state: not built\n", "    rules: [a.b]\n    facts: [a]\n    tests: [a]\n    figure: a\n"), `image.purpose: says what is missing`},
		"in part, and nothing missing":   {promise("not built\n    missing: Everything.", "in part\n    tests: [a.TestA]"), `image.purpose: is in part and does not say what is missing`},
		"in part, without a test":        {promise("not built", "in part"), `image.purpose: is built in part, and no test`},
		"no promise":                     {map[string]string{"promises.yaml": "promises: []"}, `promises.yaml: holds no promise`},
		"a promise that is a word":       {map[string]string{"promises.yaml": "promises: [hello]"}, `promises.yaml, line 1: is no promise`},
		"no YAML":                        {map[string]string{"promises.yaml": "\t"}, `promises.yaml: yaml:`},
		"a version that is gone":         {second, `version 1 of the policy: open versions/1.md`},
		"an earlier version of that day": {map[string]string{"policy.md": strings.Replace(oneSentence, "version: 1", "version: 2", 1), "versions/1.md": oneSentence}, `policy.md: has the date of the version before it`},
		"a version under another number": {map[string]string{"policy.md": second["policy.md"], "versions/1.md": second["policy.md"]}, `versions/1.md: is version 2 by its own words`},
		"a version that nobody reaches":  {map[string]string{"versions/7.md": oneSentence}, `versions/7.md: is no earlier version`},
	}
	if _, err := published.Load(with(nil)); err != nil {
		t.Fatal(err)
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := published.Load(with(tt.changes))
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v; want %s", err, tt.says)
			}
		})
	}
}

func TestEarlierVersionsAreRead(t *testing.T) {
	p, err := published.Load(with(map[string]string{
		"policy.md":     strings.Replace(oneSentence, "version: 1\ndate: 2026-03-02", "version: 2\ndate: 2026-03-03", 1),
		"versions/1.md": oneSentence,
	}))
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Versions) != 2 || p.Versions[0].Version != 1 || p.Current().Version != 2 {
		t.Errorf("got %+v", p.Versions)
	}
}

// The record gets each version as its file is, to the byte.
func TestTextsAreTheFiles(t *testing.T) {
	files := with(map[string]string{
		"policy.md":     strings.Replace(oneSentence, "version: 1\ndate: 2026-03-02", "version: 2\ndate: 2026-03-03", 1),
		"versions/1.md": oneSentence,
	})
	p, err := published.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	texts, err := p.Texts(files)
	if err != nil || len(texts) != 2 {
		t.Fatal(texts, err)
	}
	if first := texts[0]; first.Version != 1 || first.Date != "2026-03-02" || first.Text != oneSentence || len(first.Digest) != 64 {
		t.Errorf("got %+v", first)
	}
	if second := texts[1]; second.Version != 2 || second.Digest == texts[0].Digest {
		t.Errorf("got %+v", second)
	}
}
