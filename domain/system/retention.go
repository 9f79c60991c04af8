package system

import (
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
)

// RetentionPurged says that things of one kind are gone because their time had come. Due is
// when the first of them had to be gone, Actual when all were.
type RetentionPurged struct {
	Kind   string    `json:"kind"` // of the retention data: "analytics"
	Due    time.Time `json:"due"`
	Actual time.Time `json:"actual"`
	Count  int64     `json:"count"` // of rows, partitions, files or objects, as the kind has them
}

// RetentionStalled says that deletions are late, and by how much the oldest.
type RetentionStalled struct {
	Kind    string    `json:"kind"`
	Due     time.Time `json:"due"` // of the oldest
	Waiting int64     `json:"waiting"`
}

// RetentionResumed says that nothing of the kind is late any more.
type RetentionResumed struct {
	Kind string `json:"kind"`
}

// HoldProposed says that a member of staff, the fact's actor, wants fields of one kind kept. Nothing is kept by it yet.
type HoldProposed struct {
	Hold   string        `json:"hold"` // random
	Kind   string        `json:"kind"`
	Fields []string      `json:"fields"`
	Ground personal.Text `json:"ground"`
}

// HoldReleaseProposed says that a member of staff, the fact's actor, wants a hold to end. It goes on until then.
type HoldReleaseProposed struct {
	Hold   string        `json:"hold"`
	Ground personal.Text `json:"ground"`
}

// HoldPlaced says that fields of one kind are kept beyond their time because a law or an order
// demands it. It never concerns a picture.
type HoldPlaced struct {
	Hold   string        `json:"hold"` // random
	Kind   string        `json:"kind"`
	Fields []string      `json:"fields"`
	Ground personal.Text `json:"ground"`
}

// HoldReleased says that a hold is over.
type HoldReleased struct {
	Hold   string        `json:"hold"`
	Ground personal.Text `json:"ground"`
}

// ClockJumpNoticed says that the service's clock and the time that really passed do not agree: it
// went forward at once, or it is behind the record. Until somebody confirms the clock, nothing but
// pictures is deleted because of its time.
type ClockJumpNoticed struct {
	From time.Time `json:"from"` // what the clock would have to say; or the latest time that the record has
	To   time.Time `json:"to"`   // what it says
}

// ClockJumpConfirmed says that somebody looked at a clock that had jumped forward, and that it is right.
type ClockJumpConfirmed struct {
	From time.Time `json:"from"` // the latest time that the record had
	To   time.Time `json:"to"`
}

// EventName implements [event.Fact].
func (RetentionPurged) EventName() event.Name { return "retention.purged.v1" }

// EventName implements [event.Fact].
func (RetentionStalled) EventName() event.Name { return "retention.stalled.v1" }

// EventName implements [event.Fact].
func (RetentionResumed) EventName() event.Name { return "retention.resumed.v1" }

// EventName implements [event.Fact].
func (HoldProposed) EventName() event.Name { return "retention.hold_proposed.v1" }

// EventName implements [event.Fact].
func (HoldReleaseProposed) EventName() event.Name { return "retention.hold_release_proposed.v1" }

// EventName implements [event.Fact].
func (HoldPlaced) EventName() event.Name { return "retention.hold_placed.v1" }

// EventName implements [event.Fact].
func (HoldReleased) EventName() event.Name { return "retention.hold_released.v1" }

// EventName implements [event.Fact].
func (ClockJumpNoticed) EventName() event.Name { return "retention.clock_jump_noticed.v1" }

// EventName implements [event.Fact].
func (ClockJumpConfirmed) EventName() event.Name { return "retention.clock_jump_confirmed.v1" }

// RetentionStream returns the stream of a month's deletions of a kind.
func RetentionStream(kind string, at time.Time) event.Stream {
	return event.DerivedStream("retention", kind, at.UTC().Format("2006-01"))
}

// ClockStream returns the stream of the clock's jumps.
func ClockStream() event.Stream { return event.DerivedStream("retention", "clock") }

// StallStream returns the stream of when deletions of a kind were late.
func StallStream(kind string) event.Stream { return event.DerivedStream("retention", "late", kind) }

// HoldStream returns the stream of a hold.
func HoldStream(hold string) event.Stream { return event.DerivedStream("retention", "hold", hold) }

// HoldKey returns the id of the key that seals who placed a hold, and why.
func HoldKey(hold string) personal.KeyID { return personal.KeyID(HoldStream(hold)) }
