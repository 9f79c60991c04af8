package disclosure

import (
	"time"

	"github.com/bgremover/bgremover/domain/refusal"
)

// Reasons nobody is told, or not now.
var (
	ErrNothingGiven = refusal.New(refusal.Conflict, "disclosure.nothing_given",
		"Nothing was given, so nobody has to be told.", "Look at what became of the request.")
	ErrTold = refusal.New(refusal.Conflict, "disclosure.told",
		"This is settled.", "Look at what became of the request.")
	ErrNoContact = refusal.New(refusal.Unusable, "disclosure.no_contact",
		"Technical data has no contact in it: the service cannot tell those whom it concerns.", "Record that nobody can be told, or until when an order forbids it.")
	ErrContact = refusal.New(refusal.Conflict, "disclosure.contact",
		"Data of this category has a contact in it, so those whom it concerns can be told.", "Tell them.")
	ErrForbidden = refusal.New(refusal.Conflict, "disclosure.deferred",
		"An order forbids to tell them yet.", "Come back when its time is over.")
	ErrUntil = refusal.New(refusal.Invalid, "disclosure.until",
		"The day until which an order forbids to tell anybody lies within the next ten years.", "Write the day that the order names.")
)

// mayTell says whether telling is what comes next.
func mayTell(d Disclosure, at time.Time) error {
	switch d.Status() {
	case Unknown:
		return ErrUnknown
	case Waiting, Allowed, Denied, Empty:
		return ErrNothingGiven
	case Closed, Unreachable:
		return ErrTold
	case Untold:
	}
	if at.Before(d.deferred) {
		return ErrForbidden
	}
	return nil
}

// DecideTell returns the fact that follows when those whom it concerns were told.
func DecideTell(d Disclosure, at time.Time) (SubjectTold, error) {
	if err := mayTell(d, at); err != nil {
		return SubjectTold{}, err
	}
	if d.Request().Category == Technical {
		return SubjectTold{}, ErrNoContact
	}
	return SubjectTold{}, nil
}

// DecideUnreachable returns the fact that follows when nobody can be told.
func DecideUnreachable(d Disclosure, at time.Time) (SubjectUnreachable, error) {
	if err := mayTell(d, at); err != nil {
		return SubjectUnreachable{}, err
	}
	if d.Request().Category != Technical {
		return SubjectUnreachable{}, ErrContact
	}
	return SubjectUnreachable{}, nil
}

// DecideDefer returns the fact that follows when an order forbids to tell anybody. A later
// order can change the day, also before it comes.
func DecideDefer(d Disclosure, until, at time.Time) (SubjectDeferred, error) {
	if err := mayTell(d, at); err != nil && err != ErrForbidden { //nolint:errorlint // mayTell returns them bare.
		return SubjectDeferred{}, err
	}
	if !until.After(at) || until.After(at.Add(longestOrder)) {
		return SubjectDeferred{}, ErrUntil
	}
	return SubjectDeferred{Until: until.UTC()}, nil
}
