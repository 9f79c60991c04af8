package web_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/bgremover/bgremover/adapters/web/officer"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/domain/refusal"
)

func (o *office) says(t *testing.T, page *httptest.ResponseRecorder, code int, all ...string) {
	t.Helper()
	if page.Code != code {
		t.Fatalf("got %d: %s", page.Code, page.Body)
	}
	for _, s := range all {
		if !strings.Contains(page.Body.String(), s) {
			t.Errorf("the page does not say %q:\n%s", s, page.Body)
		}
	}
}

// keeps puts a fact into the record.
func (o *office) keeps(stream event.Stream, fact event.Fact) {
	o.t.Helper()
	if _, err := o.Record.Append(o.t.Context(), event.Append{
		At: o.now(), Actor: event.Actor{Role: event.Operator}, Parts: []event.Part{{Stream: stream, Facts: []event.Pending{{Fact: fact}}}},
	}); err != nil {
		o.t.Fatal(err)
	}
}

func TestOfficersTryRules(t *testing.T) {
	o := newOffice(t).signIn()
	var started []int64
	var state officer.TrialState
	*o.trials = officer.Trials{
		Start: func(_ context.Context, revision int64) error {
			if len(started) > 0 {
				return refusal.New(refusal.Conflict, "policy.simulating", "A simulation is running already.", "Wait.")
			}
			started = append(started, revision)
			return nil
		},
		State: func() officer.TrialState { return state },
	}
	o.says(t, o.get("/officer/simulation"), http.StatusOK, "No rules are stored in the record yet", "bgremover policy simulate --bundle DIR", "None yet.")

	o.keeps(policy.BundleStream("5"), policy.BundleStored{Revision: 5, Digest: strings.Repeat("5b", 32), Archive: []byte{1}})
	o.says(t, o.get("/officer/simulation"), http.StatusOK, `<option value="5">5 (5b5b5b5b5b5b…)</option>`)

	try := func(revision string) *httptest.ResponseRecorder {
		return o.do(t, "POST", "/officer/simulation", strings.NewReader(url.Values{"revision": {revision}}.Encode()),
			"Content-Type", "application/x-www-form-urlencoded", "Cookie", o.cookie, "Sec-Fetch-Site", "same-origin")
	}
	if answer := try("5"); answer.Code != http.StatusSeeOther || answer.Header().Get("Location") != "/officer/simulation" || len(started) != 1 || started[0] != 5 {
		t.Errorf("starting answers %d, started %v", answer.Code, started)
	}
	o.says(t, try("5"), http.StatusConflict, "A simulation is running already")
	o.says(t, try("five"), http.StatusBadRequest, "A revision is a number")

	state = officer.TrialState{Running: 5, Began: o.now(), Seq: 30, Of: 60, Last: []officer.Trial{
		{Revision: 5, Ended: o.now(), Digest: "a5a5", From: 1, To: 60, Facts: 60, Limits: "This is per decision.", Excluded: []string{"access.blob: 7 reads"}, Rules: []officer.TriedRule{
			{Rule: "retention.limit", Same: 3, Different: 4, NotCompared: 2, Findings: []string{"4 would be kept longer <by> 30 d"}},
		}},
		{Revision: 4, Ended: o.now(), Failed: "fact 7 is not made again"},
	}}
	o.keeps(policy.SimulationStream("5"), policy.Simulated{Revision: 5, Digest: "d", Report: "recorded-report", From: 1, To: 60, Same: 3, Different: 4, Uncompared: 2})
	page := o.get("/officer/simulation")
	o.says(t, page, http.StatusOK, "fact 30 of 60", `value="50"`, "retention.limit", "4 would be kept longer &lt;by&gt; 30 d", "access.blob: 7 reads",
		"fact 7 is not made again", "recorded-report", "This is per decision.")
	if strings.Contains(page.Body.String(), "<form class=\"panel filter\"") {
		t.Error("another can be started while one runs")
	}
}

func TestOfficersTakeTheDecisions(t *testing.T) {
	o := newOffice(t).signIn()
	*o.trials = officer.Trials{Decisions: func(_ context.Context, from, to int64, each func(event.Envelope) error) error {
		return each(event.Envelope{Seq: from, Version: to, Fact: event.Unknown{Name: "test.happened.v1"}, Decision: &event.Decision{
			Rule: "retention.due", Revision: 4, Outcome: "allow", Input: json.RawMessage(`{}`),
		}})
	}}
	taken := o.get("/officer/decisions.ndjson?from=7&to=9")
	o.says(t, taken, http.StatusOK, `"path":"retention/due"`, `"seq":7`)
	if h := taken.Header(); h.Get("Content-Type") != "application/x-ndjson" || !strings.Contains(h.Get("Content-Disposition"), "decisions.ndjson") {
		t.Errorf("headers %v", h)
	}
	if refused := o.get("/officer/decisions.ndjson?from=x"); refused.Code != http.StatusBadRequest {
		t.Errorf("got %d", refused.Code)
	}
	o.cookie = ""
	for _, path := range []string{"/officer/decisions.ndjson", "/officer/simulation"} {
		if refused := o.get(path); refused.Code != http.StatusUnauthorized {
			t.Errorf("%s without a session: %d", path, refused.Code)
		}
	}
}
