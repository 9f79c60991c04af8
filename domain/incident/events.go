// Package incident is what may be a breach of personal data, from the first suspicion on.
package incident

import (
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
)

// Suspected says that something looks like a breach, or like a promise that is broken. Nobody has looked
// at it yet. While it is open, the same finding suspects no second one.
type Suspected struct {
	Source  string  `json:"source"`  // "sentinel"
	Code    string  `json:"code"`    // permanent: what was found
	Promise string  `json:"promise"` // that seems broken
	Cause   id.Fact `json:"cause"`   // the audit or check that found it
}

// EventName implements [event.Fact].
func (Suspected) EventName() event.Name { return "incident.suspected.v1" }

// Kinds lists the facts of this package for the registry.
func Kinds() []event.Kind { return []event.Kind{event.KindOf[Suspected]()} }

// SuspicionStream returns the stream of a suspicion that begins with a fact.
func SuspicionStream(cause id.Fact) event.Stream {
	return event.DerivedStream("incident", string(cause))
}
