package policy

import "time"

// Register is the register of processing activities (GDPR article 30(1)) with those who work for the
// operator (article 28), as one revision of the policy's data has it.
type Register struct {
	Revision   int64
	Operator   Operator
	Activities []Activity  // those of this release first
	Processors []Processor // in the order of their categories
}

// Activity is one purpose for which data is processed.
type Activity struct {
	ID, Title    string
	InUse        bool   // in this release
	Basis        string // "contract"
	BasisSource  string // "GDPR article 6(1)(b)"
	People, Data []string
	Recipients   []string   // categories
	Transfers    []Transfer // to other countries than the operator's
	Erasures     []Erasure
	Measures     []Measure
	Source       string
}

// Erasure is when one kind of data is gone.
type Erasure struct {
	Kind     string
	Period   string // "90 days"
	Starts   string // "making", or the name of a fact
	Executor string // what deletes it
	Copies   []string
	LegalMin []string // fields that a law keeps for longer than the person may want
	Source   string
}

// Measure is how data is kept safe (article 32).
type Measure struct{ ID, Text, Source string }

// Transfer is a provider in another country than the operator's, and what makes that lawful.
type Transfer struct {
	Provider, Country string
	Safeguard         Safeguard
}

// Safeguard is what a transfer rests on: a word of the transfer data.
type Safeguard string

// String is the safeguard in words.
func (s Safeguard) String() string {
	switch s {
	case "scc":
		return "standard contractual clauses"
	case "bcr":
		return "binding corporate rules"
	case "dpf":
		return "EU-US Data Privacy Framework"
	case "adequacy":
		return "adequacy decision"
	case "none":
		return "none, within one region"
	}
	return string(s)
}

// Processor is a category of those who work for the operator, with the provider that fills it.
type Processor struct {
	Category, Role string
	Needed         bool   // in this release
	Why            string // or why not
	Gets           []string
	Basis          []string
	Provider       *Provider // nil if nobody is named
	ReviewDays     int
	Source         string
}

// Provider is somebody who works for the operator, as the operator states it.
type Provider struct {
	Category, Name, Country string
	Contract                string
	Reviewed, Until         time.Time // the last review of the contract, and when the next is due
	Safeguard               Safeguard // of a transfer: "scc"; "none" within a region
	SafeguardUntil          time.Time
	Assessed                bool // the other country's law was assessed
	Encrypted               bool // what they get is sealed, or sent and kept encrypted
}

// InDate says whether the contract's review is not due yet.
func (p Provider) InDate(now time.Time) bool { return now.Before(p.Until) }
