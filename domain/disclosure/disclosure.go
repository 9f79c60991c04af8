package disclosure

import (
	"slices"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
)

// Disclosure is what the facts so far add up to. The zero value was never requested.
type Disclosure struct {
	requested   *Requested
	scope       Scoped
	at          time.Time // of the request
	registrar   personal.Text
	approvers   []personal.Text
	permitted   bool
	refused     *Refused
	made        *Made
	told        bool
	unreachable bool
	deferred    time.Time
	version     int64
}

// FromRecord replays envelopes of a disclosure's stream, oldest first. Facts of other kinds, written
// by a newer release, change nothing here but the version.
func FromRecord(history []event.Envelope) Disclosure {
	var d Disclosure
	for _, env := range history {
		if e, ok := env.Fact.(Event); ok {
			d = d.after(e, env)
		}
		d.version = env.Version
	}
	return d
}

func (d Disclosure) after(e Event, env event.Envelope) Disclosure {
	switch e := e.(type) {
	case Requested:
		d.requested, d.at, d.registrar = &e, env.At, env.Actor.Who
	case Scoped:
		d.scope = e
	case Approved:
		d.approvers = append(slices.Clone(d.approvers), env.Actor.Who)
	case Permitted:
		d.permitted = true
	case Refused:
		d.refused = &e
	case Made:
		d.made = &e
	case SubjectTold:
		d.told = true
	case SubjectDeferred:
		d.deferred = e.Until
	case SubjectUnreachable:
		d.unreachable = true
	}
	return d
}

// Version is how many facts this state rests on: what an append must expect.
func (d Disclosure) Version() int64 { return d.version }

// Known says that it was requested.
func (d Disclosure) Known() bool { return d.requested != nil }

// Request returns what was asked for; zero if nothing was.
func (d Disclosure) Request() Requested {
	if d.requested == nil {
		return Requested{}
	}
	return *d.requested
}

// Scope returns what exactly is looked for, and for whom.
func (d Disclosure) Scope() Scoped { return d.scope }

// At is when it was registered.
func (d Disclosure) At() time.Time { return d.at }

// Approvals is by how many members of staff it was approved.
func (d Disclosure) Approvals() int { return len(d.approvers) }

// Reasons are those of the refusal.
func (d Disclosure) Reasons() []string {
	if d.refused == nil {
		return nil
	}
	return slices.Clone(d.refused.Reasons)
}

// Given returns what was given; ok is false if nothing was.
func (d Disclosure) Given() (m Made, ok bool) {
	if d.made == nil {
		return Made{}, false
	}
	return *d.made, true
}

// Deferred is until when an order forbids to tell those whom it concerns; zero if none does.
func (d Disclosure) Deferred() time.Time { return d.deferred }

// Status is where a disclosure stands.
type Status string

// The statuses.
const (
	Unknown     Status = "unknown"
	Waiting     Status = "waiting"     // registered, not decided
	Allowed     Status = "permitted"   // decided, and not carried out yet
	Denied      Status = "refused"     // nothing is given
	Untold      Status = "made"        // given; those whom it concerns do not know yet
	Closed      Status = "told"        // given, and they know
	Unreachable Status = "unreachable" // given, and nobody can be told
	Empty       Status = "empty"       // what was given holds nothing, so it concerns nobody
)

// Status returns where it stands.
func (d Disclosure) Status() Status {
	switch {
	case d.requested == nil:
		return Unknown
	case d.refused != nil:
		return Denied
	case d.made == nil && !d.permitted:
		return Waiting
	case d.made == nil:
		return Allowed
	case d.made.Count == 0:
		return Empty
	case d.told:
		return Closed
	case d.unreachable:
		return Unreachable
	}
	return Untold
}
