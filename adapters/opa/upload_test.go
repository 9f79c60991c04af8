package opa

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

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
	usage := usecase.Usage{Scope: usecase.ScopeVisitor, Pixels: 12_000_000}
	a, d, err := p.Rate(t.Context(), usage)
	if err != nil || !a.Allow || a.UploadsMinute <= 0 || a.RetryAfter <= 0 {
		t.Fatalf("%+v, %v", a, err)
	}
	want := as("upload.rate", "abuse.prevent", "allow", `{"pixels":12000000,"pixels_minute":0,"scope":"visitor","uploads_minute":0}`)
	wantDecision(t, d, want)

	usage.UploadsMinute = a.UploadsMinute
	full, d, err := p.Rate(t.Context(), usage)
	if err != nil || full.Allow || full.UploadsMinute != a.UploadsMinute || d.Outcome != "deny" {
		t.Errorf("%+v, %+v, %v", full, d, err)
	}
	for name, wrong := range map[string]usecase.Usage{
		"a scope that nobody knows": {Scope: "galaxy", Pixels: 1},
		"nothing":                   {Scope: usecase.ScopeVisitor},
	} {
		if a, d, err := p.Rate(t.Context(), wrong); !errors.Is(err, ErrDenied) || a.Allow || d.Outcome != "deny" {
			t.Errorf("%s: %+v, %+v, %v", name, a, d, err)
		}
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
	usage := usecase.Usage{Scope: usecase.ScopeVisitor, Pixels: 12_000_000, UploadsMinute: 3, PixelsMinute: 36_000_000}
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
