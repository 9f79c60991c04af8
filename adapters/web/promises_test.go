package web_test

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bgremover/bgremover/adapters/web"
	"github.com/bgremover/bgremover/adapters/web/public"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/published"
	"github.com/bgremover/bgremover/policies"
)

// goodEvidence is what shows x.built, and all that could show the others of [twoVersions].
func goodEvidence() public.Known {
	return public.Known{
		Read: noon, Through: 1234,
		Of: map[policy.ID]policy.Evidence{
			"x.built": {
				Figure: &policy.Figure{
					Name: "x.figure", At: noon, Standing: policy.Kept, Why: "All of them.",
					Values: []policy.Value{policy.Rounded("in time", 1204, "photos"), policy.Rounded("others", 3, "photos"), {Label: "late", Number: 1, Unit: "photos"}, {Label: "left", Number: 1439, Unit: "min"}, {Label: "little", Number: 59, Unit: "min"}},
				},
				Checks: []policy.Checked{{Name: "x.check", At: noon, Passed: true, Looked: 1}},
			},
		},
	}
}

func knownOf(known public.Known) public.Evidence {
	return func(context.Context) (public.Known, error) { return known, nil }
}

// with publishes the small policy, with evidence that the test changes.
func with(change func(*public.Policy, *public.Known)) func(*web.Config) {
	return func(c *web.Config) {
		twoVersions(c)
		known := goodEvidence()
		change(c.Policy, &known)
		c.Policy.Evidence = knownOf(known)
	}
}

// setFigure makes the figure of x.built say something else.
func setFigure(s policy.Standing, why string) func(*public.Policy, *public.Known) {
	return func(_ *public.Policy, k *public.Known) {
		k.Of["x.built"].Figure.Standing, k.Of["x.built"].Figure.Why = s, why
	}
}

func listOf(t *testing.T, w *world) (list public.PromiseList) {
	t.Helper()
	answer := w.do(t, "GET", "/v1/promises", nil)
	if err := json.Unmarshal(answer.Body.Bytes(), &list); answer.Code != http.StatusOK || err != nil {
		t.Fatalf("answered %d %v", answer.Code, err)
	}
	return list
}

// shownOf returns what the page shows of a promise.
func shownOf(t *testing.T, page string, id policy.ID) string {
	t.Helper()
	if strings.Count(page, `<article class="panel promise" id="`+string(id)+`"`) != 1 {
		t.Fatalf("%s does not stand there once", id)
	}
	_, shown, _ := strings.Cut(page, `<article class="panel promise" id="`+string(id)+`"`)
	shown, _, _ = strings.Cut(shown, "</article>")
	return shown
}

func TestPromisesStandByTheirEvidence(t *testing.T) {
	only := func(p *public.Policy, _ *public.Known) {
		p.Promises = p.Promises[:1]
		p.Versions[1].Sections[0].Blocks = p.Versions[1].Sections[0].Blocks[:1]
	}
	tests := map[string]struct {
		change func(*public.Policy, *public.Known)
		counts [5]int // kept, at risk, broken, not established, not built
		state  string // of x.built
		why    string
		badge  string
		colour string
		page   []string
		not    []string
	}{
		"as it is": {
			change: func(*public.Policy, *public.Known) {}, counts: [5]int{1, 0, 0, 3, 1}, state: "kept", why: "All of them.",
			badge: "3 not established, 1 of 5 kept", colour: "lightgrey",
			page: []string{"up to at least entry 1234", `<a href="/log/checkpoint">`, "Read from the record at", `<time datetime="2026-03-02T12:00:00Z">`},
			not:  []string{"Nothing can be shown as kept", `class="urgent"`},
		},
		"everything kept": {change: only, counts: [5]int{1, 0, 0, 0, 0}, state: "kept", why: "All of them.", badge: "1 of 1 kept", colour: "brightgreen", not: []string{`class="urgent"`}},
		"most are not built": {
			change: func(p *public.Policy, _ *public.Known) {
				for i := range p.Promises[1:] {
					p.Promises[1+i].State = policy.NotBuilt
				}
			},
			counts: [5]int{1, 0, 0, 0, 4}, state: "kept", why: "All of them.", badge: "1 of 5 kept", colour: "lightgrey",
		},
		"broken": {
			change: setFigure(policy.Broken, "One is late."), counts: [5]int{0, 0, 1, 3, 1}, state: "broken", why: "One is late.",
			badge: "1 broken, 0 of 5 kept", colour: "red", page: []string{`<li><a class="mark broken" href="#x.built"><span aria-hidden="true">✗ </span>broken</a> Is built.</li>`},
		},
		"at risk": {
			change: setFigure(policy.AtRisk, "It ends soon."), counts: [5]int{0, 1, 0, 3, 1}, state: "at risk", why: "It ends soon.",
			badge: "1 at risk, 0 of 5 kept", colour: "orange", page: []string{`<a class="mark at-risk" href="#x.built"><span aria-hidden="true">! </span>at risk</a>`},
		},
		"read too long ago": {
			change: func(_ *public.Policy, k *public.Known) { k.Read = noon.Add(-2 * time.Minute) }, counts: [5]int{0, 0, 0, 4, 1}, state: "not established",
			why: "The record was last read at 11:58 UTC on 2 March 2026.", badge: "4 not established, 0 of 5 kept", colour: "lightgrey",
		},
		"never read": {
			change: func(_ *public.Policy, k *public.Known) { *k = public.Known{} }, counts: [5]int{0, 0, 0, 4, 1}, state: "not established",
			why: "Its figure cannot be read.", badge: "4 not established, 0 of 5 kept", colour: "lightgrey", page: []string{"The record could not be read yet."},
		},
		"the view stopped": {
			change: func(_ *public.Policy, k *public.Known) { k.Trouble = "The view has stopped." }, counts: [5]int{0, 0, 0, 4, 1}, state: "not established",
			why: "The view has stopped.", badge: "4 not established, 0 of 5 kept", colour: "lightgrey", page: []string{"<strong>Nothing can be shown as kept right now.</strong> The view has stopped."},
		},
		"the view stopped at what is broken": {
			change: func(p *public.Policy, k *public.Known) {
				setFigure(policy.Broken, "One is late.")(p, k)
				k.Trouble = "The view has stopped."
			},
			counts: [5]int{0, 0, 1, 3, 1}, state: "broken", why: "One is late.", badge: "1 broken, 0 of 5 kept", colour: "red",
		},
		"what is not built is broken": {
			change: func(p *public.Policy, k *public.Known) {
				setFigure(policy.Broken, "One is late.")(p, k)
				p.Promises[0].State, p.Promises[0].Missing = policy.NotBuilt, "Everything."
			},
			counts: [5]int{0, 0, 1, 3, 1}, state: "broken", why: "One is late.", badge: "1 broken, 0 of 5 kept", colour: "red",
		},
		"a part is missing": {
			change: func(p *public.Policy, _ *public.Known) {
				p.Promises[0].State, p.Promises[0].Missing = policy.InPart, "A part."
			},
			counts: [5]int{0, 0, 0, 4, 1}, state: "not established", why: "A part.", badge: "4 not established, 0 of 5 kept", colour: "lightgrey",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, fake.Cutter{}, with(tt.change))
			list := listOf(t, w)
			if got := [5]int{list.Kept, list.AtRisk, list.Broken, list.NotEstablished, list.NotBuilt}; got != tt.counts {
				t.Errorf("counts %v, want %v", got, tt.counts)
			}
			if first := list.Promises[0]; first.ID != "x.built" || first.State != tt.state || !slices.Contains(first.Why, tt.why) {
				t.Errorf("x.built is %s because %q", first.State, first.Why)
			}
			page := w.do(t, "GET", "/promises", nil).Body.String()
			if shown := shownOf(t, page, "x.built"); !strings.Contains(shown, "</span>"+tt.state+"</span>") || !strings.Contains(shown, tt.why) {
				t.Errorf("x.built is shown as\n%s", shown)
			}
			for _, want := range tt.page {
				if !strings.Contains(page, want) {
					t.Errorf("the page lacks %s", want)
				}
			}
			for _, not := range tt.not {
				if strings.Contains(page, not) {
					t.Errorf("the page holds %s", not)
				}
			}
			if svg := w.do(t, "GET", "/promises/badge.svg", nil).Body.String(); !strings.Contains(svg, ">promises: "+tt.badge+"</title>") {
				t.Errorf("the badge lacks %q: %s", tt.badge, svg)
			}
			var endpoint map[string]any
			if err := json.Unmarshal(w.do(t, "GET", "/v1/badge.json", nil).Body.Bytes(), &endpoint); err != nil || endpoint["message"] != tt.badge || endpoint["color"] != tt.colour {
				t.Errorf("the badge's endpoint says %v, %v", endpoint, err)
			}
		})
	}
}

// Figures are shown with their time, rounded where people did what is counted, and with a way to verify them.
func TestFiguresOfPromises(t *testing.T) {
	w := newWorld(t, fake.Cutter{}, with(func(*public.Policy, *public.Known) {}))
	shown := shownOf(t, w.do(t, "GET", "/promises", nil).Body.String(), "x.built")
	for _, want := range []string{
		"<dt>in time</dt><dd>1\u00a0200 or more photos</dd>", "<dt>others</dt><dd>fewer than 5 photos</dd>", "<dt>late</dt><dd>1 photo</dd>",
		"<dt>left</dt><dd>23 h 59 min</dd>", "<dt>little</dt><dd>59 min</dd>",
		`As of <time datetime="2026-03-02T12:00:00Z">`, `href="/verify"`, `href="/log/checkpoint"`, `href="#fact-image.deleted.v1"`,
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("it lacks %s in\n%s", want, shown)
		}
	}
	item := listOf(t, w).Promises[0]
	f := item.Figure
	if f == nil || f.Name != "x.figure" || f.Read == nil || !f.Read.Equal(noon) || f.State != policy.Kept || len(f.Values) != 5 || f.Values[0] != (public.ValueItem{Label: "in time", Number: 1200, Unit: "photos", AtLeast: true}) {
		t.Errorf("the figure is listed as %+v", f)
	}
	if !slices.Equal(item.Verify, []string{"/verify", "/log/checkpoint"}) {
		t.Errorf("it is verified at %v", item.Verify)
	}
}

// No promise of this release is shown further than it is: with nothing known, none is kept.
func TestPromisesAreShownAsFarAsTheyAre(t *testing.T) {
	w := newWorld(t, fake.Cutter{}, publishes(t, operator))
	p, err := published.Load(policies.Published)
	if err != nil {
		t.Fatal(err)
	}
	list, page := listOf(t, w), w.do(t, "GET", "/promises", nil).Body.String()
	if list.Total != len(p.Promises) || len(list.Promises) != list.Total || list.NotEstablished+list.NotBuilt != list.Total || list.Read != nil {
		t.Errorf("lists %d of %d: %+v", len(list.Promises), list.Total, list)
	}
	for _, promise := range p.Promises {
		i := slices.IndexFunc(list.Promises, func(item public.PromiseItem) bool { return item.ID == promise.ID })
		if i < 0 {
			t.Errorf("%s is not listed", promise.ID)
			continue
		}
		item := list.Promises[i]
		if (item.State == "not built") != (promise.State == policy.NotBuilt) || promise.State != policy.Built && !slices.Contains(item.Why, promise.Missing) || len(item.Why) == 0 || len(item.Sentences) == 0 || item.Kind != promise.Kind || item.Built != promise.State {
			t.Errorf("%s is listed as %+v", promise.ID, item)
		}
		shown := shownOf(t, page, promise.ID)
		for _, want := range slices.Concat([]string{"</span>" + item.State + "</span>"}, promise.Rules, promise.Facts, promise.Tests) {
			if !strings.Contains(shown, want) {
				t.Errorf("%s is shown without %s", promise.ID, want)
			}
		}
		for _, rule := range promise.Rules {
			_, name, _ := strings.Cut(rule, ".")
			_, source, _ := strings.Cut(page, `id="rule-`+rule+`"`)
			source, _, _ = strings.Cut(source, "</details>")
			if !strings.Contains(shown, `href="#rule-`+rule+`"`) || !strings.Contains(source, "default "+name+" := ") {
				t.Errorf("%s is shown without the source of %s", promise.ID, rule)
			}
		}
	}
}

func TestFactsAreShown(t *testing.T) {
	w := newWorld(t, fake.Cutter{}, with(func(p *public.Policy, _ *public.Known) {
		p.Facts = map[string]public.Fact{"image.deleted.v1": {{Name: "why"}, {Name: "owner", Sealed: true}}, "x.happened.v1": {}}
	}))
	_, shown, _ := strings.Cut(w.do(t, "GET", "/promises", nil).Body.String(), `<h2 id="facts">`)
	for _, want := range []string{`id="fact-image.deleted.v1"`, "<li><code>why</code></li>", "<li><code>owner</code> sealed under a key", `id="fact-x.happened.v1"`, "No fields of its own"} {
		if !strings.Contains(shown, want) {
			t.Errorf("it lacks %s in\n%s", want, shown)
		}
	}
}

// The badge can stand on any page, loads nothing, runs nothing, and soon asks again.
func TestBadge(t *testing.T) {
	w := newWorld(t, fake.Cutter{}, with(func(*public.Policy, *public.Known) {}))
	for address, kind := range map[string]string{"/promises/badge.svg": "image/svg+xml", "/v1/badge.json": "application/json"} {
		answer := w.do(t, "GET", address, nil)
		h := answer.Header()
		if answer.Code != 200 || h.Get("Content-Type") != kind || h.Get("Cache-Control") != "public, max-age=30" ||
			h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Cross-Origin-Resource-Policy") != "cross-origin" || h.Get("Set-Cookie") != "" {
			t.Errorf("%s answered %d with %v", address, answer.Code, h)
		}
	}
	d := xml.NewDecoder(w.do(t, "GET", "/promises/badge.svg", nil).Body)
	var elements []string
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok {
			elements = append(elements, e.Name.Local)
			for _, a := range e.Attr {
				if a.Name.Local == "style" || a.Name.Local == "href" || strings.HasPrefix(a.Name.Local, "on") {
					t.Errorf("<%s> has a %s", e.Name.Local, a.Name.Local)
				}
			}
		}
	}
	if slices.Contains(elements, "script") || slices.Contains(elements, "style") || elements[1] != "title" {
		t.Errorf("it is made of %v", elements)
	}
}

// However many ask, the record is read once in some seconds; and when it cannot be, what was read grows old.
func TestPromisesAreReadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reads atomic.Int64
		var failing atomic.Bool
		evidence := public.Cached(func(ctx context.Context) (public.Known, error) {
			reads.Add(1)
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return public.Known{}, ctx.Err()
			}
			if failing.Load() {
				return public.Known{}, errors.New("the database is away")
			}
			return public.Known{Read: time.Now(), Through: reads.Load()}, nil
		}, time.Now, slog.New(slog.DiscardHandler))

		impatient, leave := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { // the first to ask goes away before the answer
			if known, err := evidence(impatient); err != nil || known.Through != 0 {
				t.Errorf("who did not wait got %+v, %v", known, err)
			}
		})
		synctest.Wait()
		for range 50 {
			all.Go(func() {
				if known, err := evidence(t.Context()); err != nil || known.Through != 1 {
					t.Errorf("got %+v, %v", known, err)
				}
			})
		}
		leave()
		all.Wait()
		if n := reads.Load(); n != 1 {
			t.Errorf("read %d times", n)
		}
		time.Sleep(6 * time.Second) // the bubble's clock
		if known, _ := evidence(t.Context()); known.Through != 2 {
			t.Errorf("after some seconds it is still %+v", known)
		}
		failing.Store(true)
		time.Sleep(6 * time.Second)
		before, _ := evidence(t.Context())
		_, _ = evidence(t.Context())
		if before.Through != 2 || reads.Load() != 3 {
			t.Errorf("in trouble it was read %d times, and gives %+v", reads.Load(), before)
		}
	})
}
