package public

import (
	"context"
	"embed"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/adapters/web/page"
	"github.com/bgremover/bgremover/projections/disclosures"
)

//go:embed transparency.html processing.html
var reports embed.FS

var transparencyPage = page.Must(reports, "transparency.html")

// Transparency reports what others asked for, in counts, from the view of disclosures.
type Transparency struct {
	CaughtUp  func(ctx context.Context) error
	Report    func(ctx context.Context) ([]disclosures.Group, error)
	Countries func(ctx context.Context) ([]disclosures.Country, error)
}

// TransparencyReport is what GET /v1/transparency answers: every request there ever was, as
// counts. No count names a person, nor a country from which only a few requests came.
type TransparencyReport struct {
	Smallest  int64               `json:"smallest_country"` // requests from a country that is named, in a half-year
	HalfYears []TransparencyHalf  `json:"half_years"`       // the newest first
	Total     TransparencyOutcome `json:"total"`
}

// TransparencyHalf is half a year.
type TransparencyHalf struct {
	From      string                `json:"from"` // 2026-07-01
	Total     TransparencyOutcome   `json:"total"`
	Groups    []TransparencyGroup   `json:"groups"`
	Countries []TransparencyCountry `json:"countries"`
	Others    int64                 `json:"from_other_countries"` // fewer than smallest_country from each
	start     time.Time
}

// TransparencyGroup counts the requests of a kind of sender about a category of data.
type TransparencyGroup struct {
	Sender   string `json:"sender"`
	Category string `json:"category"`
	TransparencyOutcome
}

// TransparencyOutcome counts requests by what became of them.
type TransparencyOutcome struct {
	Requests int64 `json:"requests"`
	Made     int64 `json:"made"`    // data was given
	Nothing  int64 `json:"nothing"` // allowed, and there was nothing to give
	Refused  int64 `json:"refused"`
	Pending  int64 `json:"pending"`
}

// TransparencyCountry counts the requests from a country.
type TransparencyCountry struct {
	Country  string `json:"country"` // ISO 3166-1 alpha-2
	Requests int64  `json:"requests"`
}

func (o *TransparencyOutcome) add(outcome disclosures.Outcome, n int64) {
	o.Requests += n
	switch outcome {
	case disclosures.Made:
		o.Made += n
	case disclosures.Nothing:
		o.Nothing += n
	case disclosures.Refused:
		o.Refused += n
	case disclosures.Pending, disclosures.Permitted:
		o.Pending += n
	}
}

// Name is the half-year in words.
func (h TransparencyHalf) Name() string {
	if h.start.Month() < time.July {
		return fmt.Sprintf("January to June %d", h.start.Year())
	}
	return fmt.Sprintf("July to December %d", h.start.Year())
}

// reportOf lays the counts out. Both lists come ordered by the view.
func reportOf(groups []disclosures.Group, countries []disclosures.Country) TransparencyReport {
	r := TransparencyReport{Smallest: disclosures.Smallest, HalfYears: []TransparencyHalf{}}
	for _, g := range groups {
		h := r.half(g.Half)
		i := slices.IndexFunc(h.Groups, func(one TransparencyGroup) bool { return one.Sender == g.Sender && one.Category == g.Category })
		if i < 0 {
			i = len(h.Groups)
			h.Groups = append(h.Groups, TransparencyGroup{Sender: g.Sender, Category: g.Category})
		}
		h.Groups[i].add(g.Outcome, g.N)
		h.Total.add(g.Outcome, g.N)
		r.Total.add(g.Outcome, g.N)
	}
	for _, c := range countries {
		h := r.half(c.Half)
		if c.Country == "" {
			h.Others += c.N
			continue
		}
		h.Countries = append(h.Countries, TransparencyCountry{c.Country, c.N})
	}
	return r
}

func (r *TransparencyReport) half(start time.Time) *TransparencyHalf {
	for i := range r.HalfYears {
		if r.HalfYears[i].start.Equal(start) {
			return &r.HalfYears[i]
		}
	}
	r.HalfYears = append(r.HalfYears, TransparencyHalf{
		From: start.Format(time.DateOnly), start: start, Groups: []TransparencyGroup{}, Countries: []TransparencyCountry{},
	})
	return &r.HalfYears[len(r.HalfYears)-1]
}

func (t Transparency) report(ctx context.Context) (TransparencyReport, error) {
	if err := t.CaughtUp(ctx); err != nil {
		return TransparencyReport{}, fmt.Errorf("wait for the view of disclosures: %w", err)
	}
	groups, err := t.Report(ctx)
	if err != nil {
		return TransparencyReport{}, err
	}
	countries, err := t.Countries(ctx)
	return reportOf(groups, countries), err
}

// Page serves GET /transparency.
func (t Transparency) Page() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		report, err := t.report(r.Context())
		if err != nil {
			answer.Fail(w, r, err)
			return
		}
		transparencyPage.Show(w, r, http.StatusOK, report)
	}
}

// JSON serves GET /v1/transparency.
func (t Transparency) JSON() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		report, err := t.report(r.Context())
		if err != nil {
			answer.Fail(w, r, err)
			return
		}
		answer.JSON(w, http.StatusOK, report)
	}
}
