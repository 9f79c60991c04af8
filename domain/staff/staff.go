package staff

import (
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
)

// Member is what the facts so far add up to. The zero value is nobody.
type Member struct {
	role    event.Role
	name    personal.Text
	version int64
}

// FromRecord replays envelopes of a member's stream, oldest first. Facts of other kinds, written
// by a newer release, change nothing here but the version.
func FromRecord(history []event.Envelope) Member {
	var m Member
	for _, env := range history {
		if e, ok := env.Fact.(Event); ok {
			m = m.after(e)
		}
		m.version = env.Version
	}
	return m
}

func (m Member) after(e Event) Member {
	switch e := e.(type) {
	case Invited:
		m.role, m.name = e.Role, e.Name
	case SignedIn: // what it opened is not in the record
	case DataRead: // changes nothing about who they are
	}
	return m
}

// Version is how many facts this state rests on: what an append must expect.
func (m Member) Version() int64 { return m.version }

// Role returns the role of the newest invitation; "" for nobody.
func (m Member) Role() event.Role { return m.role }

// Name returns the member's name.
func (m Member) Name() personal.Text { return m.name }

// Works says that the member may act: invited, and not erased.
func (m Member) Works() bool { return m.role != "" && !m.name.IsErased() }

// Is says whether this is the working member of that name.
func (m Member) Is(name personal.Text) bool { return m.Works() && !name.IsEmpty() && m.name == name }

// Actor returns the member as who acts.
func (m Member) Actor() event.Actor { return event.Actor{Role: m.role, Who: m.name} }
