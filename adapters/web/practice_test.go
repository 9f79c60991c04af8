package web_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/bgremover/bgremover/adapters/web"
	"github.com/bgremover/bgremover/adapters/web/public"
	"github.com/bgremover/bgremover/internal/fake"
)

// passports has the site show two models: one in service that the operator answers for, one whose licences are known.
func passports(c *web.Config) {
	licences := func(training string) public.Licences {
		return public.Licences{
			Code: public.Licence{Licence: "MIT", Source: "its repository"}, Weights: public.Licence{Licence: "MIT", Source: "its wheel"},
			TrainingData: public.Licence{Licence: training, Source: "PHOTOS-<1>", Note: "A note."},
		}
	}
	c.Models = public.Models{
		{Name: "served", File: "a.onnx", Bytes: 4574861, SHA256: "abc", Passport: "def", Licences: licences("not established"), VouchedBy: "nobody", InService: true, Accepted: true, RefusedBy: []string{}},
		{Name: "other", File: "b.onnx", Bytes: 1, Licences: licences("CC0-1.0"), VouchedBy: "Example Ltd", Established: true, RefusedBy: []string{"digest", "undecided"}},
	}
}

func TestModelsShowTheirPassports(t *testing.T) {
	w := newWorld(t, fake.Cutter{}, publishes(t, operator), passports)
	page := w.do(t, "GET", "/models", nil).Body.String()
	for _, want := range []string{
		"the promise <a href=\"/promises#model.licensed\"><code>model.licensed</code></a> is not established here", "licences not established",
		"in service", "the operator answers for it", "PHOTOS-&lt;1&gt;", "A note.", "nobody", "5 MB", "licences established", "Example Ltd",
		"the file is not the one that the passport describes; undecided", "<code>abc</code>", "<code>def</code>",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	list := decode[public.ModelList](t, w.do(t, "GET", "/v1/models", nil).Body.Bytes())
	if list.Established || list.Promise != "model.licensed" || len(list.Models) != 2 || list.Models[0].Licences.TrainingData.Licence != "not established" || !list.Models[1].Established {
		t.Errorf("got %+v", list)
	}
}

// What the promise says is shown as established for what is in service alone, and never where nothing is.
func TestModelsAreEstablishedTogether(t *testing.T) {
	model := func(served, established bool) public.Model {
		return public.Model{Name: "x", InService: served, Established: established}
	}
	for name, tt := range map[string]struct {
		models public.Models
		want   bool
	}{
		"none":                     {nil, false},
		"none in service":          {public.Models{model(false, true)}, false},
		"one, with its licences":   {public.Models{model(true, true), model(false, false)}, true},
		"one, without":             {public.Models{model(true, false), model(false, true)}, false},
		"two, one of them without": {public.Models{model(true, true), model(true, false)}, false},
	} {
		w := newWorld(t, fake.Cutter{}, publishes(t, operator), func(c *web.Config) { c.Models = tt.models })
		if got := decode[public.ModelList](t, w.do(t, "GET", "/v1/models", nil).Body.Bytes()); got.Established != tt.want {
			t.Errorf("%s: %+v", name, got)
		}
		page := w.do(t, "GET", "/models", nil).Body.String()
		if strings.Contains(page, "is not established here") == tt.want {
			t.Errorf("%s: the page says otherwise", name)
		}
	}
}

func TestContradictionsAreShown(t *testing.T) {
	open, unstated := false, false
	var failing error
	w := newWorld(t, fake.Cutter{}, publishes(t, operator), func(c *web.Config) {
		c.Compare = func(context.Context) ([]public.Comparison, error) {
			all := []public.Comparison{
				{ID: "a.b", Title: "Is it so?", Compares: []string{"policy.md", "--setting"}, State: public.ContradictionNone, Findings: []string{}},
				{ID: "c.d", Title: "And that?", Compares: []string{"data/x.json"}, State: public.ContradictionNone, Findings: []string{}},
			}
			if open {
				all[1].State, all[1].Findings = public.ContradictionOpen, []string{"It says <that>, and does this."}
			}
			if unstated {
				all[1].State, all[1].Findings = public.ContradictionUnstated, []string{"Nobody said where."}
			}
			return all, failing
		}
	})
	page := func() string { return w.do(t, "GET", "/contradictions", nil).Body.String() }
	if body := page(); !strings.Contains(body, "2 checks") || !strings.Contains(body, "they find no contradiction") || strings.Contains(body, ">contradiction<") {
		t.Errorf("without one the page says\n%s", body)
	}
	open = true
	body := page()
	for _, want := range []string{"One of them finds a contradiction", `<span class="mark broken">contradiction</span>`, "It says &lt;that&gt;, and does this.", "Is it so?", "--setting"} {
		if !strings.Contains(body, want) {
			t.Errorf("with one the page lacks %q", want)
		}
	}
	list := decode[public.ContradictionList](t, w.do(t, "GET", "/v1/contradictions", nil).Body.Bytes())
	if list.Open != 1 || len(list.Checks) != 2 || list.Checks[1].State != "open" || !list.At.Equal(w.now()) {
		t.Errorf("got %+v", list)
	}
	unstated = true
	if body := page(); !strings.Contains(body, "they find no contradiction") || !strings.Contains(body, "For 1 of them") || !strings.Contains(body, ">not stated<") || !strings.Contains(body, "Nobody said where.") {
		t.Errorf("with something unstated the page says\n%s", body)
	}
	if list := decode[public.ContradictionList](t, w.do(t, "GET", "/v1/contradictions", nil).Body.Bytes()); list.Open != 0 || list.Unstated != 1 {
		t.Errorf("got %+v", list)
	}
	failing = errors.New("the data is gone")
	if got := w.do(t, "GET", "/contradictions", nil); got.Code != http.StatusInternalServerError || strings.Contains(got.Body.String(), "gone") {
		t.Errorf("when it cannot compare: %d", got.Code)
	}
}

// A version says which fact of the record published it, once that is known.
func TestPrivacySaysWhichFactPublishedIt(t *testing.T) {
	seq := int64(0)
	w := newWorld(t, fake.Cutter{}, publishes(t, operator), func(c *web.Config) { c.Policy.Recorded = func(int) int64 { return seq } })
	if page := w.do(t, "GET", "/privacy", nil).Body.String(); strings.Contains(page, "of the record</p>") {
		t.Error("it names a fact that nobody knows")
	}
	seq = 17
	if page := w.do(t, "GET", "/privacy", nil).Body.String(); !strings.Contains(page, "published by fact 17 of the record") {
		t.Error("it does not name the fact")
	}
}
