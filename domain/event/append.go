package event

import (
	"time"

	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/refusal"
)

// Refusals of an append.
var (
	ErrConflict = refusal.New(refusal.Conflict, "record.conflict",
		"Something else happened to it in the meantime.", "Look at its state and try again.")
	ErrPolicyChanged = refusal.New(refusal.Unavailable, "record.policy_changed",
		"The rules that decide this were replaced at this very moment.", "Try again; the new ones decide it then.")
	ErrTooLarge = refusal.New(refusal.TooLarge, "record.too_large",
		"This is more than one entry of the record can hold.", "Send shorter names and texts.")
	ErrUnavailable = refusal.New(refusal.Unavailable, "record.unavailable",
		"The record cannot be reached, and nothing happens here that it does not hold.",
		"Try again in a few seconds; the same request is not carried out twice.")
)

// Append is what one decision adds to the record: all of it or none, in this order.
type Append struct {
	Request id.Request // the same request again gets the same answer; "" when it cannot be repeated
	At      time.Time
	Actor   Actor
	Cause   id.Fact // the fact that led to this; "" when a request did
	Parts   []Part
	Make    []personal.Key // keys whose subjects begin with these facts
	Destroy []personal.KeyID
}

// Part is what an append adds to one stream.
type Part struct {
	Stream   Stream
	Expected int64 // the stream's version that the decision rests on; 0 for a new stream
	Facts    []Pending
}

// Pending is a fact that is not in the record yet.
type Pending struct {
	Fact     Fact
	Decision *Decision
}

// Appended is what became of an append: its facts, numbered and in the record.
type Appended struct {
	Facts    []Envelope
	Repeated bool // the request id had been seen: these are the facts of the first time
}
