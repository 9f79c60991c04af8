package public

import (
	"maps"
	"net/http"
	"slices"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/domain/policy"
)

// promises is what the page shows.
type promises struct {
	Version  int
	Counts   counts
	Sections []promiseSection
	Rules    []rule // each once, by name
}

// promiseSection holds the promises that a part of the text is the first to make.
type promiseSection struct {
	ID, Title string
	Promises  []promise
}

type promise struct {
	policy.Promise
	standing
	Sentences []string
}

type rule struct{ Name, Text string }

// PromiseList is what GET /v1/promises answers.
type PromiseList struct {
	PolicyVersion int           `json:"policy_version"`
	PolicyDate    string        `json:"policy_date"` // 2026-03-02
	Total         int           `json:"total"`
	Built         int           `json:"built"`
	InPart        int           `json:"in_part"`
	NotBuilt      int           `json:"not_built"`
	Promises      []PromiseItem `json:"promises"`
}

// PromiseItem is one promise for programs. State is never "kept": that is for figures from
// the record to say.
type PromiseItem struct {
	ID        policy.ID   `json:"id"`
	Kind      policy.Kind `json:"kind"`
	Section   string      `json:"section"`
	Text      string      `json:"text"`
	State     string      `json:"state"`
	Missing   string      `json:"missing,omitempty"`
	Sentences []string    `json:"sentences"`
	Rules     []string    `json:"rules,omitempty"`
	Mechanism string      `json:"mechanism,omitempty"`
	Facts     []string    `json:"facts,omitempty"`
	Tests     []string    `json:"tests,omitempty"`
	Figure    string      `json:"figure,omitempty"`
	Check     string      `json:"check,omitempty"`
	Where     string      `json:"where,omitempty"`
	SignedBy  string      `json:"signed_by,omitempty"`
	HoldsDays int         `json:"holds_days,omitempty"`
}

// PromisesPage serves GET /promises.
func (p Policy) PromisesPage() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		promisesPage.Show(w, r, http.StatusOK, p.promises())
	}
}

// PromisesJSON serves GET /v1/promises.
func (p Policy) PromisesJSON() http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		text, n := p.current(), p.counts()
		list := PromiseList{
			PolicyVersion: text.Version, PolicyDate: text.Date.Format("2006-01-02"),
			Total: n.Total, Built: n.Built, InPart: n.InPart, NotBuilt: n.NotBuilt,
		}
		for _, s := range p.promises().Sections {
			for _, one := range s.Promises {
				list.Promises = append(list.Promises, PromiseItem{
					ID: one.ID, Kind: one.Kind, Section: s.Title, Text: one.Text, State: one.Label, Missing: one.Missing, Sentences: one.Sentences,
					Rules: one.Rules, Mechanism: one.Mechanism, Facts: one.Facts, Tests: one.Tests, Figure: one.Figure, Check: one.Check,
					Where: one.Where, SignedBy: one.SignedBy, HoldsDays: one.HoldsDays,
				})
			}
		}
		answer.JSON(w, http.StatusOK, list)
	}
}

// promises lays them out in the order in which the text makes them.
func (p Policy) promises() promises {
	text := p.current()
	sentences := map[policy.ID][]string{}
	for _, s := range text.Sentences() {
		for _, id := range s.Promises {
			sentences[id] = append(sentences[id], p.words(s))
		}
	}
	shown := promises{Version: text.Version, Counts: p.counts()}
	for i, s := range text.Sections {
		part := promiseSection{ID: s.ID, Title: s.Title}
		if s.ID == "" {
			part.ID, part.Title = "opening", "How it begins"
		}
		for _, id := range text.Promised(i) {
			one, _ := p.Promises.Promise(id)
			part.Promises = append(part.Promises, promise{Promise: one, standing: p.standingOf(one), Sentences: sentences[id]})
		}
		if len(part.Promises) > 0 {
			shown.Sections = append(shown.Sections, part)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Rules)) {
		shown.Rules = append(shown.Rules, rule{name, p.Rules[name]})
	}
	return shown
}
