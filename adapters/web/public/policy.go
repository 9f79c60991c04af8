package public

import (
	"strings"
	"time"

	"github.com/bgremover/bgremover/adapters/web/page"
	"github.com/bgremover/bgremover/domain/policy"
)

var (
	privacyPage  = page.Must(templates, "privacy.html")
	promisesPage = page.Must(templates, "promises.html")
)

// Policy is what is published, what the operator stated about the service, and what is known of how
// the promises stand.
type Policy struct {
	Promises policy.Catalogue
	Versions []policy.Text // 1, 2, 3 …; the last one is in force
	Operator policy.Operator
	Rules    map[string]string // the source of each rule that a promise names
	Facts    map[string]Fact   // the form of each fact that a promise names
	Evidence Evidence          // may be nil: then nothing is established
	Now      func() time.Time  // the service's time; needed with Evidence

	// Recorded returns the fact that published a version; 0 while that is not known. It may be nil.
	Recorded func(version int) (seq int64)
}

// Fact is the form of a fact: its fields by their names, and of each whether it is sealed.
type Fact []Field

// Field is one of them.
type Field struct {
	Name   string
	Sealed bool // under a key of its subject, and unreadable once that is destroyed
}

func (p Policy) current() policy.Text { return p.Versions[len(p.Versions)-1] }

// run is a piece of a sentence as it is shown.
type run struct {
	Text   string
	Strong bool
	Link   string
	Blank  policy.Blank // which the operator has not filled
	Mail   bool
}

// runs fills a sentence's blanks.
func (p Policy) runs(s policy.Sentence) (all []run) {
	for _, r := range s.Runs {
		shown := run{Text: r.Text, Strong: r.Strong, Link: r.Link}
		if r.Blank != "" {
			shown.Text = p.Operator.Of(r.Blank)
			if shown.Text == "" {
				shown.Blank = r.Blank
			}
			shown.Mail = r.Blank == policy.Contact && shown.Blank == ""
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
		if r.Blank != "" {
			b.WriteString("[" + string(r.Blank) + ": not stated by the operator]")
		}
	}
	return b.String()
}
