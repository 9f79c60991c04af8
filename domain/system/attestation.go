package system

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/refusal"
)

// Statement is what people can sign about a promise.
type Statement struct {
	Promise   string
	Words     string     // the exact ones
	SignedBy  event.Role // whose business it is
	HoldsDays int
}

// Digest is what the record holds of the words: their SHA-256, in hexadecimal.
func (s Statement) Digest() string {
	sum := sha256.Sum256([]byte(s.Words))
	return hex.EncodeToString(sum[:])
}

// Years returns a time in each year in which something may have been signed that still counts
// at a time, the earliest first.
func (s Statement) Years(now time.Time) (all []time.Time) {
	now = now.UTC()
	for year := now.AddDate(0, 0, -s.HoldsDays).Year(); year <= now.Year(); year++ {
		all = append(all, time.Date(year, 7, 1, 0, 0, 0, 0, time.UTC))
	}
	return all
}

// Attestation is the last that was signed about a promise. The zero value says that nobody has.
type Attestation struct {
	Made      time.Time
	Until     time.Time
	Digest    string // of the words that were signed
	Withdrawn time.Time
	Seq       int64 // the fact that says the last of it
}

// AttestationOf replays what was signed about a promise, of all its streams in order.
func AttestationOf(facts []event.Envelope, promise string) (a Attestation) {
	for _, env := range facts {
		switch e := env.Fact.(type) {
		case AttestationMade:
			if e.Promise == promise {
				a = Attestation{Made: env.At, Until: e.Until, Digest: e.Statement, Seq: env.Seq}
			}
		case AttestationWithdrawn:
			if e.Promise == promise && !a.Made.IsZero() {
				a.Withdrawn, a.Seq = env.At, env.Seq
			}
		}
	}
	return a
}

// Holds says whether it holds at a time. Words that were changed since make no difference here: see Current.
func (a Attestation) Holds(now time.Time) bool {
	return !a.Made.IsZero() && a.Withdrawn.IsZero() && now.Before(a.Until)
}

// Current says whether the words that were signed are those of the statement.
func (a Attestation) Current(s Statement) bool { return a.Digest == s.Digest() }

// Refusals of a signature.
var (
	ErrNothingToSign = refusal.New(refusal.Missing, "attestation.nothing",
		"This promise is not one that people sign for.", "The list shows which ones are.")
	ErrSigner = refusal.New(refusal.Forbidden, "attestation.role",
		"Somebody in another role signs for this promise.", "The list says who does.")
	ErrNotLooked = refusal.New(refusal.Invalid, "attestation.not_looked",
		"Whoever signs has looked.", "Tick that you have looked, once you have.")
	ErrOtherWords = refusal.New(refusal.Conflict, "attestation.other_words",
		"The words have changed since you read them.", "Read them again, and sign what they say now.")
	ErrNote = refusal.New(refusal.Invalid, "attestation.note",
		"A note has at most 1000 characters.", "Make it shorter.")
	ErrNotSigned = refusal.New(refusal.Conflict, "attestation.not_signed",
		"Nothing that was signed about this promise holds now.", "There is nothing to withdraw.")
)

// Sign is the wish to sign, or to withdraw what was signed.
type Sign struct {
	Role   event.Role // of who signs
	Seen   string     // digest of the words that they had before them
	Looked bool       // they say so
	Note   string     // may be empty
	At     time.Time
}

// DecideAttestation returns what signing a statement makes known. Signing again begins its time anew.
func DecideAttestation(s Statement, wish Sign) (AttestationMade, error) {
	note, err := noteOf(wish.Note)
	switch {
	case s.Words == "" || s.SignedBy == "" || s.HoldsDays < 1:
		return AttestationMade{}, ErrNothingToSign
	case wish.Role != s.SignedBy:
		return AttestationMade{}, ErrSigner
	case !wish.Looked:
		return AttestationMade{}, ErrNotLooked
	case wish.Seen != s.Digest():
		return AttestationMade{}, ErrOtherWords
	case err != nil:
		return AttestationMade{}, err
	}
	return AttestationMade{Promise: s.Promise, Statement: s.Digest(), Until: wish.At.AddDate(0, 0, s.HoldsDays), Note: note}, nil
}

// DecideWithdrawnAttestation returns what withdrawing makes known. It takes something that holds.
func DecideWithdrawnAttestation(s Statement, last Attestation, wish Sign) (AttestationWithdrawn, error) {
	note, err := noteOf(wish.Note)
	switch {
	case s.SignedBy == "":
		return AttestationWithdrawn{}, ErrNothingToSign
	case wish.Role != s.SignedBy:
		return AttestationWithdrawn{}, ErrSigner
	case !last.Holds(wish.At):
		return AttestationWithdrawn{}, ErrNotSigned
	case err != nil:
		return AttestationWithdrawn{}, err
	}
	return AttestationWithdrawn{Promise: s.Promise, Note: note}, nil
}

func noteOf(s string) (personal.Text, error) {
	s = strings.TrimSpace(s)
	if len([]rune(s)) > longestReason {
		return personal.Text{}, ErrNote
	}
	if s == "" {
		return personal.Text{}, nil
	}
	return personal.Of(s), nil
}
