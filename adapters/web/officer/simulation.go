package officer

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/adapters/web/decisionlog"
	"github.com/bgremover/bgremover/adapters/web/page"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/projections/trail"
)

var simulationPage = page.Must(templates, "base.html", "simulation.html")

const (
	simulationPath = "/officer/simulation"
	decisionsPath  = "/officer/decisions.ndjson"

	// simulationsShown is how many recorded simulations, and how many stored revisions, the page shows.
	simulationsShown = 25
	// decisionsStall is how long whoever takes the decisions may do so for a piece of them.
	decisionsStall = 30 * time.Second
	decisionsPiece = 64 << 10
)

// Trials tries rules on the record, and reads its decisions.
type Trials struct {
	// Start has a stored revision tried in the background, or refuses.
	Start func(ctx context.Context, revision int64) error
	State func() TrialState
	// Decisions calls each with the facts from From to To, 0 for the end there is.
	Decisions func(ctx context.Context, from, to int64, each func(event.Envelope) error) error
}

// TrialState is what runs, and what this process has tried, the newest first.
type TrialState struct {
	Running int64 // the revision; 0: nothing runs
	Began   time.Time
	Seq, Of int64
	Last    []Trial
}

// Trial is a simulation that is over.
type Trial struct {
	Revision int64
	Ended    time.Time
	Digest   string // of its report
	Failed   string // why there is none
	From, To int64
	Facts    int64
	Rules    []TriedRule
	Excluded []string
	Limits   string
}

// TriedRule is what a report says of one rule.
type TriedRule struct {
	Rule            string
	Same, Different int64
	NotCompared     int64
	Findings        []string
}

// simulated is what the page shows.
type simulated struct {
	frame
	Path, LogPath, Decisions string
	State                    TrialState
	Percent                  int64
	Recorded                 []recordedTrial // the newest first
	Stored                   []storedRules   // the newest first
}

type recordedTrial struct {
	policy.Simulated
	At   time.Time
	Link string
}

type storedRules struct {
	Revision int64
	Digest   string
}

// Simulation serves what was tried on the record, and starts another trial.
func (p Pages) Simulation() http.Handler { return p.signedIn(p.simulation) }

func (p Pages) simulation(w http.ResponseWriter, r *http.Request, o usecase.Officer) {
	if p.Trials == nil {
		answer.Fail(w, r, answer.ErrNoPage)
		return
	}
	shown := simulated{frame: frameOf(o), Path: simulationPath, LogPath: logPath, Decisions: decisionsPath, State: p.Trials.State()}
	if of := shown.State.Of; of > 0 {
		shown.Percent = 100 * shown.State.Seq / of
	}
	if err := p.fillTrials(r.Context(), &shown); err != nil {
		answer.Fail(w, r, err)
		return
	}
	simulationPage.Show(w, r, http.StatusOK, shown)
}

func (p Pages) fillTrials(ctx context.Context, shown *simulated) error {
	if err := p.caughtUp(ctx); err != nil {
		return err
	}
	err := p.eachOf(ctx, policy.Simulated{}.EventName(), func(env event.Envelope) {
		if f, ok := env.Fact.(policy.Simulated); ok {
			shown.Recorded = append(shown.Recorded, recordedTrial{f, env.At, factLink(env.Seq)})
		}
	})
	if err != nil {
		return err
	}
	return p.eachOf(ctx, policy.BundleStored{}.EventName(), func(env event.Envelope) {
		if f, ok := env.Fact.(policy.BundleStored); ok {
			shown.Stored = append(shown.Stored, storedRules{f.Revision, f.Digest})
		}
	})
}

// eachOf reads the newest facts of a type, the newest first.
func (p Pages) eachOf(ctx context.Context, name event.Name, each func(event.Envelope)) error {
	listed, err := p.Record.List(ctx, trail.Filter{Type: name, Limit: simulationsShown})
	if err != nil {
		return err
	}
	for _, f := range listed {
		whole, err := p.Record.Facts(ctx, f.Seq)
		if err != nil {
			return err
		}
		if env, ok := whole[f.Seq]; ok {
			each(env)
		}
	}
	return nil
}

var errRevision = refusal.New(refusal.Invalid, "officer.revision",
	"A revision is a number from 1 on.", "Choose one of those that are stored.")

// Simulate starts a trial of a stored revision.
func (p Pages) Simulate() http.Handler { return p.signedIn(p.simulate) }

func (p Pages) simulate(w http.ResponseWriter, r *http.Request, _ usecase.Officer) {
	if p.Trials == nil {
		answer.Fail(w, r, answer.ErrNoPage)
		return
	}
	revision, err := strconv.ParseInt(r.FormValue("revision"), 10, 64)
	if err != nil || revision < 1 {
		answer.Fail(w, r, errRevision)
		return
	}
	if err := p.Trials.Start(r.Context(), revision); err != nil {
		answer.Fail(w, r, err)
		return
	}
	http.Redirect(w, r, simulationPath, http.StatusSeeOther)
}

// DecisionLog serves the decisions of the record as OPA logs them: ?from=SEQ&to=SEQ. It keeps its own time: it
// may send for as long as somebody takes it.
func (p Pages) DecisionLog() http.Handler { return p.signedIn(p.decisionLog) }

func (p Pages) decisionLog(w http.ResponseWriter, r *http.Request, _ usecase.Officer) {
	if p.Trials == nil {
		answer.Fail(w, r, answer.ErrNoPage)
		return
	}
	from, okFrom := seqIn(r, "from")
	to, okTo := seqIn(r, "to")
	if !okFrom || !okTo {
		answer.Fail(w, r, errSeq)
		return
	}
	w.Header().Set("Content-Type", decisionlog.ContentType)
	w.Header().Set("Content-Disposition", `attachment; filename="decisions.ndjson"`)
	w.Header().Set("Cache-Control", "no-store")
	out := bufio.NewWriterSize(patient{w, http.NewResponseController(w)}, decisionsPiece)
	err := p.Trials.Decisions(r.Context(), max(from, 1), to, func(env event.Envelope) error { return decisionlog.Write(out, env) })
	if err = errors.Join(err, out.Flush()); err != nil {
		panic(http.ErrAbortHandler) // the header is out: so the client learns that this is not all
	}
}

// patient gives each piece its time, from when it is there: the record may be read for long until then.
type patient struct {
	http.ResponseWriter

	rc *http.ResponseController
}

func (w patient) Write(piece []byte) (int, error) {
	_ = w.rc.SetWriteDeadline(time.Now().Add(decisionsStall)) // no deadlines in tests
	return w.ResponseWriter.Write(piece)
}

// seqIn reads a place in the record; 0 if none is asked for.
func seqIn(r *http.Request, name string) (int64, bool) {
	s := r.URL.Query().Get(name)
	if s == "" {
		return 0, true
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n > 0
}
