package system

import (
	"strconv"
	"strings"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/refusal"
)

// ProjectionSkipped says that a view goes on behind a fact that it could not apply: what it
// shows lacks that fact, and so does every rebuild of it.
type ProjectionSkipped struct {
	View   string        `json:"view"`
	Seq    int64         `json:"seq"`
	Reason personal.Text `json:"reason"`
}

// ProjectionSkipWithdrawn says that a fact is skipped no longer, because a newer release can
// apply it: the next rebuild does.
type ProjectionSkipWithdrawn struct {
	View   string        `json:"view"`
	Seq    int64         `json:"seq"`
	Reason personal.Text `json:"reason"`
}

// ProjectionCertified says that a view and a rebuild of it were compared, resting on the
// same facts up to Seq, and were the same. Digest is over their rows.
type ProjectionCertified struct {
	View   string `json:"view"`
	Seq    int64  `json:"seq"`
	Digest string `json:"digest"` // SHA-256, in hexadecimal
}

// EventName implements [event.Fact].
func (ProjectionSkipped) EventName() event.Name { return "projection.skipped.v1" }

// EventName implements [event.Fact].
func (ProjectionSkipWithdrawn) EventName() event.Name { return "projection.skip_withdrawn.v1" }

// EventName implements [event.Fact].
func (ProjectionCertified) EventName() event.Name { return "projection.certified.v1" }

// ProjectionStream returns the stream of what was decided about one fact in one view; with
// seq 0, about the view as a whole.
func ProjectionStream(view string, seq int64) event.Stream {
	return event.DerivedStream("projection", view, strconv.FormatInt(seq, 10))
}

// ProjectionKey returns the id of the key that seals who skipped a fact, and why.
func ProjectionKey(view string, seq int64) personal.KeyID {
	return personal.KeyID(ProjectionStream(view, seq))
}

// Skip asks for a fact to be passed over by a view.
type Skip struct {
	View      string
	Seq       int64
	Reason    string
	StoppedAt int64 // the fact that the view is stopped at; 0 if it is not
}

// Refusals of a skip.
var (
	ErrNotStopped = refusal.New(refusal.Conflict, "projection.not_stopped",
		"The view does not stand at that fact, and nothing else can be skipped.", "bgremover projections shows which views are stopped, and at which facts.")
	ErrNoReason = refusal.New(refusal.Invalid, "projection.no_reason",
		"A fact is skipped for a reason, which becomes part of the record: at most 1000 characters.", `Say it with --because "…".`)
	ErrNotSkipped = refusal.New(refusal.Conflict, "projection.not_skipped",
		"The view does not skip that fact.", "bgremover log show --type projection.skipped.v1 lists what is skipped.")
	ErrSkippedBefore = refusal.New(refusal.Conflict, "projection.skipped_before",
		"This was recorded before, and the view has not gone on yet.", "Wait a few seconds and look at bgremover projections again.")
)

const longestReason = 1000

// DecideSkip decides about a skip, given what was decided about that fact in that view before.
func DecideSkip(before []event.Envelope, s Skip) (ProjectionSkipped, error) {
	reason, err := reasonOf(s.Reason)
	switch {
	case err != nil:
		return ProjectionSkipped{}, err
	case IsSkipped(before, s.View, s.Seq):
		return ProjectionSkipped{}, ErrSkippedBefore
	case s.Seq < 1 || s.StoppedAt != s.Seq:
		return ProjectionSkipped{}, ErrNotStopped
	}
	return ProjectionSkipped{View: s.View, Seq: s.Seq, Reason: reason}, nil
}

// DecideWithdrawal decides about taking a skip back, given what was decided about that fact
// in that view before. Where the view is stopped does not matter.
func DecideWithdrawal(before []event.Envelope, s Skip) (ProjectionSkipWithdrawn, error) {
	reason, err := reasonOf(s.Reason)
	switch {
	case err != nil:
		return ProjectionSkipWithdrawn{}, err
	case !IsSkipped(before, s.View, s.Seq):
		return ProjectionSkipWithdrawn{}, ErrNotSkipped
	}
	return ProjectionSkipWithdrawn{View: s.View, Seq: s.Seq, Reason: reason}, nil
}

func reasonOf(s string) (personal.Text, error) {
	s = strings.TrimSpace(s)
	if s == "" || len([]rune(s)) > longestReason {
		return personal.Text{}, ErrNoReason
	}
	return personal.Of(s), nil
}

// IsSkipped says whether the facts of a stream have a view pass over a fact: the last word counts.
func IsSkipped(facts []event.Envelope, view string, seq int64) bool {
	skipped := false
	for _, env := range facts {
		switch e := env.Fact.(type) {
		case ProjectionSkipped:
			skipped = skipped || e.View == view && e.Seq == seq
		case ProjectionSkipWithdrawn:
			skipped = skipped && (e.View != view || e.Seq != seq)
		}
	}
	return skipped
}
