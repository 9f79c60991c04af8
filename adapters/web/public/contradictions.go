package public

import (
	"context"
	"net/http"
	"time"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/adapters/web/page"
)

var contradictionsPage = page.Must(practice, "contradictions.html")

// Comparison is one check of what is said against what is done.
type Comparison struct {
	ID       string   `json:"id"`
	Title    string   `json:"title"`
	Compares []string `json:"compares"`
	State    string   `json:"state"`
	Findings []string `json:"findings"` // what contradicts what, or what is not stated, in sentences
}

// The states of a comparison.
const (
	ContradictionOpen     = "open"
	ContradictionNone     = "none"
	ContradictionUnstated = "not stated" // the operator has not said what would be compared
)

// Open says whether there is a contradiction.
func (c Comparison) Open() bool { return c.State == ContradictionOpen }

// Unstated says whether the operator has still to state something.
func (c Comparison) Unstated() bool { return c.State == ContradictionUnstated }

// Contradictions compares everything, now.
type Contradictions func(ctx context.Context) ([]Comparison, error)

// ContradictionList is what GET /v1/contradictions answers.
type ContradictionList struct {
	At       time.Time    `json:"at"`
	Open     int          `json:"open"`
	Unstated int          `json:"not_stated"`
	Checks   []Comparison `json:"checks"`
}

func (c Contradictions) list(ctx context.Context, now func() time.Time) (ContradictionList, error) {
	all, err := c(ctx)
	if err != nil {
		return ContradictionList{}, err
	}
	list := ContradictionList{At: now().UTC().Truncate(time.Second), Checks: all}
	for _, one := range all {
		if one.Open() {
			list.Open++
		}
		if one.Unstated() {
			list.Unstated++
		}
	}
	return list, nil
}

// Page serves GET /contradictions.
func (c Contradictions) Page(now func() time.Time) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		list, err := c.list(r.Context(), now)
		if err != nil {
			answer.Fail(w, r, err)
			return
		}
		contradictionsPage.Show(w, r, http.StatusOK, list)
	}
}

// JSON serves GET /v1/contradictions.
func (c Contradictions) JSON(now func() time.Time) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		list, err := c.list(r.Context(), now)
		if err != nil {
			answer.Fail(w, r, err)
			return
		}
		answer.JSON(w, http.StatusOK, list)
	}
}
