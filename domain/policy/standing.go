package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Standing says how a promise stands at one moment, by the evidence that there is.
type Standing string

// The standings, the best first.
const (
	Kept           Standing = "kept"
	AtRisk         Standing = "at risk"         // kept, and something endangers that
	NotEstablished Standing = "not established" // nobody can tell: evidence is missing, old, or cannot be read
	Broken         Standing = "broken"
)

// Standings lists them in that order.
func Standings() []Standing { return []Standing{Kept, AtRisk, NotEstablished, Broken} }

// WorseThan says whether s stands behind other in that order. What is none of them is the worst.
func (s Standing) WorseThan(other Standing) bool { return s.rank() > other.rank() }

func (s Standing) rank() int {
	if i := slices.Index(Standings(), s); i >= 0 {
		return i
	}
	return len(Standings())
}

// Judgement is how a promise stands, and why: the reasons for just that, in sentences for everybody.
type Judgement struct {
	Standing Standing
	Why      []string
}

// Judge says how a promise stands. It is kept only where every piece of evidence that its
// kind asks for is there, fresh and good; the worst piece decides. A promise that is
// not wholly built is never kept, and broken where evidence says so.
func (p Promise) Judge(e Evidence) Judgement {
	var j judging
	j.state(p)
	if !p.Stated(e.Operator) {
		j.add(NotEstablished, "The operator has not stated what this promise needs: %s.", p.unstated(e.Operator))
	}
	switch {
	case e.Trouble != "":
		j.add(NotEstablished, "%s", e.Trouble)
	case e.stale(e.Read, FigureHolds):
		j.add(NotEstablished, "The record was last read at %s.", said(e.Read))
	}
	if p.Figure != "" {
		j.figure(e)
	}
	j.checks(p, e)
	if p.Kind == Attested {
		j.signed(p, e)
	}
	j.audit(e)
	return j.judgement(p)
}

// judging collects what each piece of evidence says.
type judging struct {
	pieces []piece
}

type piece struct {
	standing Standing
	why      string
	built    bool // it is about how much is built, and not about the evidence
}

func (j *judging) add(s Standing, format string, args ...any) {
	j.pieces = append(j.pieces, piece{standing: s, why: fmt.Sprintf(format, args...)})
}

func (j *judging) state(p Promise) {
	if p.State != Built {
		j.pieces = append(j.pieces, piece{standing: NotEstablished, why: p.Missing, built: true})
	}
}

// figure weighs the live query.
func (j *judging) figure(e Evidence) {
	f := e.Figure
	if f == nil {
		j.add(NotEstablished, "Its figure cannot be read.")
		return
	}
	if e.stale(f.At, FigureHolds) {
		j.add(NotEstablished, "Its figure was last read at %s.", said(f.At))
	}
	if f.Standing.rank() >= len(Standings()) {
		j.add(NotEstablished, "Its figure says nothing.")
		return
	}
	j.add(f.Standing, "%s", f.Why)
	if !f.Audited {
		return
	}
	switch {
	case e.Audit == nil:
		j.add(NotEstablished, "The sentinel has not audited what is stored yet.")
	case e.stale(e.Audit.At, AuditHolds):
		j.add(NotEstablished, "The sentinel last audited what is stored at %s.", said(e.Audit.At))
	case !e.Audit.Whole:
		j.add(NotEstablished, "The sentinel could not list all that is stored when it last looked, at %s.", said(e.Audit.At))
	}
}

// checks weighs what the scheduled checks found. The promise's own has to be there; any other that
// looks at the promise too can only worsen it.
func (j *judging) checks(p Promise, e Evidence) {
	own := false
	for _, c := range e.Checks {
		mine := c.Name == p.Check && p.Check != ""
		own = own || mine
		switch {
		case !c.Passed && (c.Looked == 0 || c.Found == 0):
			j.add(NotEstablished, "The check %s could not tell at %s.", c.Name, said(c.At))
		case !c.Passed:
			j.add(Broken, "The check %s failed at %s: %s; %d of %d things that it looked at are wrong (%s).", c.Name, said(c.At), c.Words, c.Found, c.Looked, c.Code)
		case mine && e.stale(c.At, CheckHolds):
			j.add(NotEstablished, "The check %s last ran at %s.", c.Name, said(c.At))
		case mine:
			j.add(Kept, "The check %s passed at %s; it looked at %d things.", c.Name, said(c.At), c.Looked)
		}
	}
	if p.Check != "" && !own {
		j.add(NotEstablished, "The check %s has not run yet.", p.Check)
	}
}

// signed weighs the statement of those who know.
func (j *judging) signed(p Promise, e Evidence) {
	s := e.Signed
	switch {
	case s == nil:
		j.add(NotEstablished, "Nobody has signed for it.")
	case !s.Current:
		j.add(NotEstablished, "What was signed on %s were other words than those of today; they have to be signed again.", day(s.At))
	case !e.Now.Before(s.Until):
		j.add(NotEstablished, "What was signed held until %s, and has to be signed again.", day(s.Until))
	case e.stale(s.At, time.Duration(p.HoldsDays)*24*time.Hour):
		j.add(NotEstablished, "What was signed on %s is too old: it holds for %d days.", day(s.At), p.HoldsDays)
	case !e.Now.Before(s.Until.Add(-SignSoon)):
		j.add(AtRisk, "What was signed holds until %s only, and has to be signed again.", day(s.Until))
	default:
		j.add(Kept, "Attested: signed on %s, until %s.", day(s.At), day(s.Until))
	}
}

// audit weighs what the sentinel found about the promise, however long ago.
func (j *judging) audit(e Evidence) {
	if e.Audit == nil {
		return
	}
	for _, f := range e.Audit.Findings {
		switch {
		case f.Count == 0:
		case f.Breaks:
			j.add(Broken, "The sentinel found %s at %s: %d (%s).", f.Words, said(e.Audit.At), f.Count, f.Code)
		default:
			j.add(AtRisk, "The sentinel found %s at %s: %d (%s).", f.Words, said(e.Audit.At), f.Count, f.Code)
		}
	}
}

// judgement takes the worst of all. Without anything that speaks for the promise it is not kept,
// and what is not built is not explained by the evidence that it cannot have.
func (j *judging) judgement(p Promise) Judgement {
	if len(j.pieces) == 0 {
		return Judgement{NotEstablished, []string{"Nothing shows yet how it stands."}}
	}
	worst := Kept
	for _, one := range j.pieces {
		if one.standing.WorseThan(worst) {
			worst = one.standing
		}
	}
	var why []string
	for _, one := range j.pieces {
		if one.standing != worst || p.State != Built && !one.built && worst != Broken {
			continue
		}
		if one.why != "" && !slices.Contains(why, one.why) {
			why = append(why, one.why)
		}
	}
	return Judgement{worst, why}
}

// unstated lists what the operator has still to state.
func (p Promise) unstated(o Operator) string {
	var all []string
	for _, blank := range p.Needs {
		if o.Of(blank) == "" {
			all = append(all, string(blank))
		}
	}
	return strings.Join(all, ", ")
}

func said(t time.Time) string {
	if t.IsZero() {
		return "no time that is known"
	}
	return t.UTC().Format("15:04 UTC on 2 January 2006")
}

func day(t time.Time) string { return t.UTC().Format("2 January 2006") }
