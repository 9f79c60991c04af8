package web_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/opa"
	"github.com/bgremover/bgremover/adapters/web"
	"github.com/bgremover/bgremover/adapters/web/public"
	"github.com/bgremover/bgremover/adapters/web/scope"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/register"
	"github.com/bgremover/bgremover/policies"
	"github.com/bgremover/bgremover/projections/disclosures"
)

func transparent(groups []disclosures.Group, countries []disclosures.Country) func(*web.Config) {
	return func(c *web.Config) {
		c.Transparency = &public.Transparency{
			CaughtUp:  func(context.Context) error { return nil },
			Report:    func(context.Context) ([]disclosures.Group, error) { return groups, nil },
			Countries: func(context.Context) ([]disclosures.Country, error) { return countries, nil },
		}
	}
}

func TestTransparencyOfNothing(t *testing.T) {
	w := newWorld(t, fake.Cutter{}, transparent(nil, nil))
	if page := w.do(t, "GET", "/transparency", nil); page.Code != 200 || !strings.Contains(page.Body.String(), "Nobody has asked yet") {
		t.Errorf("%d %s", page.Code, page.Body)
	}
	if got := w.do(t, "GET", "/v1/transparency", nil); got.Code != 200 || !strings.Contains(got.Body.String(), `"half_years":[]`) {
		t.Errorf("%d %s", got.Code, got.Body)
	}
}

func TestTransparencyReport(t *testing.T) {
	first, second := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	w := newWorld(t, fake.Cutter{}, transparent([]disclosures.Group{
		{Half: second, Sender: "authority", Category: "image", Outcome: disclosures.Refused, N: 3},
		{Half: first, Sender: "authority", Category: "technical", Outcome: disclosures.Made, N: 4},
		{Half: first, Sender: "authority", Category: "technical", Outcome: disclosures.Permitted, N: 1},
		{Half: first, Sender: "partner", Category: "account", Outcome: disclosures.Nothing, N: 2},
	}, []disclosures.Country{{Half: second, N: 3}, {Half: first, Country: "DE", N: 6}, {Half: first, N: 1}}))
	page := w.do(t, "GET", "/transparency", nil).Body.String()
	for _, want := range []string{
		"July to December 2026", "January to June 2026", "By country: 3 from countries that are not named, fewer than 5 from each.", "By country: DE 6; 1 from others, fewer than 5 from each.",
		`<th scope="row">authority</th><td>technical</td><td>5</td><td>4</td><td>0</td><td>0</td><td>1</td>`,
		`<th scope="row">all</th><td></td><td>7</td><td>4</td><td>2</td><td>0</td><td>1</td>`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is missing in %s", want, page)
		}
	}
	var report public.TransparencyReport
	if err := json.Unmarshal(w.do(t, "GET", "/v1/transparency", nil).Body.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	if report.Total != (public.TransparencyOutcome{Requests: 10, Made: 4, Nothing: 2, Refused: 3, Pending: 1}) || len(report.HalfYears) != 2 || report.HalfYears[1].Others != 1 || report.HalfYears[0].From != "2026-07-01" {
		t.Errorf("got %+v", report)
	}
}

func processing(t *testing.T, named ...policy.Provider) func(*web.Config) {
	t.Helper()
	rules, err := opa.New(t.Context(), opa.Config{Bundle: policies.Bundle, ImagePeriod: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return func(c *web.Config) {
		c.Processing = &public.Processing{
			Register: func() (policy.Register, error) {
				known, err := register.Load(rules.Data())
				if err != nil {
					return policy.Register{}, err
				}
				return known.Of(policy.Operator{Name: "Example <Ltd>"}, "DE", named), nil
			},
			Now: c.Now, CSV: register.CSV, PDF: register.PDF, Processors: register.ProcessorsCSV,
		}
	}
}

func TestProcessingPage(t *testing.T) {
	w := newWorld(t, fake.Cutter{}, processing(t))
	page := w.do(t, "GET", "/processing", nil).Body.String()
	for _, want := range []string{
		"Example &lt;Ltd&gt;", "GDPR article 6(1)(b)", "image 24 hours from image.uploaded", "Not stated by the operator", "Nobody</h3>",
		"This release sends no mail.", "no provider of analytics gets anything",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is missing in %s", want, page)
		}
	}
	if i, j := strings.Index(page, `id="cutout"`), strings.Index(page, `id="later"`); i < 0 || j < i || strings.Index(page, `id="accounts"`) < j {
		t.Error("what is not in this release stands among what is")
	}
}

func TestProcessorsAreNamedWithTheirReview(t *testing.T) {
	w := newWorld(t, fake.Cutter{}, processing(t, policy.Provider{
		Category: "hosting", Name: "Example Cloud", Country: "US", Contract: "DPA of 2025-01-15", Safeguard: "scc",
		Reviewed: noon.AddDate(-1, 0, -1), Until: noon.AddDate(0, 0, -1),
	}))
	page := w.do(t, "GET", "/processing", nil).Body.String()
	for _, want := range []string{"Example Cloud, US", "DPA of 2025-01-15", "overdue", "Example Cloud, US: standard contractual clauses"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is missing in %s", want, page)
		}
	}
}

func TestProcessingFiles(t *testing.T) {
	w := newWorld(t, fake.Cutter{}, processing(t))
	for target, kind := range map[string]string{"/processing.csv": "text/csv", "/processing/processors.csv": "text/csv", "/processing.pdf": "application/pdf"} {
		got := w.do(t, "GET", target, nil)
		if got.Code != http.StatusOK || !strings.HasPrefix(got.Header().Get("Content-Type"), kind) || !strings.HasPrefix(got.Header().Get("Content-Disposition"), "attachment") {
			t.Fatalf("%s: %d %v", target, got.Code, got.Header())
		}
		if again := w.do(t, "GET", target, nil); !bytes.Equal(again.Body.Bytes(), got.Body.Bytes()) {
			t.Errorf("%s differs from call to call", target)
		}
		if kind != "text/csv" {
			continue
		}
		rows, err := csv.NewReader(got.Body).ReadAll()
		if err != nil || len(rows) < 4 {
			t.Errorf("%s has %d rows, %v", target, len(rows), err)
		}
	}
}

// A file is written again when the rules or the day are others, and not for everybody who asks.
func TestProcessingFilesAreWrittenOnce(t *testing.T) {
	wrote, revision, now := 0, int64(4), noon
	p := public.Processing{
		Register: func() (policy.Register, error) { return policy.Register{Revision: revision}, nil },
		Now:      func() time.Time { return now },
		PDF: func(w io.Writer, r policy.Register, at time.Time, whole bool) error {
			wrote++
			if wrote == 1 {
				return errors.New("away")
			}
			_, err := fmt.Fprintf(w, "%d %s %t", r.Revision, at.Format(time.DateOnly), whole)
			return err
		},
	}
	serve := p.AsPDF(true)
	for _, step := range []struct {
		change func()
		says   string
		wrote  int
	}{
		{func() {}, "", 1},
		{func() {}, "4 2026-03-02 true", 2},
		{func() { now = now.Add(time.Hour) }, "4 2026-03-02 true", 2},
		{func() { now = now.AddDate(0, 0, 1) }, "4 2026-03-03 true", 3},
		{func() { revision++ }, "5 2026-03-03 true", 4},
	} {
		step.change()
		answer := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/processing.pdf", nil)
		serve(answer, r.WithContext(scope.With(r.Context(), &scope.Request{Log: slog.New(slog.DiscardHandler)})))
		if answer.Code == 200 && answer.Body.String() != step.says || answer.Code != 200 && step.says != "" || wrote != step.wrote {
			t.Errorf("answered %d %s, written %d times; want %q, %d", answer.Code, answer.Body, wrote, step.says, step.wrote)
		}
	}
}

// Officers get the whole register, and nobody else does.
func TestWholeRegisterIsForOfficers(t *testing.T) {
	o := newOffice(t, processing(t))
	if stranger := o.do(t, "GET", "/officer/processing.csv", nil); stranger.Code != http.StatusUnauthorized {
		t.Errorf("a stranger gets %d", stranger.Code)
	}
	o.signIn()
	got := o.get("/officer/processing.csv")
	if got.Code != http.StatusOK || !strings.Contains(got.Body.String(), "sources of the periods") {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	whole := o.get("/officer/processing.pdf")
	if b, err := io.ReadAll(whole.Body); err != nil || !bytes.HasPrefix(b, []byte("%PDF-")) {
		t.Errorf("%d, %v", whole.Code, err)
	}
	if other := o.do(t, "POST", "/officer/processing.csv", strings.NewReader(url.Values{}.Encode())); other.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST answers %d", other.Code)
	}
}
