package telemetry

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func exercised() *Metrics {
	m := NewMetrics(Build{Version: "v1", Revision: "abc", Go: "go1"})
	m.Request("GET /v1/images/{id}", http.StatusOK, time.Second)
	m.Refused("image.too_large")
	m.Stage("run", time.Second)
	m.Slots(1, 2)
	m.Record(3, 4)
	m.View("images", 5, true)
	m.Waiting(7)
	m.Overdue(6, 7*time.Second)
	m.Retention("api_log", 11*time.Second)
	m.HeldUp(true)
	m.Untold(90 * time.Second)
	m.Verified(8, true)
	m.Checkpoint(9, 10*time.Second)
	m.Audited(12, true)
	return m
}

// Every metric of ours and every label of it stands here. Before adding one, ask whether its
// values could ever tell about a person or a picture.
func TestEveryMetricAndItsLabels(t *testing.T) {
	want := map[string][]string{
		"bgremover_build_info":                    {"go", "revision", "version"},
		"bgremover_cutout_slots":                  nil,
		"bgremover_cutout_slots_in_use":           nil,
		"bgremover_cutout_stage_seconds":          {"stage"},
		"bgremover_deletions_overdue":             nil,
		"bgremover_record_verified_seq":           nil,
		"bgremover_record_broken":                 nil,
		"bgremover_record_checkpoint_size":        nil,
		"bgremover_record_checkpoint_age_seconds": nil,
		"bgremover_deletions_overdue_seconds":     nil,
		"bgremover_http_request_seconds":          {"route"},
		"bgremover_http_requests_total":           {"route", "status"},
		"bgremover_projection_lag_facts":          {"view"},
		"bgremover_photos_waiting":                nil,
		"bgremover_projection_stopped":            {"view"},
		"bgremover_record_published_seq":          nil,
		"bgremover_record_queue_appends":          nil,
		"bgremover_uploads_refused_total":         {"code"},
		"bgremover_retention_late_seconds":        {"kind"},
		"bgremover_retention_uploads_held_up":     nil,
		"bgremover_disclosures_untold_seconds":    nil,
		"bgremover_audit_objects":                 nil,
		"bgremover_audit_broken":                  nil,

		"bgremover_vault_keys_live":              nil,
		"bgremover_vault_keys_resurrected_total": nil,
		"bgremover_vault_keys_without_fact":      nil,
		"bgremover_vault_record_missing_facts":   nil,
	}
	families, err := exercised().registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "go_") || strings.HasPrefix(f.GetName(), "process_") {
			continue
		}
		seen++
		var labels []string
		for _, pair := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, pair.GetName())
		}
		if known, ok := want[f.GetName()]; !ok || !slices.Equal(labels, known) {
			t.Errorf("%s has the labels %v, and should have %v (known: %v)", f.GetName(), labels, known, ok)
		}
	}
	if seen != len(want) {
		t.Errorf("%d metrics, want %d", seen, len(want))
	}
}

func TestValues(t *testing.T) {
	lines := strings.Split(scrape(t, exercised()), "\n")
	for _, want := range []string{
		`bgremover_build_info{go="go1",revision="abc",version="v1"} 1`,
		`bgremover_cutout_slots 2`,
		`bgremover_cutout_slots_in_use 1`,
		`bgremover_cutout_stage_seconds_count{stage="run"} 1`,
		`bgremover_deletions_overdue 6`,
		`bgremover_record_verified_seq 8`,
		`bgremover_record_broken 1`,
		`bgremover_record_checkpoint_size 9`,
		`bgremover_record_checkpoint_age_seconds 10`,
		`bgremover_deletions_overdue_seconds 7`,
		`bgremover_retention_late_seconds{kind="api_log"} 11`,
		`bgremover_retention_uploads_held_up 1`,
		`bgremover_disclosures_untold_seconds 90`,
		`bgremover_audit_objects 12`,
		`bgremover_audit_broken 1`,
		`bgremover_http_request_seconds_sum{route="GET /v1/images/{id}"} 1`,
		`bgremover_http_requests_total{route="GET /v1/images/{id}",status="200"} 1`,
		`bgremover_projection_lag_facts{view="images"} 5`,
		`bgremover_projection_stopped{view="images"} 1`,
		`bgremover_record_published_seq 4`,
		`bgremover_record_queue_appends 3`,
		`bgremover_uploads_refused_total{code="image.too_large"} 1`,
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("a scrape does not hold %s", want)
		}
	}
}

func scrape(t interface{ Errorf(string, ...any) }, m *Metrics) string {
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/metrics", http.NoBody))
	if w.Code != http.StatusOK {
		t.Errorf("scrape: %d", w.Code)
	}
	return w.Body.String()
}

func TestLabels(t *testing.T) {
	tests := map[string]struct {
		label func(string) string
		given string
		then  string
	}{
		"pattern":             {routeLabel, "POST /v1.0/removebg", "POST /v1.0/removebg"},
		"pattern with gaps":   {routeLabel, "GET /v1/images/{id}/events", "GET /v1/images/{id}/events"},
		"exact root":          {routeLabel, "/{$}", "/{$}"},
		"rest of a path":      {routeLabel, "/static/{path...}", "/static/{path...}"},
		"no pattern":          {routeLabel, "", "none"},
		"a path with an id":   {routeLabel, "/v1/images/0190f3c2-7a4e-7cc3-98c4-dc0c0c07398f", other},
		"a link with a token": {routeLabel, "/i/q2VzdGVuZGVuZGVuZGVuZGVuZGVuZGVuZGVuZGVuZGU", other},
		"a query":             {routeLabel, "/v1/images?name=me", other},
		"refusal":             {codeLabel, "record.unavailable", "record.unavailable"},
		"a refusal's text":    {codeLabel, "image.too_large: Photos can be at most 25 MiB.", other},
		"a file name":         {codeLabel, "IMG_2041.jpg", other},
		"an address":          {codeLabel, "me@example.org", other},
		"a network address":   {wordLabel, "192.0.2.1", other},
		"a kind of data":      {kindLabel, "idempotency_answer", "idempotency_answer"},
		"a name as a kind":    {kindLabel, "IMG_2041", other},
		"stage":               {wordLabel, "foreground", "foreground"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tt.label(tt.given); got != tt.then {
				t.Errorf("%q became %q, want %q", tt.given, got, tt.then)
			}
		})
	}
}

// Whatever is passed by mistake, an id or a token never becomes a label.
func TestNoLabelCarriesAnID(t *testing.T) {
	id := rapid.StringMatching(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)
	token := rapid.StringMatching(`[A-Za-z0-9_-]{43}`)
	rapid.Check(t, func(t *rapid.T) {
		m := NewMetrics(Build{})
		secret := rapid.OneOf(id, token).Draw(t, "secret")
		before := rapid.SampledFrom([]string{"", "/", "GET /v1/images/", "image/", "image."}).Draw(t, "before")
		after := rapid.SampledFrom([]string{"", "/result", ".png"}).Draw(t, "after")
		text := before + secret + after
		m.Request(text, http.StatusOK, time.Second)
		m.Refused(text)
		m.Stage(text, time.Second)
		m.View(text, 1, false)
		if strings.Contains(scrape(t, m), secret) {
			t.Errorf("%q shows", text)
		}
	})
}
