package public

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/domain/policy"
)

// privacy is what the page shows: one version of the text.
type privacy struct {
	Title    string
	Version  int
	Date     time.Time
	Seq      int64     // the fact that published it; 0 if that is not known
	Until    time.Time // when the next version came; zero for the one in force
	Counts   counts
	Sections []section
	Versions []version // the newest first
}

type section struct {
	ID, Title string
	Blocks    []block
}

type block struct {
	Points bool
	Items  [][]sentence
}

// sentence is one with its promises, and a mark for each way in which one of them stands.
type sentence struct {
	Runs     []run
	Promises string
	Unbuilt  bool // in force, and a promise of it is not built
	Marks    []mark
}

type mark struct {
	standing
	Promise policy.ID // the first of this standing
}

type version struct {
	Number  int
	Date    time.Time
	Changed string
	Shown   bool
}

// Privacy serves GET /privacy: the text in force.
func (p Policy) Privacy() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		privacyPage.Show(w, r, http.StatusOK, p.privacy(r.Context(), len(p.Versions)))
	}
}

// PrivacyVersion serves GET /privacy/{version}: any text there was.
func (p Policy) PrivacyVersion() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.PathValue("version"))
		if err != nil || n < 1 || n > len(p.Versions) || strconv.Itoa(n) != r.PathValue("version") {
			answer.Fail(w, r, answer.ErrNoPage)
			return
		}
		privacyPage.Show(w, r, http.StatusOK, p.privacy(r.Context(), n))
	}
}

// privacy lays out version n. How promises stand is said of the text in force alone: an earlier one
// was written for another release.
func (p Policy) privacy(ctx context.Context, n int) privacy {
	text := p.Versions[n-1]
	shown := privacy{Title: text.Title, Version: n, Date: text.Date}
	if p.Recorded != nil {
		shown.Seq = p.Recorded(n)
	}
	var stand standings
	if n < len(p.Versions) {
		shown.Until = p.Versions[n].Date
	} else {
		stand = p.stand(ctx)
		shown.Counts = stand.counts(p.Promises)
	}
	for _, s := range text.Sections {
		laid := section{ID: s.ID, Title: s.Title}
		for _, b := range s.Blocks {
			laid.Blocks = append(laid.Blocks, block{Points: b.Points, Items: p.items(b.Items, stand, shown.Until.IsZero())})
		}
		shown.Sections = append(shown.Sections, laid)
	}
	for i := len(p.Versions); i > 0; i-- {
		v := p.Versions[i-1]
		shown.Versions = append(shown.Versions, version{Number: i, Date: v.Date, Changed: v.Changed, Shown: i == n})
	}
	return shown
}

func (p Policy) items(items [][]policy.Sentence, stand standings, marked bool) (all [][]sentence) {
	for _, item := range items {
		var laid []sentence
		for _, s := range item {
			one := sentence{Runs: p.runs(s), Promises: joined(s.Promises)}
			if marked {
				one.Marks = p.marks(s, stand)
				one.Unbuilt = slices.ContainsFunc(one.Marks, func(m mark) bool { return m.standing == notBuilt })
			}
			laid = append(laid, one)
		}
		all = append(all, laid)
	}
	return all
}

// marks says once for each way in which promises of a sentence stand, with the first of them.
func (p Policy) marks(s policy.Sentence, stand standings) (all []mark) {
	seen := map[standing]bool{}
	for _, id := range s.Promises {
		promise, _ := p.Promises.Promise(id)
		if standing := stand.mark(promise, p.Operator); !seen[standing] {
			seen[standing] = true
			all = append(all, mark{standing, id})
		}
	}
	return all
}

func joined(ids []policy.ID) string {
	var all []string
	for _, id := range ids {
		all = append(all, string(id))
	}
	return strings.Join(all, " ")
}
