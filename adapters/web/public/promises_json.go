package public

import (
	"net/http"
	"time"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/domain/policy"
)

// PromiseList is what GET /v1/promises answers.
type PromiseList struct {
	PolicyVersion  int           `json:"policy_version"`
	PolicyDate     string        `json:"policy_date"`       // 2026-03-02
	Read           *time.Time    `json:"read"`              // when the record was read; null if it was not
	Through        int64         `json:"through"`           // the public record, as far as that rests on it
	Trouble        string        `json:"trouble,omitempty"` // why nothing is established, if so
	Total          int           `json:"total"`
	Kept           int           `json:"kept"`
	AtRisk         int           `json:"at_risk"`
	Broken         int           `json:"broken"`
	NotEstablished int           `json:"not_established"`
	NotBuilt       int           `json:"not_built"`
	Promises       []PromiseItem `json:"promises"`
}

// PromiseItem is one promise for programs.
type PromiseItem struct {
	ID        policy.ID      `json:"id"`
	Kind      policy.Kind    `json:"kind"`
	Section   string         `json:"section"`
	Text      string         `json:"text"`
	State     string         `json:"state"` // kept, at risk, broken, not established, not built
	Why       []string       `json:"why"`
	Built     policy.State   `json:"built"` // built, in part, not built
	Missing   string         `json:"missing,omitempty"`
	Sentences []string       `json:"sentences"`
	Rules     []string       `json:"rules,omitempty"`
	Mechanism string         `json:"mechanism,omitempty"`
	Facts     []string       `json:"facts,omitempty"`
	Tests     []string       `json:"tests,omitempty"`
	Figure    *FigureItem    `json:"figure,omitempty"`
	Check     *CheckItem     `json:"check,omitempty"`
	Statement *StatementItem `json:"statement,omitempty"`
	Where     string         `json:"where,omitempty"`
	Verify    []string       `json:"verify,omitempty"`
}

// FigureItem is the live figure of a promise, as far as it was read.
type FigureItem struct {
	Name   string          `json:"name"`
	Read   *time.Time      `json:"read"` // null if it was not
	State  policy.Standing `json:"state,omitempty"`
	Why    string          `json:"why,omitempty"`
	Values []ValueItem     `json:"values,omitempty"`
}

// ValueItem is one of its numbers.
type ValueItem struct {
	Label   string `json:"label"`
	Number  int64  `json:"number"`
	Unit    string `json:"unit,omitempty"`
	AtLeast bool   `json:"at_least,omitempty"` // rounded down to a multiple of 5
}

// CheckItem is the newest result of the check that backs a promise.
type CheckItem struct {
	Name   string     `json:"name"`
	At     *time.Time `json:"at"` // null if it has not run yet
	Passed bool       `json:"passed"`
	Looked int64      `json:"looked"`
	Found  int64      `json:"found"`
	Code   string     `json:"code,omitempty"`
}

// StatementItem is what was signed for a promise that only people can know.
type StatementItem struct {
	By        string     `json:"by"` // the role
	HoldsDays int        `json:"holds_days"`
	At        *time.Time `json:"at"` // null if nobody has signed
	Until     *time.Time `json:"until"`
}

// PromisesJSON serves GET /v1/promises.
func (p Policy) PromisesJSON() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		text, shown := p.current(), p.promises(r.Context())
		n := shown.Counts
		list := PromiseList{
			PolicyVersion: text.Version, PolicyDate: text.Date.Format(time.DateOnly),
			Read: known(shown.Read), Through: shown.Through, Trouble: shown.Trouble,
			Total: n.Total, Kept: n.Kept, AtRisk: n.AtRisk, Broken: n.Broken, NotEstablished: n.NotEstablished, NotBuilt: n.NotBuilt,
			Promises: []PromiseItem{},
		}
		for _, s := range shown.Sections {
			for _, one := range s.Promises {
				list.Promises = append(list.Promises, one.item())
			}
		}
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
		answer.JSON(w, http.StatusOK, list)
	}
}

func (p promise) item() PromiseItem {
	item := PromiseItem{
		ID: p.ID, Kind: p.Kind, Section: p.Section, Text: p.Text, State: p.Label, Why: p.Why, Built: p.State, Missing: p.Missing, Sentences: p.Sentences,
		Rules: p.Rules, Mechanism: p.Mechanism, Facts: p.Facts, Tests: p.Tests, Where: p.Where,
	}
	for _, l := range p.Verify {
		item.Verify = append(item.Verify, l.Path)
	}
	if p.Figure != "" {
		item.Figure = p.figureItem()
	}
	if p.Check != "" {
		item.Check = p.checkItem()
	}
	if p.SignedBy != "" {
		item.Statement = &StatementItem{By: p.SignedBy, HoldsDays: p.HoldsDays}
		if s := p.Evidence.Signed; s != nil {
			item.Statement.At, item.Statement.Until = known(s.At), known(s.Until)
		}
	}
	return item
}

func (p promise) figureItem() *FigureItem {
	item := &FigureItem{Name: p.Figure}
	if f := p.Reading; f != nil {
		item.Read, item.State, item.Why = known(f.At), f.Standing, f.Why
		for _, v := range f.Values {
			item.Values = append(item.Values, ValueItem(v))
		}
	}
	return item
}

func (p promise) checkItem() *CheckItem {
	item := &CheckItem{Name: p.Check}
	for _, c := range p.Evidence.Checks {
		if c.Name == p.Check {
			item.At, item.Passed, item.Looked, item.Found, item.Code = known(c.At), c.Passed, c.Looked, c.Found, c.Code
		}
	}
	return item
}

// known is a time, or nil for none.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
