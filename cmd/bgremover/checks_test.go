package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/opa"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/policies"
)

const strictPolicy = "default-src 'none'; script-src 'nonce-0123'; img-src 'self' blob:; connect-src 'self'"

// goodSite answers as the service does; change makes it wrong.
func goodSite(t *testing.T, change func(w http.ResponseWriter, r *http.Request) bool) outsider {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", strictPolicy)
		if change != nil && change(w, r) {
			return
		}
		if strings.HasPrefix(r.URL.Path, "/i/") {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = w.Write([]byte(`<main><form action="/i"></form><a href="https://elsewhere.example">a link loads nothing</a>
			<time datetime="2026-03-02">2 March</time> in <b>Köln &amp; Bonn</b>, privacy@example.org</main>`))
	}))
	t.Cleanup(server.Close)
	return newOutsider(server.URL, "mark")
}

type facts []event.Fact

func (f facts) Load(context.Context, event.Stream) (all []event.Envelope, err error) {
	for _, fact := range f {
		all = append(all, event.Envelope{Fact: fact})
	}
	return all, nil
}

func at(path string, do func(w http.ResponseWriter)) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == path {
			do(w)
		}
		return false
	}
}

func answers404(path string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == path {
			w.WriteHeader(http.StatusNotFound)
		}
		return r.URL.Path == path
	}
}

// Each check passes on a site as it should be, and fails on one that is not.
func TestChecksOfTheLiveSite(t *testing.T) {
	const region = "Köln & Bonn"
	versions := []policy.Text{{Version: 1, Date: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)}}
	declared := facts{system.RegionDeclared{Region: "elsewhere"}, system.RegionDeclared{Region: region}}
	cookie := func(w http.ResponseWriter) { http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"}) }
	weak := func(policy string) func(w http.ResponseWriter) {
		return func(w http.ResponseWriter) { w.Header().Set("Content-Security-Policy", policy) }
	}
	loads := func(tag string) func(w http.ResponseWriter) {
		return func(w http.ResponseWriter) { _, _ = w.Write([]byte(tag)) }
	}
	cookies := func(ctx context.Context, o outsider) (usecase.Looked, error) { return o.noCookies(ctx) }
	origin := func(ctx context.Context, o outsider) (usecase.Looked, error) { return o.ownOriginOnly(ctx) }
	without := func(ctx context.Context, o outsider) (usecase.Looked, error) { return o.worksWithoutCookies(ctx) }
	https := func(forOthers bool) func(context.Context, outsider) (usecase.Looked, error) {
		return func(ctx context.Context, o outsider) (usecase.Looked, error) {
			return o.httpsOnly(ctx, forOthers, false)
		}
	}
	regions := func(what string, record facts) func(context.Context, outsider) (usecase.Looked, error) {
		return func(ctx context.Context, o outsider) (usecase.Looked, error) {
			return o.regionStated(ctx, what, record)
		}
	}
	contact := func(what string) func(context.Context, outsider) (usecase.Looked, error) {
		return func(ctx context.Context, o outsider) (usecase.Looked, error) {
			return o.stated(ctx, what, "contact.not_shown")
		}
	}
	dated := func(v []policy.Text) func(context.Context, outsider) (usecase.Looked, error) {
		return func(ctx context.Context, o outsider) (usecase.Looked, error) { return o.everyVersionDated(ctx, v) }
	}
	pages := int64(len(publicPages))
	tests := map[string]struct {
		look   func(context.Context, outsider) (usecase.Looked, error)
		change func(http.ResponseWriter, *http.Request) bool
		then   usecase.Looked
	}{
		"no cookie":                {cookies, nil, usecase.Looked{At: pages}},
		"a cookie":                 {cookies, at("/stats", cookie), usecase.Looked{At: pages, Found: 1, Code: "cookie.set"}},
		"a page is gone":           {cookies, answers404("/privacy"), usecase.Looked{At: pages, Found: 1, Code: "cookie.set"}},
		"own origin":               {origin, nil, usecase.Looked{At: pages}},
		"a script from elsewhere":  {origin, at("/", loads(`<script async src="https://ads.example/x.js">`)), usecase.Looked{At: pages, Found: 1, Code: "origin.foreign"}},
		"a pixel from elsewhere":   {origin, at("/", loads(`<img src=//ads.example/x.gif>`)), usecase.Looked{At: pages, Found: 1, Code: "origin.foreign"}},
		"a form to elsewhere":      {origin, at("/", loads(`<form method=post action='http://ads.example'>`)), usecase.Looked{At: pages, Found: 1, Code: "origin.foreign"}},
		"a policy with a hole":     {origin, at("/", weak(strictPolicy+" https://cdn.example")), usecase.Looked{At: pages, Found: 1, Code: "origin.foreign"}},
		"inline scripts allowed":   {origin, at("/", weak(strictPolicy+"; style-src 'unsafe-inline'")), usecase.Looked{At: pages, Found: 1, Code: "origin.foreign"}},
		"no policy":                {origin, at("/", weak("")), usecase.Looked{At: pages, Found: 1, Code: "origin.foreign"}},
		"the way without cookies":  {without, nil, usecase.Looked{At: 3}},
		"a cookie on the way":      {without, at(nobodysPicture, cookie), usecase.Looked{At: 3, Found: 1, Code: "cookie.needed"}},
		"no form without a cookie": {without, answers404("/"), usecase.Looked{At: 3, Found: 1, Code: "cookie.needed"}},
		"only this machine":        {https(false), nil, usecase.Looked{}},
		"plain for others":         {https(true), nil, usecase.Looked{At: pages, Found: pages, Code: "transport.plain"}},
		"region":                   {regions(region, declared), nil, usecase.Looked{At: 2}},
		"region, not stated":       {regions("", declared), nil, usecase.Looked{}},
		"region, not shown":        {regions("Atlantis", facts{system.RegionDeclared{Region: "Atlantis"}}), nil, usecase.Looked{At: 2, Found: 1, Code: "region.not_shown"}},
		"region, not declared":     {regions(region, declared[:1]), nil, usecase.Looked{At: 2, Found: 1, Code: "region.not_declared"}},
		"contact":                  {contact("privacy@example.org"), nil, usecase.Looked{At: 1}},
		"contact, not stated":      {contact(""), nil, usecase.Looked{}},
		"contact, not shown":       {contact("other@example.org"), nil, usecase.Looked{At: 1, Found: 1, Code: "contact.not_shown"}},
		"dated":                    {dated(versions), nil, usecase.Looked{At: 2}},
		"no versions":              {dated(nil), nil, usecase.Looked{}},
		"another date":             {dated([]policy.Text{{Version: 1}}), nil, usecase.Looked{At: 2, Found: 2, Code: "policy.undated"}},
		"a version is gone":        {dated(versions), answers404("/privacy/1"), usecase.Looked{At: 2, Found: 1, Code: "policy.undated"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := tt.look(t.Context(), goodSite(t, tt.change))
			if err != nil || got != tt.then {
				t.Errorf("got %+v, %v; want %+v", got, err, tt.then)
			}
		})
	}
}

var pageRoute = regexp.MustCompile(`"GET (/[a-z]*)(?:\{\$\})?", scope\.Page`)

// A page that somebody adds is looked at, too.
func TestChecksLookAtEveryPublicPage(t *testing.T) {
	files, err := filepath.Glob("../../adapters/web/routes*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no routes: %v", err)
	}
	found := 0
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, route := range pageRoute.FindAllStringSubmatch(string(content), -1) {
			if found++; !slices.Contains(publicPages, route[1]) {
				t.Errorf("no check looks at %s", route[1])
			}
		}
	}
	if found != len(publicPages) {
		t.Errorf("%d pages among the routes, %d that checks look at", found, len(publicPages))
	}
}

// A service in trouble tells nothing: that is an error, and not an outcome.
func TestChecksOfASiteInTrouble(t *testing.T) {
	site := goodSite(t, func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	})
	if _, err := site.noCookies(t.Context()); err == nil {
		t.Error("nobody says that it is in trouble")
	}
	if _, err := newOutsider("http://127.0.0.1:1", "mark").stated(t.Context(), "x", "y"); err == nil {
		t.Error("nobody says that it is not there")
	}
}

// A listener of our own that speaks TLS refuses to speak plainly, and one behind it that does not is found.
func TestCheckOfTransportSpeaksBoth(t *testing.T) {
	site := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Strict-Transport-Security", "max-age=63072000")
	})
	secure := httptest.NewTLSServer(site)
	defer secure.Close()
	pages := int64(len(publicPages))
	if got, err := newOutsider(secure.URL, "mark").httpsOnly(t.Context(), true, true); err != nil || got != (usecase.Looked{At: pages + 1}) {
		t.Errorf("got %+v, %v", got, err)
	}
	plain := httptest.NewServer(site)
	defer plain.Close()
	if got, err := newOutsider(plain.URL, "mark").httpsOnly(t.Context(), true, true); err != nil || got != (usecase.Looked{At: pages + 1, Found: 1, Code: "transport.plain"}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestCheckOfFiguresColumns(t *testing.T) {
	fine := []string{"checkpoint.seq bigint", "tally.class text", "tally.hour timestamp with time zone", "tally_2026_03.n bigint"}
	tests := map[string]struct {
		columns []string
		then    usecase.Looked
	}{
		"as they are":  {fine, usecase.Looked{At: 4}},
		"a picture":    {append(fine, "tally.thumbnail bytea"), usecase.Looked{At: 5, Found: 1, Code: "usage.column_unknown"}},
		"a person":     {append(fine, "tally.account text"), usecase.Looked{At: 5, Found: 1, Code: "usage.column_unknown"}},
		"a finer time": {append(fine, "tally.at timestamp with time zone"), usecase.Looked{At: 5, Found: 1, Code: "usage.column_unknown"}},
		"more than n":  {append(fine, "tally.n bytea"), usecase.Looked{At: 5, Found: 1, Code: "usage.column_unknown"}},
		"nothing":      {nil, usecase.Looked{}},
	}
	for name, tt := range tests {
		if got := figuresNameNobody(tt.columns); got != tt.then {
			t.Errorf("%s: got %+v, want %+v", name, got, tt.then)
		}
	}
}

// bundled is the data of the rules that the release carries.
func bundled(t *testing.T) map[string]any {
	t.Helper()
	rules, err := opa.New(t.Context(), opa.Config{Bundle: policies.Bundle, ImagePeriod: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	_, data := rules.Data()
	return data
}

func TestCheckOfBases(t *testing.T) {
	if got, err := everyPurposeHasABasis(bundled(t)); err != nil || got.At == 0 || got.Found != 0 {
		t.Errorf("the bundle: %+v, %v", got, err)
	}
	const grants = `{"purposes": {"storage": {}, "sale": {"never": true}}, "bases": {"contract": {}}, "grants": {"hosting": {"storage": {"sealed": {"bases": {"contract": true}}}}}}`
	const register = `{"processing": {"cutout": {"basis": "contract"}}}`
	tests := map[string]struct {
		shared, register string
		found            int64
	}{
		"as it should be":           {grants, register, 0},
		"no basis":                  {strings.Replace(grants, `{"contract": true}`, `{}`, 1), register, 1},
		"one that is off":           {strings.Replace(grants, `"contract": true`, `"contract": false`, 1), register, 1},
		"an unknown basis":          {strings.Replace(grants, `"contract": true`, `"whim": true`, 1), register, 1},
		"an unused purpose":         {strings.Replace(grants, `"storage": {}`, `"storage": {}, "research": {}`, 1), register, 1},
		"an activity without":       {grants, strings.Replace(register, `"contract"`, `""`, 1), 1},
		"an activity on a whim":     {grants, strings.Replace(register, `"contract"`, `"whim"`, 1), 1},
		"nothing to look at at all": {`{}`, `{}`, 0},
	}
	for name, tt := range tests {
		var data map[string]any
		for _, file := range []string{tt.shared, tt.register} {
			if err := json.Unmarshal([]byte(file), &data); err != nil {
				t.Fatal(err)
			}
		}
		got, err := everyPurposeHasABasis(data)
		if err != nil || got.Found != tt.found || (got.Code != "") != (tt.found > 0) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	if got, err := everyPurposeHasABasis(nil); err != nil || got != (usecase.Looked{}) {
		t.Errorf("without data: %+v, %v", got, err)
	}
	if _, err := everyPurposeHasABasis(map[string]any{"bases": []any{1}}); err == nil {
		t.Error("data of another shape, and no error")
	}
}
