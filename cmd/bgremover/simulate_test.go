package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bgremover/bgremover/internal/simulation"
)

// rulesIn copies the rules into a folder and changes one file.
func rulesIn(t *testing.T, file, was, becomes string) string {
	t.Helper()
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS(filepath.Join("..", "..", "policies"))); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, file)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(content), was, becomes, 1)
	if changed == string(content) {
		t.Fatalf("%s does not hold %q", file, was)
	}
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	return folder
}

// An officer tries rules on what really happened, before anybody is decided about by them.
func TestRulesAreTriedOnTheRecord(t *testing.T) {
	t.Parallel()
	s := serve(t, dataFolder(t))
	a := s.upload(photo(t))
	until(t, "the cutout", func() bool { return s.status(a) == "ready" })
	if res := s.ask(http.MethodDelete, "/v1/images/"+a.ID, a.Capability); res.code != http.StatusOK && res.code != http.StatusNoContent {
		t.Fatalf("delete: %s", res)
	}
	simulate := func(code int, folder string, all ...string) string {
		t.Helper()
		return answers(t, code, []string{"policy", "simulate", "--data", s.data, "--bundle", folder}, all...)
	}

	// What is in force would decide as it did.
	simulate(0, filepath.Join("..", "..", "policies"), "retention.deadline", "recorded: an activation of this very bundle can name it", simulation.Limits)
	// A longer lead is no other outcome; pictures of an hour at most are.
	said := simulate(0, rulesIn(t, filepath.Join("retention", "retention.rego"),
		"allow := input.period_s <= maximum_s", "allow := input.period_s < 3600"), "retention.deadline: 1 are denied that were allowed (facts ")
	if strings.Contains(said, a.ID) {
		t.Errorf("the report names a picture:\n%s", said)
	}
	simulate(1, rulesIn(t, filepath.Join("retention", "retention.rego"), "is_boolean(input.whole)", "is_boolean(input.whole"), "retention/retention.rego:")
	simulate(1, t.TempDir())
	answers(t, 1, []string{"policy", "simulate", "--data", s.data, "--revision", "999"}, "No bundle was stored")
	answers(t, 1, []string{"policy", "simulate", "--data", s.data, "--bundle", filepath.Join("..", "..", "policies"), "--from", "3", "--to", "2"}, "The record does not hold these facts")

	out := answers(t, 0, []string{"policy", "simulate", "--json", "--data", s.data, "--bundle", filepath.Join("..", "..", "policies")})
	var report simulation.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if report.Total.Same < 2 || report.Total.Different+report.Total.Erased+report.Total.Unrecorded+report.Total.WithoutBundle > 0 || report.From != 1 {
		t.Errorf("got %+v", report)
	}
	kept := false
	for _, l := range s.record("--type", "policy.simulated.v1") {
		kept = kept || strings.Contains(string(l.Data), `"different":1`)
	}
	if !kept {
		t.Error("the record does not hold the simulation")
	}

	// The decisions that were tried, for an officer's own tools.
	exported := answers(t, 0, []string{"policy", "decisions", "--data", s.data}, `"path":"retention/deadline"`, `"path":"retention/requested"`)
	for line := range strings.Lines(exported) {
		var e struct {
			DecisionID string `json:"decision_id"`
			Input      map[string]any
			Result     struct{ Allow *bool }
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.DecisionID == "" || e.Input == nil || e.Result.Allow == nil {
			t.Errorf("%v: %s", err, line)
		}
	}
}

// What was counted is in the record when the service has ended.
func TestReadsAreInTheRecordAfterTheEnd(t *testing.T) {
	t.Parallel()
	data := dataFolder(t)
	s := serve(t, data)
	a := s.upload(photo(t))
	until(t, "the cutout", func() bool { return s.status(a) == "ready" })
	s.stop()
	s = serve(t, data)
	reads := 0
	for _, l := range s.record("--type", "policy.decisions_counted.v1") {
		if strings.Contains(string(l.Data), `"rule":"access.blob"`) && strings.Contains(string(l.Data), `"reader":"processor"`) {
			reads++
		}
	}
	if reads == 0 {
		t.Error("nobody read the picture, says the record")
	}

	// What let the photo in can be tried under stricter limits; what was only read is left out.
	stricter := rulesIn(t, filepath.Join("upload", "upload.rego"), "input.bytes <= type.maximum_bytes", "input.bytes < 5242880")
	answers(t, 0, []string{"policy", "simulate", "--data", data, "--bundle", stricter},
		"upload.accept: 1 are denied that were allowed", "access.blob: excluded: 1 reads that were only counted")
}
