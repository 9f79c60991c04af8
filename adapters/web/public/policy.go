package public

import (
	"strings"

	"github.com/bgremover/bgremover/adapters/web/page"
	"github.com/bgremover/bgremover/domain/policy"
)

var (
	privacyPage  = page.Must(templates, "privacy.html")
	promisesPage = page.Must(templates, "promises.html")
)

// Policy is what is published, and what the operator stated about the service.
type Policy struct {
	Promises policy.Catalogue
	Versions []policy.Text // 1, 2, 3 …; the last one is in force
	Operator policy.Operator
	Rules    map[string]string // the source of each rule that a promise names
}

func (p Policy) current() policy.Text { return p.Versions[len(p.Versions)-1] }

// standing is how far a promise has come, in words that never say more than what is known
// here: nothing on these pages has asked the record whether a promise is kept.
type standing struct {
	Class string // for the stylesheet
	Label string
}

var (
	notBuilt       = standing{"not-built", "not built yet"}
	inPart         = standing{"in-part", "in part"}
	notStated      = standing{"not-stated", "not stated"}
	notEstablished = standing{"not-established", "not established"}
	built          = standing{"built", "built, figures follow"}
)

// standingOf says how far a promise has come. What only people can know is not established
// before somebody signed for it, and what the operator has to state not before it is stated.
func (p Policy) standingOf(promise policy.Promise) standing {
	switch {
	case promise.State == policy.NotBuilt:
		return notBuilt
	case !promise.Stated(p.Operator):
		return notStated
	case promise.Kind == policy.Attested:
		return notEstablished
	case promise.State == policy.InPart:
		return inPart
	}
	return built
}

// counts says how many promises there are of each state.
type counts struct{ Total, Built, InPart, NotBuilt int }

func (p Policy) counts() counts {
	return counts{len(p.Promises), p.Promises.Count(policy.Built), p.Promises.Count(policy.InPart), p.Promises.Count(policy.NotBuilt)}
}

// run is a piece of a sentence as it is shown.
type run struct {
	Text   string
	Strong bool
	Link   string
	Blank  bool // and the operator has not filled it
	Mail   bool
}

// runs fills a sentence's blanks.
func (p Policy) runs(s policy.Sentence) (all []run) {
	for _, r := range s.Runs {
		shown := run{Text: r.Text, Strong: r.Strong, Link: r.Link}
		if r.Blank != "" {
			shown.Text = p.Operator.Of(r.Blank)
			shown.Blank = shown.Text == ""
			shown.Mail = r.Blank == policy.Contact && !shown.Blank
		}
		all = append(all, shown)
	}
	return all
}

// words are a sentence in plain letters, its blanks filled.
func (p Policy) words(s policy.Sentence) string {
	var b strings.Builder
	for _, r := range p.runs(s) {
		b.WriteString(r.Text)
		if r.Blank {
			b.WriteString("[not stated by the operator]")
		}
	}
	return b.String()
}
