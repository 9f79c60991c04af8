package opa

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/internal/usecase"
)

func TestAccept(t *testing.T) {
	p := policy(t, time.Hour)
	tests := map[string]struct {
		load    usecase.Load
		reasons []string
		fails   error
	}{
		"a photo":     {load: usecase.Load{Type: "jpeg", Bytes: 5 << 20, Pixels: 12_000_000}},
		"the largest": {load: usecase.Load{Type: "webp", Bytes: 25 << 20, Pixels: 50_000_000}},
		"too large":   {load: usecase.Load{Type: "png", Bytes: 26 << 20, Pixels: 51_000_000}, reasons: []string{"bytes", "pixels"}},
		"no picture":  {load: usecase.Load{Type: "svg", Bytes: 1 << 20, Pixels: 1_000_000}, fails: ErrDenied},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			reasons, d, err := p.Accept(t.Context(), tt.load)
			if !slices.Equal(reasons, tt.reasons) || !errors.Is(err, tt.fails) {
				t.Errorf("refused by %v, %v", reasons, err)
			}
			allow := len(tt.reasons) == 0 && tt.fails == nil
			if d.Rule != "upload.accept" || (d.Outcome == "allow") != allow || len(d.Input) == 0 {
				t.Errorf("decided %+v", d)
			}
		})
	}
}

func TestRate(t *testing.T) {
	p := policy(t, time.Hour)
	usage := usecase.Usage{Scope: usecase.ScopeVisitor, Uploads: 1, Pixels: 12_000_000}
	a, d, err := p.Rate(t.Context(), usage)
	if err != nil || !a.Allow || a.UploadsMinute <= 0 || a.RetryAfter <= 0 {
		t.Fatalf("%+v, %v", a, err)
	}
	want := as("upload.rate", "abuse.prevent", "allow", `{"pixels":100000000,"pixels_minute":0,"scope":"visitor","uploads_minute":4}`)
	wantDecision(t, d, want)

	usage.Uploads = a.UploadsMinute + 1
	full, d, err := p.Rate(t.Context(), usage)
	if err != nil || full.Allow || full.UploadsMinute != a.UploadsMinute || d.Outcome != "deny" {
		t.Errorf("%+v, %+v, %v", full, d, err)
	}
	for name, wrong := range map[string]usecase.Usage{
		"a scope that nobody knows": {Scope: "galaxy", Uploads: 1, Pixels: 1},
		"nothing":                   {Scope: usecase.ScopeVisitor},
	} {
		if a, d, err := p.Rate(t.Context(), wrong); !errors.Is(err, ErrDenied) || a.Allow || d.Outcome != "deny" {
			t.Errorf("%s: %+v, %+v, %v", name, a, d, err)
		}
	}
}

// Rules are asked in steps, and answer as they would for the exact figures.
func TestStepsChangeNoAnswer(t *testing.T) {
	p := policy(t, time.Hour)
	types, rates := entries(p.inForce.Load().data["upload_types"]), entries(p.inForce.Load().data["rates"])
	limit := func(of map[string]any, name, figure string) int64 {
		n, err := entries(of[name])[figure].(json.Number).Int64()
		must(t, err)
		return n
	}
	around := func(rt *rapid.T, limit int64, label string) int64 {
		return max(1, limit+rapid.Int64Range(-limit, limit/2).Draw(rt, label)*rapid.SampledFrom([]int64{0, 1}).Draw(rt, "not at "+label)+
			rapid.Int64Range(-1, 1).Draw(rt, label+" nearly"))
	}
	rapid.Check(t, func(rt *rapid.T) {
		kind := rapid.SampledFrom(slices.Sorted(maps.Keys(types))).Draw(rt, "type")
		bytes, pixels := limit(types, kind, "maximum_bytes"), limit(types, kind, "maximum_pixels")
		load := usecase.Load{Type: kind, Bytes: around(rt, bytes, "bytes"), Pixels: around(rt, pixels, "pixels")}
		reasons, d, err := p.Accept(t.Context(), load)
		if err != nil || slices.Contains(reasons, "bytes") != (load.Bytes > bytes) || slices.Contains(reasons, "pixels") != (load.Pixels > pixels) {
			rt.Fatalf("%+v is refused for %v, %v", load, reasons, err)
		}
		inSteps(rt, d.Input, map[string]step{"bytes": {5 << 20, 0}, "pixels": {10_000_000, 0}})

		scope := rapid.SampledFrom([]usecase.Scope{usecase.ScopeVisitor, usecase.ScopeNetwork}).Draw(rt, "scope")
		uploads, pixels := limit(rates, string(scope), "uploads_minute"), limit(rates, string(scope), "pixels_minute")
		usage := usecase.Usage{Scope: scope, Uploads: around(rt, uploads, "uploads"), Pixels: around(rt, pixels, "pixels of a minute")}
		a, d, err := p.Rate(t.Context(), usage)
		if err != nil || a.Allow != (usage.Uploads <= uploads && usage.Pixels <= pixels) {
			rt.Fatalf("%+v: %+v, %v", usage, a, err)
		}
		inSteps(rt, d.Input, map[string]step{"uploads_minute": {5, 4}, "pixels_minute": {100_000_000, 0}, "pixels": {100_000_000, 0}})
	})
}

// step is what figures may be told in: multiples, and so much more.
type step struct{ every, more int64 }

// inSteps holds the figures of a question against the steps that the record may tell.
func inSteps(t *rapid.T, input json.RawMessage, steps map[string]step) {
	var members map[string]any
	if err := json.Unmarshal(input, &members); err != nil {
		t.Fatal(err)
	}
	for name, value := range members {
		if n, isNumber := value.(float64); isNumber && (steps[name].every == 0 || int64(n)%steps[name].every != steps[name].more) {
			t.Fatalf("%s is %v", name, n)
		}
	}
}

// A limit between two steps would refuse what it allows: such a bundle is refused, with the file and the entry.
func TestLimitsAreMultiplesOfTheSteps(t *testing.T) {
	for name, tt := range map[string]struct{ was, becomes, entry string }{
		"bytes":             {`"maximum_bytes": 26214400`, `"maximum_bytes": 26214399`, "upload_types.gif.maximum_bytes"},
		"pixels":            {`"maximum_pixels": 50000000`, `"maximum_pixels": 12000000`, "upload_types.gif.maximum_pixels"},
		"uploads":           {`"uploads_minute": 20`, `"uploads_minute": 7`, "rates.visitor.uploads_minute"},
		"pixels of minutes": {`"pixels_minute": 300000000`, `"pixels_minute": 250000000`, "rates.visitor.pixels_minute"},
	} {
		t.Run(name, func(t *testing.T) {
			content, err := fs.ReadFile(source(), "data/upload.json")
			must(t, err)
			if !strings.Contains(string(content), tt.was) {
				t.Fatalf("the data does not hold %s", tt.was)
			}
			_, err = load(with(t, "data/upload.json", strings.Replace(string(content), tt.was, tt.becomes, 1)))
			if err == nil || !strings.Contains(err.Error(), "data/upload.json: "+tt.entry+": ") || !strings.Contains(err.Error(), "ultiple of") {
				t.Errorf("loaded with %v", err)
			}
		})
	}
}

// BenchmarkUploadRatio compares each question that an upload asks with the evaluation of the smallest rule that
// there can be, side by side; it reports the medians' ratio.
func BenchmarkUploadRatio(b *testing.B) {
	one, err := compile(map[string]*ast.Module{"one.rego": ast.MustParseModule("package one\n\na := {\"decided\": true, \"allow\": true} if input.kind == \"image\"\n")})
	must(b, err)
	query, err := rego.New(rego.Query("data.one.a"), rego.Compiler(one)).PrepareForEval(b.Context())
	must(b, err)
	bare := &question{rule: "one.a", query: query}
	p := policy(b, 24*time.Hour)
	load := usecase.Load{Type: "jpeg", Bytes: 5 << 20, Pixels: 12_000_000}
	usage := usecase.Usage{Scope: usecase.ScopeVisitor, Pixels: 12_000_000, Uploads: 4}
	for name, ask := range map[string]func() error{
		"upload.accept": func() error { _, _, err := p.Accept(b.Context(), load); return err },
		"upload.rate":   func() error { _, _, err := p.Rate(b.Context(), usage); return err },
	} {
		b.Run(name, func(b *testing.B) {
			var whole, alone []time.Duration
			for b.Loop() {
				start := time.Now()
				must(b, ask())
				between := time.Now()
				_, err = bare.evaluate(b.Context(), json.RawMessage(`{"kind":"image"}`))
				must(b, err)
				whole, alone = append(whole, between.Sub(start)), append(alone, time.Since(between))
			}
			slices.Sort(whole)
			slices.Sort(alone)
			ratio := float64(whole[len(whole)/2]) / float64(alone[len(alone)/2])
			b.ReportMetric(ratio, "×one-rule")
			if len(whole) > 1000 && ratio > 6 {
				b.Errorf("a decision takes %.1f times as long as one rule; 6 is the most", ratio)
			}
		})
	}
}
