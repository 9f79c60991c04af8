package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/system"
)

// happened puts facts into the record, each in a stream of its own.
func (o *office) happened(streams string, facts ...event.Fact) {
	o.t.Helper()
	for i, f := range facts {
		stream := event.DerivedStream("audit", streams, string(rune('a'+i)))
		_, err := o.Record.Append(o.t.Context(), event.Append{
			At: o.now(), Actor: event.Actor{Role: event.Clock}, Parts: []event.Part{{Stream: stream, Facts: []event.Pending{{Fact: f}}}},
		})
		if err != nil {
			o.t.Fatal(err)
		}
	}
}

func TestOfficersSeeAudits(t *testing.T) {
	o := newOffice(t).signIn()
	if page := o.get("/officer/audits"); page.Code != http.StatusOK || !strings.Contains(page.Body.String(), "No audit is in the record yet") || !strings.Contains(page.Body.String(), "No check has run yet") {
		t.Errorf("before the first: %d %s", page.Code, page.Body)
	}
	o.happened("audits",
		system.AuditCompleted{Whole: true, Objects: 12, Keys: 1, Tables: 4, Findings: []system.Finding{}},
		system.AuditCompleted{Objects: 11, Findings: []system.Finding{
			{Code: "object.overdue", Promise: "image.delete-24h", Count: 3}, {Code: "object.unknown", Promise: "image.no-permanent-store", Count: 1},
		}, Removed: 4},
	)
	o.happened("checks",
		system.AuditCheckFailed{Check: "policy.dated", Promises: []string{"policy.dated"}, Looked: 2, Found: 1, Code: "policy.undated"},
		system.AuditCheckFailed{Check: "contact.stated", Promises: []string{"contact.stated"}, Code: "check.looked_at_nothing"},
		system.AuditCheckPassed{Check: "policy.dated", Promises: []string{"policy.dated"}, Looked: 3},
		system.AuditCheckPassed{Check: "origin.only", Promises: []string{"cookie.no-ads", "analytics.no-cross-site"}, Looked: 6},
		system.AuditCheckFailed{Check: "origin.only", Promises: []string{"cookie.no-ads", "analytics.no-cross-site"}, Looked: 6, Found: 2, Code: "origin.foreign"},
	)
	page := o.get("/officer/audits").Body.String()
	for _, shown := range []string{
		"12 objects, 1 key, 4 tables", "nothing", "Not everything.", "3: <strong>stored objects past their photo&#39;s time</strong>, breaks image.delete-24h <code>object.overdue</code>",
		"1: stored objects of which the record knows nothing, endangers image.no-permanent-store <code>object.unknown</code>", "not established: there was nothing to look at <code>check.looked_at_nothing</code>",
		"<strong>a public page loads something from elsewhere</strong>: 2 <code>origin.foreign</code>", "cookie.no-ads, analytics.no-cross-site", "passed",
	} {
		if !strings.Contains(page, shown) {
			t.Errorf("the page lacks %q", shown)
		}
	}
	if strings.Contains(page, "policy.undated") || strings.Index(page, "11 objects") > strings.Index(page, "12 objects") {
		t.Error("what is over stands there, or the oldest comes first")
	}
}
