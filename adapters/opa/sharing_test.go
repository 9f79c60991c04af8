package opa

import (
	"slices"
	"testing"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/policies"
)

// Whoever asks, for whatever, on whichever basis: nothing is given to train models, and of a
// picture nothing is given for anything.
func TestNobodyGetsTrainingDataOrPictures(t *testing.T) {
	p, err := New(t.Context(), Config{Bundle: policies.Bundle, ImagePeriod: 24 * time.Hour})
	must(t, err)
	b, err := load(policies.Bundle)
	must(t, err)
	keys := func(member string) (all []string) {
		for key := range entries(b.data[member]) {
			all = append(all, key)
		}
		slices.Sort(all)
		return all
	}
	now, asked := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC), 0
	for _, recipient := range append(keys("recipients"), "authority") {
		for _, category := range append(keys("categories"), "image", "result", "preview") {
			for _, basis := range keys("bases") {
				for _, purpose := range keys("purposes") {
					picture := slices.Contains([]string{"image", "result", "preview"}, category)
					if purpose != "training" && !picture {
						continue
					}
					asked++
					v, d, err := p.Share(t.Context(), usecase.SharingQuestion{
						Recipient: recipient, Purpose: purpose, Category: category, Basis: basis, Fields: []string{"email"}, Now: now, Expires: now.Add(time.Hour),
					})
					if err != nil || v.Allow || d.Outcome != denied || len(v.Reasons) == 0 || len(d.Input) == 0 {
						t.Errorf("%s, %s, %s, %s: %+v, %+v, %v", recipient, category, basis, purpose, v, d, err)
					}
				}
			}
		}
	}
	for _, category := range []string{"image", "result", "preview"} {
		asked++
		v, d, err := p.Disclose(t.Context(), usecase.SharingQuestion{
			Category: category, Country: "DE", Document: true, Treaty: true, Approvals: 9, Fields: []string{"blob"}, Now: now, Expires: now.Add(time.Hour),
		})
		if err != nil || v.Allow || d.Outcome != denied {
			t.Errorf("an authority, %s: %+v, %v", category, v, err)
		}
	}
	if asked < 500 {
		t.Errorf("only %d questions were asked", asked)
	}
}

// The desk asks as much as the data allows, and no more.
func TestWhatTheDeskMayGive(t *testing.T) {
	p, err := New(t.Context(), Config{Bundle: policies.Bundle, ImagePeriod: 24 * time.Hour})
	must(t, err)
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	order := usecase.SharingQuestion{
		Category: "technical", Country: "DE", Document: true, Approvals: 2, Fields: []string{"access_time", "address"}, Now: now, Expires: now.Add(time.Hour),
	}
	if v, d, err := p.Disclose(t.Context(), order); err != nil || !v.Allow || d.Outcome != allowed {
		t.Errorf("an order: %+v, %+v, %v", v, d, err)
	}
	order.Approvals, order.Document = 1, false
	if v, _, err := p.Disclose(t.Context(), order); err != nil || v.Allow || !slices.Equal(v.Reasons, []string{"approvals", "document"}) {
		t.Errorf("half an order: %+v, %v", v, err)
	}
	for role, want := range map[string]bool{"officer": true, "dpo": false, "responder": false, "visitor": false} {
		if _, err := p.AtDesk(t.Context(), usecase.DeskMember{Role: event.Role(role), Purpose: "disclosure", Named: true, Reason: true}); (err == nil) != want {
			t.Errorf("%s: %v", role, err)
		}
	}
	if _, err := p.ApproveDisclosure(t.Context(), usecase.DeskMember{Role: "officer", Named: true}, false); err == nil {
		t.Error("approved alone")
	}
	if _, err := p.ApproveDisclosure(t.Context(), usecase.DeskMember{Role: "officer", Named: true}, true); err != nil {
		t.Errorf("approved by another: %v", err)
	}
}
