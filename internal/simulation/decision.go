package simulation

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/policy"
)

// asked is a question that the record holds or held, with its answer, and how often it was asked.
type asked struct {
	seq      int64
	decision event.Decision
	question json.RawMessage // whole; nil: it is erased
	count    int64
	due      time.Time // what came of it, where the fact says so
}

// excluded are decisions of which the record holds no question, or by which somebody only read.
type excluded struct {
	rule        string
	reads, more int64
}

// take makes a decision one that can be asked again, or one that is left out because its question never was recorded.
func (a asked) take(all []asked, left []excluded) ([]asked, []excluded) {
	if a.decision.LeftOut() {
		return all, append(left, excluded{rule: a.decision.Rule, more: a.count})
	}
	a.question, _ = a.decision.Question()
	return append(all, a), left
}

// decisionsIn takes the decisions out of a fact.
func decisionsIn(env event.Envelope) (all []asked, left []excluded) {
	if d := env.Decision; d != nil {
		one := asked{seq: env.Seq, decision: *d, count: 1}
		switch f := env.Fact.(type) {
		case image.Uploaded:
			one.due = f.Due
		case image.DeletionDueChanged:
			one.due = f.Due
		}
		all, left = one.take(all, left)
	}
	switch f := env.Fact.(type) {
	case policy.DecisionRefused:
		for _, in := range f.Inputs {
			all, left = counted(env, deny, in, event.Decision{Rule: f.Rule, Promises: f.Promises, Revision: f.Revision}).take(all, left)
		}
		if f.More > 0 {
			left = append(left, excluded{rule: f.Rule, more: f.More})
		}
	case policy.DecisionsCounted:
		reads := excluded{rule: f.Rule}
		for _, in := range f.Inputs {
			if onlyReads(f.Rule) {
				reads.reads += in.Count
				continue
			}
			all, left = counted(env, allow, in, event.Decision{Rule: f.Rule, Promises: f.Promises, Revision: f.Revision}).take(all, left)
		}
		if reads.reads > 0 {
			left = append(left, reads)
		}
	}
	return all, left
}

// counted is a question of a fact that counts several.
func counted(env event.Envelope, outcome string, in policy.CountedInput, d event.Decision) asked {
	d.Outcome, d.Input = outcome, in.Input
	return asked{seq: env.Seq, decision: d, count: in.Count}
}

// onlyReads says whether nothing changes by a rule's yes: somebody sees what is there.
func onlyReads(rule string) bool { return strings.HasPrefix(rule, "access.") }

const (
	allow = "allow"
	deny  = "deny"
)

// erased says that what was personal in the question is gone, with the key that sealed it.
func (a asked) erased() bool { return a.decision.Sealed.IsErased() }

// isMadeAgain says whether a decision is, byte for byte, the one of the record.
func (a asked) isMadeAgain(again event.Decision) bool {
	d := a.decision
	return d.Rule == again.Rule && d.Revision == again.Revision && d.Outcome == again.Outcome &&
		slices.Equal(d.Promises, again.Promises) && slices.Equal(d.Personal, again.Personal) &&
		string(d.Input) == string(again.Input) && d.Sealed == again.Sealed
}

// membersOf names the members of an input.
func membersOf(input json.RawMessage) (map[string]json.RawMessage, error) {
	var members map[string]json.RawMessage
	err := json.Unmarshal(input, &members)
	return members, err
}
