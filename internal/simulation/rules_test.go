package simulation_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/bgremover/bgremover/adapters/opa"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/internal/simulation"
	"github.com/bgremover/bgremover/policies"
)

// change replaces something in a file of the bundle.
type change struct{ file, was, becomes string }

// changed returns the release's bundle with changes.
func changed(t testing.TB, changes ...change) fs.FS {
	t.Helper()
	files := fstest.MapFS{}
	err := fs.WalkDir(policies.Bundle, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(policies.Bundle, name)
		files[name] = &fstest.MapFile{Data: content}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range changes {
		content := string(files[c.file].Data)
		if !strings.Contains(content, c.was) {
			t.Fatalf("%s does not hold %q", c.file, c.was)
		}
		files[c.file].Data = []byte(strings.Replace(content, c.was, c.becomes, 1))
	}
	return files
}

func opened(t testing.TB, files fs.FS) *opa.Rules {
	t.Helper()
	rules, err := opa.OpenRules(files)
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// history is a day of real decisions.
func history(t testing.TB, rules *opa.Rules) []event.Envelope {
	t.Helper()
	decide := func(rule, input string, fact event.Fact) event.Envelope {
		d, _, err := rules.Evaluate(t.Context(), rule, json.RawMessage(input))
		if err != nil {
			t.Fatal(err)
		}
		return event.Envelope{Fact: fact, Decision: &d}
	}
	at := func(d time.Duration) string { return noon.Add(d).Format(time.RFC3339Nano) }
	var all []event.Envelope
	for i := range 4 {
		after := time.Duration(i) * time.Minute
		due := noon.Add(after + 24*time.Hour)
		all = append(all,
			decide("retention.deadline", fmt.Sprintf(`{"kind":"image","period_s":86400,"uploaded":"%s"}`, at(after)), image.Uploaded{Due: due}),
			decide("retention.due", fmt.Sprintf(`{"due":"%s","kind":"image","now":"%s"}`, at(24*time.Hour), at(24*time.Hour-20*time.Second)), image.Deleted{Why: image.BecauseDue}),
			decide("retention.requested", `{"kind":"image"}`, image.Deleted{Why: image.BecauseRequested}),
			decide("retention.limit", fmt.Sprintf(`{"kind":"api_log","started":"%s"}`, at(after)), event.Unknown{Name: "test.limited.v1"}),
		)
	}
	refused, _, err := rules.Evaluate(t.Context(), "access.blob", json.RawMessage(`{"own":false,"purpose":"cutout","reader":"holder"}`))
	if err != nil {
		t.Fatal(err)
	}
	all = append(all, event.Envelope{Fact: policy.DecisionRefused{
		Rule: refused.Rule, Promises: refused.Promises, Revision: refused.Revision, Minute: noon, Count: 9, More: 2,
		Inputs: []policy.CountedInput{{Input: refused.Input, Count: 7}},
	}})
	return facts(all...)
}

const retention = "retention/retention.rego"

func TestCandidates(t *testing.T) {
	own := opened(t, policies.Bundle)
	all := history(t, own)
	const decisions = 4*4 + 7
	for name, tt := range map[string]struct {
		changes []change
		want    simulation.Counts
		rule    simulation.Rule // what is different, of one rule
	}{
		"nothing but its number": {
			nil, simulation.Counts{Same: decisions}, simulation.Rule{},
		},
		"a shorter period of what waits": {
			[]change{{"data/retention.json", `"promise": "apilog.keep-90d", "starts": "making",
      "maximum": {"years": 0, "days": 90,`, `"promise": "apilog.keep-90d", "starts": "making",
      "maximum": {"years": 0, "days": 30,`}},
			simulation.Counts{Same: decisions - 4, Different: 4},
			simulation.Rule{Rule: "retention.limit", Shorter: 4, ShortestS: -60 * 24 * 3600},
		},
		"a longer one": {
			[]change{{"data/retention.json", `"promise": "apilog.keep-90d", "starts": "making",
      "maximum": {"years": 0, "days": 90,`, `"promise": "apilog.keep-90d", "starts": "making",
      "maximum": {"years": 0, "days": 120,`}},
			simulation.Counts{Same: decisions - 4, Different: 4},
			simulation.Rule{Rule: "retention.limit", Longer: 4, LongestS: 30 * 24 * 3600},
		},
		"no lead before a deadline": {
			[]change{{retention, "lead_ns := data.periods[input.kind].lead_s * 1000000000", "lead_ns := data.periods[input.kind].lead_s * 0"}},
			simulation.Counts{Same: decisions - 4, Different: 4},
			simulation.Rule{Rule: "retention.due", NowDenied: 4, KeptLonger: 4},
		},
		"a new member": {
			[]change{
				{retention, "required: [kind]\n#       properties:\n#         kind: {type: string, enum: [image, preview, result]}\ndefault requested", "required: [asked, kind]\n#       properties:\n#         asked: {type: boolean}\n#         kind: {type: string, enum: [image, preview, result]}\ndefault requested"},
				{retention, "\tobject.keys(input) == {\"kind\"}\n\tdata.periods[input.kind].ends_at_request", "\tobject.keys(input) == {\"asked\", \"kind\"}\n\tinput.asked\n\tdata.periods[input.kind].ends_at_request"},
			},
			simulation.Counts{Same: decisions - 4, Unrecorded: 4},
			simulation.Rule{Rule: "retention.requested", Unread: []string{"asked"}},
		},
		"two values": {
			[]change{{retention, "requested := {\"decided\": true, \"allow\": true} if {", "requested := {\"decided\": true, \"allow\": false} if {\n\tinput.kind == \"image\"\n}\n\nrequested := {\"decided\": true, \"allow\": true} if {"}},
			simulation.Counts{Same: decisions - 4, Different: 4},
			simulation.Rule{Rule: "retention.requested", NowDenied: 4, KeptLonger: 4, Undecided: 4},
		},
		"others may read": {
			[]change{{"access/access.rego", `blob := {"decided": true, "allow": input.own} if {`, `blob := {"decided": true, "allow": true} if {`}},
			simulation.Counts{Same: decisions - 7, Different: 7},
			simulation.Rule{Rule: "access.blob", NowAllowed: 7},
		},
	} {
		t.Run(name, func(t *testing.T) {
			candidate := opened(t, changed(t, append(tt.changes, change{".manifest", `"revision": "`, `"revision": "100`})...))
			if candidate.Revision() <= own.Revision() {
				t.Fatalf("revision %d", candidate.Revision())
			}
			got := run(t, over(all, own, candidate))
			if got.Total != tt.want {
				t.Errorf("counted %+v, want %+v", got.Total, tt.want)
			}
			for _, r := range got.Rules {
				why := r.Why
				if r.Rule != tt.rule.Rule {
					continue
				}
				tt.rule.Counts, r.Examples, r.Why = r.Counts, nil, ""
				if tt.rule.Unread == nil {
					tt.rule.Unread = []string{}
				}
				if fmt.Sprint(r) != fmt.Sprint(tt.rule) {
					t.Errorf("got %+v, want %+v", r, tt.rule)
				}
				if (r.Undecided > 0) != strings.Contains(why, retention+":") {
					t.Errorf("it says why: %q", why)
				}
			}
			if !slices.Equal(got.Excluded, []simulation.Excluded{{Rule: "access.blob", More: 2}}) {
				t.Errorf("excluded %+v", got.Excluded)
			}
		})
	}
}

// An officer tries stricter limits on uploads that were taken in: each counts, by how often it was asked.
func TestStricterLimitsOnWhatWasTakenIn(t *testing.T) {
	own := opened(t, policies.Bundle)
	ask := func(rule string, inputs ...string) event.Envelope {
		f := policy.DecisionsCounted{Rule: rule, From: noon, Until: noon.Add(time.Minute)}
		for i, input := range inputs {
			d, _, err := own.Evaluate(t.Context(), rule, json.RawMessage(input))
			if err != nil || d.Outcome != "allow" {
				t.Fatalf("%s of %s: %+v, %v", rule, input, d, err)
			}
			f.Promises, f.Revision = d.Promises, d.Revision
			f.Inputs = append(f.Inputs, policy.CountedInput{Input: d.Input, Count: int64(10 * (i + 1))})
		}
		return event.Envelope{Fact: f}
	}
	all := facts(
		ask("upload.accept", `{"bytes":5242880,"pixels":10000000,"type":"jpeg"}`, `{"bytes":26214400,"pixels":50000000,"type":"jpeg"}`),
		ask("upload.rate", `{"pixels":100000000,"pixels_minute":0,"scope":"visitor","uploads_minute":4}`,
			`{"pixels":100000000,"pixels_minute":0,"scope":"visitor","uploads_minute":19}`, `{"pixels":100000000,"pixels_minute":0,"scope":"network","uploads_minute":19}`),
	)
	data := "data/upload.json"
	candidate := opened(t, changed(t,
		change{data, `"jpeg": {"maximum_bytes": 26214400, "maximum_pixels": 50000000`, `"jpeg": {"maximum_bytes": 26214400, "maximum_pixels": 40000000`},
		change{data, `"uploads_minute": 20`, `"uploads_minute": 15`},
	))
	got := run(t, over(all, own, candidate))
	want := map[string]int64{"upload.accept": 20, "upload.rate": 20}
	for _, r := range got.Rules {
		// The visitor who sent few is answered with another limit, and let in all the same.
		if r.NowDenied != want[r.Rule] || r.Other != map[string]int64{"upload.rate": 10}[r.Rule] {
			t.Errorf("%+v", r)
		}
	}
	if got.Total.Same != 10+30 || len(got.Rules) != 2 || len(got.Excluded) > 0 {
		t.Errorf("counted %+v, excluded %+v", got.Total, got.Excluded)
	}
	var said strings.Builder
	if err := got.WriteText(&said); err != nil || !strings.Contains(said.String(), "upload.accept: 20 are denied that were allowed (facts 1)") {
		t.Errorf("%v in\n%s", err, said.String())
	}
}

// A record that was written under rules which are not those of the bundle that it names.
func TestAChangedBundleUnderAnOldNumber(t *testing.T) {
	all := history(t, opened(t, policies.Bundle))
	own := opened(t, changed(t, change{retention, "lead_ns := data.periods[input.kind].lead_s * 1000000000", "lead_ns := data.periods[input.kind].lead_s * 0"}))
	_, err := simulation.Run(t.Context(), over(all, own, own))
	var mismatch *simulation.Mismatch
	if !errors.As(err, &mismatch) || mismatch.Seq != 2 || mismatch.Rule != "retention.due" {
		t.Errorf("got %v", err)
	}
}

func TestReportAsText(t *testing.T) {
	own := opened(t, policies.Bundle)
	candidate := opened(t, changed(t, change{"access/access.rego", `"allow": input.own}`, `"allow": true}`}))
	var said strings.Builder
	if err := run(t, over(history(t, own), own, candidate)).WriteText(&said); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		"revision 5 (5d5d5d5d5d5d…) over the facts 1 to 17: 17 were read", "7 are allowed that were denied (facts 17)",
		"access.blob: excluded: 0 reads that were only counted, 2 refusals", simulation.Limits,
	} {
		if !strings.Contains(said.String(), part) {
			t.Errorf("%q is not said in\n%s", part, said.String())
		}
	}
}

// The canonical form is what is signed for: its bytes are part of the contract.
func TestReportHasOneForm(t *testing.T) {
	own := opened(t, policies.Bundle)
	report := run(t, over(history(t, own)[:1], own, own))
	got, err := report.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(got), `{"bundle":"5d5d`) || !strings.Contains(string(got), `"facts":1,"from":1,"limits":"`) || !strings.HasSuffix(string(got), `"total":{"different":0,"erased":0,"same":1,"unrecorded":0,"without_bundle":0}}`) {
		t.Errorf("got %s", got)
	}
	for _, c := range string(got) {
		if c < ' ' || c > '~' {
			t.Errorf("it holds %q", c)
		}
	}
}
