package system

import (
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
)

// AuditCompleted says that the sentinel compared what is kept with the record up to Through, and
// what it found. An audit that could not list everything is not Whole, and deleted nothing.
type AuditCompleted struct {
	Through   int64     `json:"through"`
	Whole     bool      `json:"whole"`
	Objects   int64     `json:"objects"` // of the blob store
	Keys      int64     `json:"keys"`    // of the vault
	Tables    int64     `json:"tables"`  // with a period
	Findings  []Finding `json:"findings"`
	Removed   int64     `json:"removed"` // objects that should not have been there
	Signature string    `json:"signature"`
}

// Finding is one kind of thing that should not be, and how many there are.
type Finding struct {
	Code    string `json:"code"`    // permanent: "object.unknown"
	Promise string `json:"promise"` // that it breaks, or endangers
	Count   int64  `json:"count"`
}

// AuditCheckPassed says that a scheduled check of the live service found nothing wrong.
type AuditCheckPassed struct {
	Check    string   `json:"check"` // permanent: "policy.contradictions"
	Promises []string `json:"promises"`
	Looked   int64    `json:"looked"` // at how many things; a check that found nothing to look at failed
}

// AuditCheckFailed says what a scheduled check found wrong.
type AuditCheckFailed struct {
	Check    string   `json:"check"`
	Promises []string `json:"promises"`
	Looked   int64    `json:"looked"`
	Code     string   `json:"code"` // permanent: what is wrong
	Found    int64    `json:"found"`
}

// AttestationMade says that a member of staff, the fact's actor, signed what only people can
// know, until a day on which it must be signed again. Statement is the SHA-256 of the words they signed.
type AttestationMade struct {
	Promise   string        `json:"promise"`
	Statement string        `json:"statement"`
	Until     time.Time     `json:"until"`
	Note      personal.Text `json:"note"`
}

// AttestationWithdrawn says that a statement holds no longer.
type AttestationWithdrawn struct {
	Promise string        `json:"promise"`
	Note    personal.Text `json:"note"`
}

// EventName implements [event.Fact].
func (AuditCompleted) EventName() event.Name { return "audit.completed.v1" }

// EventName implements [event.Fact].
func (AuditCheckPassed) EventName() event.Name { return "audit.check_passed.v1" }

// EventName implements [event.Fact].
func (AuditCheckFailed) EventName() event.Name { return "audit.check_failed.v1" }

// EventName implements [event.Fact].
func (AttestationMade) EventName() event.Name { return "audit.attestation_made.v1" }

// EventName implements [event.Fact].
func (AttestationWithdrawn) EventName() event.Name { return "audit.attestation_withdrawn.v1" }

// AuditStream returns the stream of a day's audits.
func AuditStream(day time.Time) event.Stream {
	return event.DerivedStream("audit", "sentinel", day.UTC().Format(time.DateOnly))
}

// CheckStream returns the stream of what a check found on a day.
func CheckStream(check string, day time.Time) event.Stream {
	return event.DerivedStream("audit", "check", check, day.UTC().Format(time.DateOnly))
}

// AttestationStream returns the stream of what was signed about a promise in a year. Its key lives for
// years from its making; so a stream of every year has one that outlives what is signed in it.
func AttestationStream(promise string, at time.Time) event.Stream {
	return event.DerivedStream("audit", "attestation", promise, at.UTC().Format("2006"))
}

// AttestationKey returns the id of the key that seals who signed about a promise in a year.
func AttestationKey(promise string, at time.Time) personal.KeyID {
	return personal.KeyID(AttestationStream(promise, at))
}
