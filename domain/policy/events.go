package policy

import (
	"encoding/json"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
)

// Published says which text of the policy is shown from now on. Version rises by one; Digest is
// the SHA-256 of the text's file, in hexadecimal.
type Published struct {
	Version int    `json:"version"`
	Date    string `json:"date"` // of this revision, 2026-11-24
	Digest  string `json:"digest"`
	Text    string `json:"text"`
}

// BundleStored says what a revision of the rules is: its files, as a gzipped tar archive.
// Digest is over the names and bytes of its files, in hexadecimal.
type BundleStored struct {
	Revision int64  `json:"revision"`
	Digest   string `json:"digest"`
	SignedBy string `json:"signed_by"` // id of the key; "release" for the bundle that a release carries
	Archive  []byte `json:"archive"`
}

// ActivationProposed says that a member of staff wants a revision in force, after a simulation
// whose report has that digest. The proposer is the fact's actor.
type ActivationProposed struct {
	Revision   int64  `json:"revision"`
	Digest     string `json:"digest"`
	Simulation string `json:"simulation"`
}

// Simulated says that a bundle was asked again what the record holds from From to To, and how
// often it answered as the rules of the time, and otherwise. Report is the digest of what else it says.
type Simulated struct {
	Revision   int64  `json:"revision"`
	Digest     string `json:"digest"` // of the bundle
	Report     string `json:"report"`
	From       int64  `json:"from"`
	To         int64  `json:"to"`
	Same       int64  `json:"same"`
	Different  int64  `json:"different"`
	Uncompared int64  `json:"uncompared"` // erased, unrecorded, or without the bundle of their revision
}

// Activated says that decisions after this fact rest on a revision. Whoever approved it is
// the fact's actor, and somebody else than Proposer; a release's own first bundle has neither
// proposer nor simulation.
type Activated struct {
	Revision   int64         `json:"revision"`
	Digest     string        `json:"digest"`
	Simulation string        `json:"simulation"`
	Proposer   personal.Text `json:"proposer"`
}

// DecisionRefused says how often a rule said no to strangers in one minute. Inputs are the
// questions, the most frequent first, and More how often others were asked that found no room here.
type DecisionRefused struct {
	Rule     string         `json:"rule"`
	Promises []string       `json:"promises"`
	Revision int64          `json:"revision"`
	Minute   time.Time      `json:"minute"`
	Count    int64          `json:"count"`
	Inputs   []CountedInput `json:"inputs"`
	More     int64          `json:"more"`
}

// CountedInput is a question in its canonical form, and how often it was asked. An empty one stands for questions that
// are not told, because they say something about one person.
type CountedInput struct {
	Input json.RawMessage `json:"input"`
	Count int64           `json:"count"`
}

// DecisionsCounted says how often a rule said yes in a window where no other fact says it: to somebody
// who read, or to an upload, whose own fact tells the decision about its deletion.
type DecisionsCounted struct {
	Rule     string         `json:"rule"`
	Promises []string       `json:"promises"`
	Revision int64          `json:"revision"`
	From     time.Time      `json:"from"`
	Until    time.Time      `json:"until"`
	Inputs   []CountedInput `json:"inputs"` // all of them: such rules know few different questions
}

// The permanent names.
func (Published) EventName() event.Name          { return "policy.published.v1" }
func (BundleStored) EventName() event.Name       { return "policy.bundle_stored.v1" }
func (ActivationProposed) EventName() event.Name { return "policy.activation_proposed.v1" }
func (Simulated) EventName() event.Name          { return "policy.simulated.v1" }
func (Activated) EventName() event.Name          { return "policy.activated.v1" }
func (DecisionRefused) EventName() event.Name    { return "policy.decision_refused.v1" }
func (DecisionsCounted) EventName() event.Name   { return "policy.decisions_counted.v1" }

// FactKinds lists the facts of this package for the registry.
func FactKinds() []event.Kind {
	return []event.Kind{
		event.KindOf[Published](), event.KindOf[BundleStored](),
		event.KindOf[ActivationProposed](), event.KindOf[Simulated](), event.KindOf[Activated](),
		event.KindOf[DecisionRefused](), event.KindOf[DecisionsCounted](),
	}
}

const streamKind = "policy"

// TextStream returns the stream of the published texts.
func TextStream() event.Stream { return event.DerivedStream(streamKind, "text") }

// BundleStream returns the stream of a revision of the rules: stored, proposed, activated.
func BundleStream(revision string) event.Stream {
	return event.DerivedStream(streamKind, "bundle", revision)
}

// SimulationStream returns the stream of the simulations of a revision.
func SimulationStream(revision string) event.Stream {
	return event.DerivedStream(streamKind, "simulation", revision)
}

// BundleKey returns the id of the key that seals who proposed and approved a revision.
func BundleKey(revision string) personal.KeyID { return personal.KeyID(BundleStream(revision)) }

// DecisionStream returns the stream of a day's counted decisions of a rule.
func DecisionStream(rule string, day time.Time) event.Stream {
	return event.DerivedStream(streamKind, "decisions", rule, day.UTC().Format(time.DateOnly))
}
