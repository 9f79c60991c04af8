package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/bgremover/bgremover/adapters/web/public"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/internal/published"
	"github.com/bgremover/bgremover/policies"
)

// A photo's life and an audit are what promises about photos stand by; the rest says why it does not.
func TestPromisesOfALiveService(t *testing.T) {
	t.Parallel()
	data := dataFolder(t)
	s := serve(t, data, "--operator-name", "Example Ltd", "--operator-region", "Cologne, Germany (EU)", "--operator-contact", "privacy@example.org")
	before, of := s.promises()
	if before.Read == nil || before.Trouble != "" || of["image.delete-24h"].State != "not established" || of["image.delete-on-download"].State != "not established" {
		t.Errorf("before anything happened: read %v, %q, %+v", before.Read, before.Trouble, of["image.delete-24h"])
	}

	if res, err := s.post("/v1.0/removebg", "image_file", photo(t), nil); err != nil || res.code != http.StatusOK {
		t.Fatalf("%s, %v", res, err)
	}
	if _, errOut, code := bgremover(t, "audit", "--data", data); code != 0 {
		t.Fatalf("audit: %s", errOut)
	}
	want := map[policy.ID]string{
		"image.delete-on-download": "kept", "image.delete-24h": "kept", "region.declared": "kept",
		"image.no-training": "kept", "image.no-view": "kept", "image.no-permanent-store": "kept", "account.free-tier": "kept",
		"usage.anonymous": "kept", "usage.keep-12m": "kept", "tech.keep-90d": "kept", "share.none": "kept", "transfer.safeguards": "kept", "basis.stated": "kept",
		"policy.dated": "kept", "usage.improve": "kept", "cookie.no-ads": "kept",
		"model.licensed": "not established", "secure.firewall": "not established", "right.access": "not built",
	}
	var wrong []string
	t.Cleanup(func() { t.Log(wrong) })
	until(t, "the promises that a photo's life and an audit show", func() bool {
		_, of = s.promises()
		wrong = nil
		for id, state := range want {
			if got := of[id]; got.State != state {
				wrong = append(wrong, fmt.Sprintf("%s is %s because %q, not %s", id, got.State, got.Why, state))
			}
		}
		return len(wrong) == 0
	})
	after, _ := s.promises()
	for _, one := range after.Promises {
		if one.State == "broken" || one.State == "at risk" {
			t.Errorf("%s is %s because %q", one.ID, one.State, one.Why)
		}
		if one.Figure == nil || one.Figure.Read == nil {
			continue
		}
		for _, v := range one.Figure.Values {
			if v.Unit == "photos" && v.Number > 0 {
				t.Errorf("%s tells of a single photo: %+v", one.ID, v)
			}
		}
	}
	if svg := s.ask(http.MethodGet, "/promises/badge.svg", ""); !strings.Contains(string(svg.body), "kept</title>") {
		t.Errorf("the badge: %s", svg.body)
	}
}

// When what gathers the figures stops, nothing is kept any more, whatever was before.
func TestPromisesWhenTheirViewStops(t *testing.T) {
	t.Parallel()
	data := dataFolder(t)
	s := serve(t, data)
	if before, _ := s.promises(); before.Kept == 0 {
		t.Errorf("nothing is kept to begin with: %+v", before)
	}
	tamper(t, data, `alter table promises.tally add constraint no_upload check (what <> 'upload')`)
	s.upload(photo(t))
	until(t, "the page to notice", func() bool {
		all, of := s.promises()
		return all.Kept == 0 && strings.Contains(all.Trouble, "has stopped") && slices.Contains(of["image.no-training"].Why, all.Trouble)
	})
}

// promises asks how they stand.
func (r *running) promises() (all public.PromiseList, of map[policy.ID]public.PromiseItem) {
	r.t.Helper()
	res := r.ask(http.MethodGet, "/v1/promises", "")
	if err := json.Unmarshal(res.body, &all); res.code != http.StatusOK || err != nil {
		r.t.Fatalf("answered %d, %v", res.code, err)
	}
	of = map[policy.ID]public.PromiseItem{}
	for _, one := range all.Promises {
		of[one.ID] = one
	}
	return all, of
}

// Figures are known by their names in two places; each promise that names one is given it.
func TestEveryPromiseHasItsEvidence(t *testing.T) {
	p, err := published.Load(policies.Published)
	if err != nil {
		t.Fatal(err)
	}
	forms := factForms(p.Promises)
	for _, promise := range p.Promises {
		for _, name := range promise.Facts {
			if _, ok := forms[name]; !ok {
				t.Errorf("%s: the form of %s is not shown", promise.ID, name)
			}
		}
	}
	sealed := 0
	for _, field := range forms["disclosure.made.v1"] {
		if field.Name == "" {
			t.Error("a field has no name")
		}
		if field.Sealed {
			sealed++
		}
	}
	if sealed != 1 {
		t.Errorf("of a disclosure %d fields are sealed", sealed)
	}
}

func TestPurposesByBasis(t *testing.T) {
	got := purposesByBasis(policy.Register{Activities: []policy.Activity{
		{ID: "a", InUse: true, Basis: "contract"}, {ID: "b", InUse: true, Basis: "contract"}, {ID: "c", InUse: true}, {ID: "d", Basis: "consent"},
	}})
	if want := map[string]int{"contract": 2, "": 1}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
