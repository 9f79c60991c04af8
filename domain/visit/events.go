// Package visit is what is known of a visitor on one day: a random id, and technical data that
// is sealed under that day's key. The way from a network address to the id is kept in memory alone.
package visit

import (
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/personal"
)

// Began says that a visitor did something for the first time on a day that technical data is
// kept of. What is sealed in it ends with the day's key; the day itself stays.
type Began struct {
	Day     string        `json:"day"` // 2026-11-24, UTC
	Address personal.Text `json:"address"`
	Agent   personal.Text `json:"agent"`
	At      personal.Text `json:"at"` // access time, RFC 3339
}

// Blocked says that a visitor was held up by a rule for the first time on that day. How often
// is counted by policy.decision_refused.
type Blocked struct {
	Rule string    `json:"rule"`
	At   time.Time `json:"at"`
}

// EventName implements [event.Fact].
func (Began) EventName() event.Name { return "visit.began.v1" }

// EventName implements [event.Fact].
func (Blocked) EventName() event.Name { return "visit.blocked.v1" }

// Kinds lists the facts of this package for the registry.
func Kinds() []event.Kind { return []event.Kind{event.KindOf[Began](), event.KindOf[Blocked]()} }

// Stream returns the stream of a visitor's day.
func Stream(v id.Visit) event.Stream { return event.Stream("visit/" + string(v)) }

// Key returns the id of the key that seals everything about a visitor's day.
func Key(v id.Visit) personal.KeyID { return personal.KeyID(Stream(v)) }
