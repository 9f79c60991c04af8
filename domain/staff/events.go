package staff

import (
	"strings"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/personal"
)

// Event is a fact about one member of staff. The set is closed; linters check that every
// switch over it is complete.
//
//sumtype:decl
type Event interface {
	event.Fact
	aboutStaff()
}

// Invited says that a person may work here in a role. The newest invitation counts.
type Invited struct {
	Role event.Role    `json:"role"`
	Name personal.Text `json:"name"`
}

// SignedIn says that a member began a session, which ends at Until at the latest.
type SignedIn struct {
	Until time.Time `json:"until"`
}

// DataRead says that a member was shown personal data: of which category, for which purpose,
// about whom, and why, in the member's words.
type DataRead struct {
	Category string        `json:"category"` // of the access data: "disclosure"
	Purpose  string        `json:"purpose"`
	Subject  personal.Text `json:"subject"` // the stream that it stood in
	Reason   personal.Text `json:"reason"`
}

// The permanent names.
func (Invited) EventName() event.Name  { return InvitedName }
func (SignedIn) EventName() event.Name { return "staff.signed_in.v1" }
func (DataRead) EventName() event.Name { return "staff.data_read.v1" }

// InvitedName is the name of the fact with which every member's stream begins.
const InvitedName event.Name = "staff.invited.v1"

func (Invited) aboutStaff()  {}
func (SignedIn) aboutStaff() {}
func (DataRead) aboutStaff() {}

// Kinds lists the facts of this package for the registry.
func Kinds() []event.Kind {
	return []event.Kind{event.KindOf[Invited](), event.KindOf[SignedIn](), event.KindOf[DataRead]()}
}

const streamPrefix = "staff/"

// Stream returns the stream of a member's facts.
func Stream(m id.Member) event.Stream { return event.Stream(streamPrefix + string(m)) }

// Key returns the id of the key that seals everything about a member.
func Key(m id.Member) personal.KeyID { return personal.KeyID(Stream(m)) }

// OfStream returns the member that a stream is about, if it is about one.
func OfStream(s event.Stream) (id.Member, bool) {
	rest, ok := strings.CutPrefix(string(s), streamPrefix)
	if !ok {
		return "", false
	}
	return id.ParseMember(rest)
}
