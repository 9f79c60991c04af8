// Package disclosure is one request for data from an authority or a partner: registered,
// approved by a second person, decided by the rules of sharing, and carried out or refused.
package disclosure

import (
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/personal"
)

// Requested says that somebody outside wants data.
type Requested struct {
	From      string        `json:"from"`     // "authority" or a recipient of the sharing data: "partner"
	Country   string        `json:"country"`  // ISO 3166-1 alpha-2
	Category  string        `json:"category"` // of data: "account"
	Fields    []string      `json:"fields"`
	Basis     string        `json:"basis"`   // "order", or a basis of the sharing data: "consent"
	Expires   time.Time     `json:"expires"` // of the order or the consent
	Reference personal.Text `json:"reference"`
	Text      personal.Text `json:"text"`
}

// Approved says that a member of staff, the fact's actor, approved it. The one who registered it does not count.
type Approved struct {
	Approvals int `json:"approvals"` // with this one
}

// Permitted says that the rules allow it; Refused that they, or a member of staff, do not.
type Permitted struct{}

// Refused says that nothing is given.
type Refused struct {
	Reasons []string `json:"reasons"`
}

// Made says that data was given: how many records of which category, sealed for its recipient.
type Made struct {
	Category  string        `json:"category"`
	Fields    []string      `json:"fields"`
	Count     int64         `json:"count"`
	Digest    string        `json:"digest"` // SHA-256 of the sealed export
	Recipient personal.Text `json:"recipient"`
}

// SubjectTold says that those whom it concerns were told; SubjectDeferred that an order forbids it until then.
type SubjectTold struct{}

// SubjectDeferred says until when an order forbids to tell those whom it concerns.
type SubjectDeferred struct {
	Until time.Time `json:"until"`
}

// The permanent names.
func (Requested) EventName() event.Name       { return "disclosure.requested.v1" }
func (Approved) EventName() event.Name        { return "disclosure.approved.v1" }
func (Permitted) EventName() event.Name       { return "disclosure.permitted.v1" }
func (Refused) EventName() event.Name         { return "disclosure.refused.v1" }
func (Made) EventName() event.Name            { return "disclosure.made.v1" }
func (SubjectTold) EventName() event.Name     { return "disclosure.subject_told.v1" }
func (SubjectDeferred) EventName() event.Name { return "disclosure.subject_deferred.v1" }

// Kinds lists the facts of this package for the registry.
func Kinds() []event.Kind {
	return []event.Kind{
		event.KindOf[Requested](), event.KindOf[Approved](), event.KindOf[Permitted](), event.KindOf[Refused](),
		event.KindOf[Made](), event.KindOf[SubjectTold](), event.KindOf[SubjectDeferred](),
	}
}

// Stream returns the stream of one disclosure.
func Stream(d id.Disclosure) event.Stream { return event.Stream("disclosure/" + string(d)) }

// Key returns the id of the key that seals everything about one disclosure.
func Key(d id.Disclosure) personal.KeyID { return personal.KeyID(Stream(d)) }
