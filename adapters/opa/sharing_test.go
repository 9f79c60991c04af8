package opa

import (
	"bytes"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
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

// What a partner asks for takes two approvals, and under rules of a release before, which know none, as many as they ask
// for.
func TestShareUnderEarlierRules(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	question := usecase.SharingQuestion{
		Recipient: "partner", Purpose: "introduction", Category: "account", Basis: "consent", Fields: []string{"email"}, Approvals: 1, Now: now, Expires: now.Add(time.Hour),
	}
	for name, tt := range map[string]struct {
		rules   fs.FS
		reasons []string
		told    bool
	}{
		"of this release":   {policies.Bundle, []string{"approvals"}, true},
		"without approvals": {withoutApprovals(t), nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := New(t.Context(), Config{Bundle: tt.rules, ImagePeriod: 24 * time.Hour})
			must(t, err)
			v, d, err := p.Share(t.Context(), question)
			if err != nil || v.Allow != (tt.reasons == nil) || !slices.Equal(v.Reasons, tt.reasons) || bytes.Contains(d.Input, []byte(`"approvals":1`)) != tt.told {
				t.Errorf("%+v, %s, %v", v, d.Input, err)
			}
		})
	}
}

// withoutApprovals is the bundle with sharing.share as it was when only authorities needed approvals.
func withoutApprovals(t *testing.T) fs.FS {
	t.Helper()
	files := fstest.MapFS{}
	must(t, fs.WalkDir(policies.Bundle, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(policies.Bundle, name)
		files[name] = &fstest.MapFile{Data: content}
		return err
	}))
	const disclose = "# title: May these fields be disclosed"
	share, rest, _ := strings.Cut(string(files["sharing/sharing.rego"].Data), disclose)
	for _, line := range []string{
		"#         approvals: {type: integer, minimum: 0}\n", "\tinput.approvals >= 0\n", "\tinput.approvals == floor(input.approvals)\n",
		"\t\t\"approvals\": input.approvals >= data.recipients[input.recipient].approvals,\n", "\"approvals\", ", "approvals, ",
	} {
		if !strings.Contains(share, line) {
			t.Fatalf("%q stands nowhere", line)
		}
		share = strings.ReplaceAll(share, line, "")
	}
	files["sharing/sharing.rego"].Data = []byte(share + disclose + rest)
	data := files["data/sharing.json"]
	data.Data = bytes.ReplaceAll(bytes.ReplaceAll(data.Data, []byte(`false, "approvals": 0,`), []byte("false,")), []byte(`true, "approvals": 2,`), []byte("true,"))
	schema := files["schema.json"]
	schema.Data = bytes.Replace(schema.Data, []byte(`"required": ["approvals", "gpc_stops"`), []byte(`"required": ["gpc_stops"`), 1)
	return files
}
