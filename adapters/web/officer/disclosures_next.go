package officer

import (
	"context"
	"time"

	"github.com/bgremover/bgremover/domain/disclosure"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/projections/disclosures"
)

// toDo is a request about which something has to be done.
type toDo struct {
	disclosures.Disclosure
	Next step
}

// step is what has to be done about a request, and by when, in words.
type step struct {
	disclosures.Next
	What  string // "Make the export by"
	By    string // "the end of 24 December 2026 UTC"
	When  string // "in 3 days", "2 days ago"
	Alarm bool   // somebody should have done it
}

// stepOf says what has to be done about a request; nil when it is settled.
func stepOf(d disclosures.Disclosure, now time.Time) *step {
	next, open := d.Next(now)
	if !open {
		return nil
	}
	s := step{Next: next, By: deadline(next.At), When: "in " + roughly(next.At.Sub(now))}
	if next.Over {
		s.When = roughly(now.Sub(next.At)) + " ago"
	}
	switch {
	case next.Step == disclosures.Tell:
		s.What, s.Alarm = "Tell those whom it concerns: due since", now.Sub(next.At) >= usecase.UntoldAlarm
		if d.Category == disclosure.Technical {
			s.What = "Record that nobody can be told: due since"
		}
	case next.Step == disclosures.Wait:
		s.What = "Tell nobody until"
	case next.Over: // the rules refuse it by now, and say so when they are asked
		s.What = "Have it refused: it held until"
	case next.Step == disclosures.Make:
		s.What = "Make the export by"
	default:
		s.What = "Approve and decide it by"
	}
	return &s
}

// deadline is a moment as people write what holds until then: a day that is over at midnight is meant whole.
func deadline(t time.Time) string {
	t = t.UTC()
	if day := t.Truncate(24 * time.Hour); day.Equal(t) {
		return "the end of " + t.AddDate(0, 0, -1).Format("2 January 2006") + " UTC"
	}
	return t.Format("2 January 2006, 15:04 UTC")
}

// outcomes are what became of a request, in words.
var outcomes = map[disclosures.Outcome]string{
	disclosures.Pending: "pending", disclosures.Permitted: "allowed, not given yet", disclosures.Made: "given",
	disclosures.Nothing: "nothing to give", disclosures.Refused: "refused",
}

// listed is a request in the list of all.
type listed struct {
	disclosures.Disclosure
	Outcome string
}

func listedOf(all []disclosures.Disclosure) (shown []listed) {
	for _, d := range all {
		shown = append(shown, listed{d, outcomes[d.Outcome]})
	}
	return shown
}

// toDos lists what has to be done, the most urgent first.
func (p Pages) toDos(ctx context.Context) (all []toDo, err error) {
	open, err := p.Desk.Open(ctx)
	if err != nil {
		return nil, err
	}
	now := p.Now()
	for _, d := range open {
		if next := stepOf(d, now); next != nil {
			all = append(all, toDo{d, *next})
		}
	}
	return all, nil
}

// opensASecond is how many visits a machine of two cores opens: docs/disclosures.md has the measurement.
const opensASecond = 5000

// effort is what carrying a request out takes, as far as it takes long.
type effort struct {
	Visits int64
	Takes  string // about
	Over   bool   // more than one export goes through
}

// effortOf asks what carrying a request out would take; nil when it takes nothing to speak of.
func (p Pages) effortOf(ctx context.Context, d disclosures.Disclosure, which id.Disclosure) (*effort, error) {
	if d.Category != disclosure.Technical || d.Outcome != disclosures.Pending && d.Outcome != disclosures.Permitted {
		return nil, nil
	}
	visits, err := p.Desk.Work.Effort(ctx, which)
	if err != nil {
		return nil, err
	}
	return &effort{visits, roughly(time.Duration(visits/opensASecond+1) * time.Second), visits > usecase.MostOpened}, nil
}
