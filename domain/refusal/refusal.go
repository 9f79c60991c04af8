// Package refusal holds the errors that a person may be shown.
//
// A refusal has a kind (what the caller can do about it), a permanent code, what
// is wrong and what to do. Any other error is a fault of ours: it is logged, and
// shown as "something went wrong" with an id.
package refusal

import (
	"errors"
	"fmt"
)

// Kind says what the caller can do about a refusal.
type Kind string

// The kinds; adapters/web maps each to one HTTP status.
const (
	Invalid     Kind = "invalid"     // the request is malformed: change it
	TooLarge    Kind = "too_large"   // send less
	Unsupported Kind = "unsupported" // send another format
	Unusable    Kind = "unusable"    // well-formed, but nothing can be made of it
	Forbidden   Kind = "forbidden"   // a rule denies it
	Missing     Kind = "missing"     // no such thing, or not for you: the two look the same
	Conflict    Kind = "conflict"    // not now, or not twice
	Gone        Kind = "gone"        // it was here and is deleted
	TooMany     Kind = "too_many"    // slow down, then again
	Unavailable Kind = "unavailable" // a part of the service is away: again soon
)

// Error is a refusal with a stable code, fit for an audit trail.
type Error struct {
	Kind Kind
	Code string // "image.too_large"; never reworded, clients match on it
	Text string // what is wrong, one sentence for a person
	Help string // what to do, one sentence for a person
}

// Error implements error; it is what logs show.
func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Code, e.Text) }

// Is makes errors.Is match on the permanent code.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error) // this very error, not what it wraps: errors.Is unwraps
	return ok && e.Code == other.Code
}

// As returns the refusal inside err, if there is one.
func As(err error) (*Error, bool) { return errors.AsType[*Error](err) }

// New makes a refusal. Declare it as a package variable beside the decision that returns it.
func New(kind Kind, code, text, help string) *Error {
	return &Error{Kind: kind, Code: code, Text: text, Help: help}
}
