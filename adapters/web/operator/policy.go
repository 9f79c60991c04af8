package operator

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/staff"
	"github.com/bgremover/bgremover/internal/usecase"
)

// Policy is what there is of the rules, and what the operator can do about them: store a signed bundle,
// and propose it in the name of an officer. Only officers approve, on their own page.
type Policy struct {
	List interface { // usecase.ListRules
		Do(ctx context.Context) ([]usecase.Rules, error)
	}
	Store interface { // usecase.StoreBundle
		Do(ctx context.Context, archive []byte, by event.Role) (usecase.RuleBundle, bool, error)
	}
	Propose interface { // usecase.ProposeFor
		Do(ctx context.Context, name personal.Text, revision int64, simulation string) error
	}
	Keys    []string // ids of the keys that bundles may be signed with
	Fetched func() *Fetched
}

// Fetched is what became of the last attempt to fetch a bundle.
type Fetched struct {
	At      time.Time `json:"at,omitzero"`
	Trouble string    `json:"trouble,omitempty"`
}

// PolicyStatus is the answer to GET /policy.
type PolicyStatus struct {
	Rules   []Rules  `json:"rules"` // the newest first
	Keys    []string `json:"keys"`
	Fetched *Fetched `json:"fetched,omitempty"` // nil: bundles are not fetched
}

// Rules are a revision.
type Rules struct {
	Revision   int64              `json:"revision"`
	Digest     string             `json:"digest"`
	SignedBy   string             `json:"signed_by"`
	State      usecase.RulesState `json:"state"`
	Stored     time.Time          `json:"stored"`
	Since      time.Time          `json:"since"`
	Seq        int64              `json:"seq"`                  // the fact that its state began with
	Simulation string             `json:"simulation,omitempty"` // of the newest proposal
}

// RulesStored is the answer to POST /policy/store.
type RulesStored struct {
	Revision int64  `json:"revision"`
	Digest   string `json:"digest"`
	SignedBy string `json:"signed_by"`
	Stored   bool   `json:"stored"` // now; else it was there
}

// RulesProposed is what POST /policy/propose takes.
type RulesProposed struct {
	As         string `json:"as"` // name of the officer
	Revision   int64  `json:"revision"`
	Simulation string `json:"simulation"`
}

func listRules(p Policy, to *slog.Logger) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		all, err := p.List.Do(r.Context())
		if err != nil {
			refuse(w, r, err, to)
			return
		}
		status := PolicyStatus{Rules: []Rules{}, Keys: p.Keys, Fetched: p.Fetched()}
		for _, one := range all {
			shown := Rules{
				Revision: one.Revision, Digest: one.Digest, SignedBy: one.SignedBy, State: one.State,
				Stored: one.Stored, Since: one.Since, Seq: one.Seq,
			}
			if one.Proposal != nil {
				shown.Simulation = one.Proposal.Simulation
			}
			status.Rules = append(status.Rules, shown)
		}
		reply(w, status)
	}
}

// storeRules takes an archive as it is.
func storeRules(p Policy, to *slog.Logger) http.HandlerFunc {
	const longest = 1 << 20 // the reader of bundles says what is too large
	return func(w http.ResponseWriter, r *http.Request) {
		archive, err := io.ReadAll(http.MaxBytesReader(w, r.Body, longest))
		if err != nil {
			refuse(w, r, errRequest, to)
			return
		}
		b, stored, err := p.Store.Do(r.Context(), archive, event.Operator)
		if err != nil {
			refuse(w, r, err, to)
			return
		}
		reply(w, RulesStored{Revision: b.Revision, Digest: b.Digest, SignedBy: b.SignedBy, Stored: stored})
	}
}

func proposeRules(p Policy, to *slog.Logger) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var asked RulesProposed
		err := readRequest(w, r, &asked)
		var name personal.Text
		if err == nil {
			name, err = staff.NameOf(asked.As)
		}
		if err == nil {
			err = p.Propose.Do(r.Context(), name, asked.Revision, asked.Simulation)
		}
		if err != nil {
			refuse(w, r, err, to)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}
