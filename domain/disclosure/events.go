package disclosure

import (
	"strings"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/personal"
)

// Event is a fact about one disclosure. The set is closed; linters check that every switch
// over it is complete.
//
//sumtype:decl
type Event interface {
	event.Fact
	aboutDisclosure()
}

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

// Scoped says what for, what exactly is looked for, and who asks and whose key seals the export. It comes
// with the request, so that whoever approves it approves all of that.
type Scoped struct {
	Purpose  string        `json:"purpose"`   // of the sharing data; "order" for authorities
	Sender   personal.Text `json:"sender"`    // by name
	Key      personal.Text `json:"key"`       // their public key: age1…
	Address  personal.Text `json:"address"`   // network address; empty for every one on those days
	FirstDay string        `json:"first_day"` // 2026-11-24, UTC; earlier releases left it empty for as far back as there is data
	LastDay  string        `json:"last_day"`  // inclusive
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

// SubjectUnreachable says that nobody can be told: what is held about those whom it concerns
// has no contact in it (GDPR article 14(5)(b)).
type SubjectUnreachable struct{}

// The permanent names.
func (Requested) EventName() event.Name       { return "disclosure.requested.v1" }
func (Scoped) EventName() event.Name          { return "disclosure.scoped.v1" }
func (Approved) EventName() event.Name        { return "disclosure.approved.v1" }
func (Permitted) EventName() event.Name       { return "disclosure.permitted.v1" }
func (Refused) EventName() event.Name         { return "disclosure.refused.v1" }
func (Made) EventName() event.Name            { return "disclosure.made.v1" }
func (SubjectTold) EventName() event.Name     { return "disclosure.subject_told.v1" }
func (SubjectDeferred) EventName() event.Name { return "disclosure.subject_deferred.v1" }
func (SubjectUnreachable) EventName() event.Name {
	return "disclosure.subject_unreachable.v1"
}

func (Requested) aboutDisclosure()          {}
func (Scoped) aboutDisclosure()             {}
func (Approved) aboutDisclosure()           {}
func (Permitted) aboutDisclosure()          {}
func (Refused) aboutDisclosure()            {}
func (Made) aboutDisclosure()               {}
func (SubjectTold) aboutDisclosure()        {}
func (SubjectDeferred) aboutDisclosure()    {}
func (SubjectUnreachable) aboutDisclosure() {}

// Kinds lists the facts of this package for the registry.
func Kinds() []event.Kind {
	return []event.Kind{
		event.KindOf[Requested](), event.KindOf[Scoped](), event.KindOf[Approved](), event.KindOf[Permitted](), event.KindOf[Refused](),
		event.KindOf[Made](), event.KindOf[SubjectTold](), event.KindOf[SubjectDeferred](),
		event.KindOf[SubjectUnreachable](),
	}
}

const streamPrefix = "disclosure/"

// Stream returns the stream of one disclosure.
func Stream(d id.Disclosure) event.Stream { return event.Stream(streamPrefix + string(d)) }

// Key returns the id of the key that seals everything about one disclosure.
func Key(d id.Disclosure) personal.KeyID { return personal.KeyID(Stream(d)) }

// OfStream returns the disclosure that a stream is about, if it is about one.
func OfStream(s event.Stream) (id.Disclosure, bool) {
	rest, ok := strings.CutPrefix(string(s), streamPrefix)
	if !ok {
		return "", false
	}
	return id.ParseDisclosure(rest)
}
