package officer

import (
	"context"
	"net/http"
	"strconv"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/adapters/web/page"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/internal/usecase"
)

// Rules is where officers put rules in force, two of them for each revision.
type Rules struct {
	List interface { // usecase.ListRules
		Do(ctx context.Context) ([]usecase.Rules, error)
	}
	Propose RulesDecision // usecase.ProposeActivation
	Approve RulesDecision // usecase.ApproveActivation
}

// RulesDecision is what an officer decides about a revision, knowing a simulation's report.
type RulesDecision interface {
	Do(ctx context.Context, o usecase.Officer, revision int64, simulation string) error
}

const rulesPath = "/officer/policy"

var rulesPage = page.Must(templates, "base.html", "policy.html")

// errNoRevision answers what is no number of a revision.
var errNoRevision = refusal.New(refusal.Missing, "policy.not_stored",
	"No bundle was stored as this revision.", "Choose one from the list.")

// revision is one as the page shows it.
type revision struct {
	usecase.Rules

	Mine              bool // whoever looks has proposed it
	Fact              string
	Simulation        string // of the newest proposal
	Proposed, Waiting bool
}

// RulesList serves the list of revisions, with what can be done about each.
func (p Pages) RulesList() http.Handler {
	return p.signedIn(func(w http.ResponseWriter, r *http.Request, o usecase.Officer) {
		all, err := p.Rules.List.Do(r.Context())
		if err != nil {
			answer.Fail(w, r, err)
			return
		}
		shown := make([]revision, len(all))
		for i, one := range all {
			shown[i] = revision{
				Rules: one, Fact: factLink(one.Seq),
				Proposed: one.State == usecase.RulesProposed, Waiting: one.State == usecase.RulesProposed || one.State == usecase.RulesStored,
			}
			if one.Proposal != nil {
				shown[i].Simulation = one.Proposal.Simulation
				shown[i].Mine = one.Proposal.By == o.Name
			}
		}
		rulesPage.Show(w, r, http.StatusOK, struct {
			frame
			Path string
			All  []revision
		}{frameOf(o), rulesPath, shown})
	})
}

// ProposeRules takes the wish that a revision comes into force.
func (p Pages) ProposeRules() http.Handler { return p.decideRules(p.Rules.Propose) }

// ApproveRules puts in force what another officer has proposed.
func (p Pages) ApproveRules() http.Handler { return p.decideRules(p.Rules.Approve) }

func (p Pages) decideRules(decision RulesDecision) http.Handler {
	return p.signedIn(func(w http.ResponseWriter, r *http.Request, o usecase.Officer) {
		n, err := strconv.ParseInt(r.PathValue("revision"), 10, 64)
		if err != nil {
			answer.Fail(w, r, errNoRevision)
			return
		}
		if err := decision.Do(r.Context(), o, n, r.PostFormValue("simulation")); err != nil {
			answer.Fail(w, r, err)
			return
		}
		http.Redirect(w, r, rulesPath+"#revision-"+strconv.FormatInt(n, 10), http.StatusSeeOther)
	})
}
