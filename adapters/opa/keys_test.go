package opa

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/util"

	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/policies"
)

func TestLifetime(t *testing.T) {
	p := policy(t, time.Hour)
	for kind, want := range map[string]usecase.Lifetime{
		"image":      {OwnStream: true},
		"credential": {},
		"visit":      {OwnStream: true, Due: noon.AddDate(0, 0, 90)},
		"payment":    {OwnStream: true, Due: noon.AddDate(7, 0, 0)},
	} {
		for range 2 { // asked, remembered
			got, err := p.Lifetime(t.Context(), kind, noon.In(time.FixedZone("", 3600)))
			if err != nil || got.OwnStream != want.OwnStream || !got.Due.Equal(want.Due) {
				t.Errorf("%s: %+v, %v; want %+v", kind, got, err, want)
			}
		}
	}
	for _, kind := range []string{"", "selfie", "Image", "ímage"} {
		if _, err := p.Lifetime(t.Context(), kind, noon); !errors.Is(err, usecase.ErrKeyKind) {
			t.Errorf("%q: %v", kind, err)
		}
	}
}

// The schemas list the kinds that the data knows: all of them, and those that end by themselves.
func TestKindsInSchemas(t *testing.T) {
	b, err := load(policies.Bundle)
	must(t, err)
	var all, fixed []any
	for kind, lifetime := range b.data["lifetimes"].(map[string]any) {
		all = append(all, kind)
		if lifetime.(map[string]any)["counts_from"] == "making" {
			fixed = append(fixed, kind)
		}
	}
	for _, ref := range rules(b) {
		want := map[string][]any{"data.keys.lifetime": all, "data.keys.due": fixed}[ref.String()]
		if want == nil {
			continue
		}
		schema := *b.compiler.GetAnnotationSet().GetDocumentScope(ref).Schemas[0].Definition
		properties := schema.(map[string]any)["properties"].(map[string]any)
		got := properties["kind"].(map[string]any)["enum"].([]any)
		compare := func(a, b any) int { return util.Compare(a, b) }
		slices.SortFunc(want, compare)
		if !slices.EqualFunc(got, want, func(a, b any) bool { return a == b }) {
			t.Errorf("%v lists %v; the data %v", ref, got, want)
		}
	}
}

func TestKeysEnd(t *testing.T) {
	p, ctx := policy(t, time.Hour), t.Context()
	for now, want := range map[time.Time]bool{noon: true, noon.Add(-time.Nanosecond): false} {
		yes, d, err := p.KeyDue(ctx, "visit", noon, now)
		if err != nil || yes != want {
			t.Errorf("due at %v: %v, %v; want %v", now, yes, err, want)
		}
		wantDecision(t, d, as("keys.due", "image.no-permanent-store", map[bool]string{true: "allow", false: "deny"}[want],
			`{"due":"2026-03-02T12:00:00.123456Z","kind":"visit","now":"`+text(now)+`"}`))
	}
	if yes, d, err := p.KeyDue(ctx, "image", noon, noon); yes || d.Outcome != denied || !errors.Is(err, ErrDenied) {
		t.Errorf("a key that ends with a fact: %v, %+v, %v", yes, d, err)
	}
	week := 7 * 24 * time.Hour
	for now, want := range map[time.Time]bool{noon.Add(week): true, noon.Add(week - 1): false} {
		if yes, err := p.WrappingDue(ctx, noon, now); err != nil || yes != want {
			t.Errorf("retired at %v: %v, %v; want %v", now, yes, err, want)
		}
	}
}

func BenchmarkLifetime(b *testing.B) {
	p := policy(b, time.Hour)
	for _, kind := range []string{"image", "visit"} {
		b.Run(kind, func(b *testing.B) {
			for b.Loop() {
				_, err := p.Lifetime(b.Context(), kind, noon)
				must(b, err)
			}
		})
	}
}
