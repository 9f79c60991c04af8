package policy

import "slices"

// ID is a promise's permanent name: "image.delete-24h".
type ID string

// Kind says how a promise is kept. A page never shows a weaker kind as a stronger one.
type Kind string

// The kinds, the strongest first.
const (
	// Enforced: a rule or mechanism does it, facts record it, tests fail when it is broken,
	// and a figure over the record shows how often it was kept.
	Enforced Kind = "enforced"
	// Tested: a property of the running system, which a test and a scheduled check look at.
	Tested Kind = "tested"
	// Attested: only people can know it. A member of staff signs a statement that expires.
	Attested Kind = "attested"
	// Information: something that must be stated or reachable.
	Information Kind = "information"
)

// Kinds lists them in that order.
func Kinds() []Kind { return []Kind{Enforced, Tested, Attested, Information} }

// State says how much of a promise is built.
type State string

// The states.
const (
	Built    State = "built"     // every part that its kind asks for
	InPart   State = "in part"   // some of it works; Missing says what does not
	NotBuilt State = "not built" // nobody may rely on it yet
)

// States lists them.
func States() []State { return []State{Built, InPart, NotBuilt} }

// Promise is one thing that the service promises.
type Promise struct {
	ID      ID
	Kind    Kind
	Text    string // plain words, for everybody
	State   State
	Missing string  // what is not built yet, in a sentence; empty if State is Built
	Needs   []Blank // what the operator must have stated

	// The parts.
	Rules     []string // of the policy bundle: "retention.deadline"
	Mechanism string   // what enforces it where no rule has anything to decide
	Facts     []string // permanent names of the facts that record it
	Tests     []string // "folder.TestName"
	Figure    string   // the live query
	Check     string   // what the sentinel looks at on a schedule
	Where     string   // the page that states it
	SignedBy  string   // the role that signs the statement
	HoldsDays int      // for how long the statement holds
	Statement string   // the words that are signed
}

// Lacks names the parts that its kind asks for and that it does not have.
func (p Promise) Lacks() (parts []string) {
	need := func(part string, there bool) {
		if !there {
			parts = append(parts, part)
		}
	}
	switch p.Kind {
	case Enforced:
		need("rules or mechanism", len(p.Rules) > 0 || p.Mechanism != "")
		need("facts", len(p.Facts) > 0)
		need("tests", len(p.Tests) > 0)
		need("figure", p.Figure != "")
	case Tested:
		need("tests", len(p.Tests) > 0)
		need("check", p.Check != "")
	case Attested:
		need("facts", len(p.Facts) > 0)
		need("signed_by", p.SignedBy != "")
		need("holds_days", p.HoldsDays > 0)
		need("statement", p.Statement != "")
	case Information:
		need("where", p.Where != "")
		need("tests", len(p.Tests) > 0)
		need("check", p.Check != "")
	}
	return parts
}

// Stated says whether the operator has stated all that the promise needs.
func (p Promise) Stated(o Operator) bool {
	return !slices.ContainsFunc(p.Needs, func(b Blank) bool { return o.Of(b) == "" })
}
