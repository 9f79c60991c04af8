package officer

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/adapters/web/page"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/projections/trail"
)

var auditsPage = page.Must(templates, "base.html", "audits.html")

const (
	// auditsShown is how many audits the page shows: some hours of them.
	auditsShown = 24
	// checksRead is how many outcomes of each kind are looked through for the newest of each check. They
	// are recorded hourly, so that this reaches back for most of a day.
	checksRead = 200
)

// audits is what the page of audits shows.
type audits struct {
	frame
	LogPath string
	Audits  []audit // the newest first
	Checks  []checked
}

type audit struct {
	system.AuditCompleted
	At    time.Time
	Link  string
	Found []foundThing
}

type foundThing struct {
	system.Finding
	Words  string
	Breaks bool
}

// checked is the newest outcome of a check.
type checked struct {
	Check    string
	Promises []string
	Looked   int64
	Found    int64
	Code     string // of what is wrong; "" if nothing is
	Words    string // of the code
	Wrong    bool   // and not only that it could not tell
	At       time.Time
	Link     string
}

// Audits serves what the sentinel found.
func (p Pages) Audits() http.Handler { return p.signedIn(p.audits) }

func (p Pages) audits(w http.ResponseWriter, r *http.Request, o usecase.Officer) {
	shown := audits{frame: frameOf(o), LogPath: logPath}
	err := p.caughtUp(r.Context())
	if err == nil {
		shown.Audits, err = p.lastAudits(r.Context())
	}
	if err == nil {
		shown.Checks, err = p.lastChecks(r.Context())
	}
	if err != nil {
		answer.Fail(w, r, err)
		return
	}
	auditsPage.Show(w, r, http.StatusOK, shown)
}

func (p Pages) lastAudits(ctx context.Context) (all []audit, err error) {
	found, err := p.newest(ctx, system.AuditCompleted{}.EventName(), auditsShown)
	for _, env := range found {
		fact, ok := env.Fact.(system.AuditCompleted)
		if !ok {
			continue
		}
		one := audit{AuditCompleted: fact, At: env.At, Link: factLink(env.Seq)}
		for _, f := range fact.Findings {
			one.Found = append(one.Found, foundThing{f, usecase.InWords(f.Code), usecase.BreaksPromise(f.Code)})
		}
		all = append(all, one)
	}
	return all, err
}

// lastChecks returns the newest outcome of each check, by name.
func (p Pages) lastChecks(ctx context.Context) ([]checked, error) {
	newest := map[string]checked{}
	seqs := map[string]int64{}
	for _, name := range []event.Name{system.AuditCheckPassed{}.EventName(), system.AuditCheckFailed{}.EventName()} {
		found, err := p.newest(ctx, name, checksRead)
		if err != nil {
			return nil, err
		}
		for _, env := range found {
			one := checked{At: env.At, Link: factLink(env.Seq)}
			switch f := env.Fact.(type) {
			case system.AuditCheckPassed:
				one.Check, one.Promises, one.Looked = f.Check, f.Promises, f.Looked
			case system.AuditCheckFailed:
				one.Check, one.Promises, one.Looked, one.Found, one.Code = f.Check, f.Promises, f.Looked, f.Found, f.Code
				one.Words, one.Wrong = usecase.InWords(f.Code), usecase.CheckResult{Code: f.Code}.Wrong()
			}
			if env.Seq > seqs[one.Check] {
				newest[one.Check], seqs[one.Check] = one, env.Seq
			}
		}
	}
	var all []checked
	for _, name := range slices.Sorted(maps.Keys(newest)) {
		all = append(all, newest[name])
	}
	return all, nil
}

// newest reads the last facts of a type, the newest first.
func (p Pages) newest(ctx context.Context, name event.Name, n int) ([]event.Envelope, error) {
	listed, err := p.Record.List(ctx, trail.Filter{Type: name, Limit: n})
	if err != nil || len(listed) == 0 {
		return nil, err
	}
	seqs := make([]int64, len(listed))
	for i, f := range listed {
		seqs[i] = f.Seq
	}
	whole, err := p.Record.Facts(ctx, seqs...)
	if err != nil {
		return nil, err
	}
	all := make([]event.Envelope, len(seqs))
	for i, seq := range seqs {
		env, ok := whole[seq]
		if !ok {
			return nil, fmt.Errorf("fact %d is listed and not in the record", seq)
		}
		all[i] = env
	}
	return all, nil
}
