package system

import (
	"regexp"
	"slices"
	"strings"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/refusal"
)

// Hold is what the facts about one legal hold add up to. The zero value was never proposed.
type Hold struct {
	Kind   string
	Fields []string
	State  HoldState

	proposer personal.Text // of the hold; of its release once that is proposed
	ground   personal.Text // the same
	id       string
	version  int64
}

// HoldState is where a hold stands.
type HoldState string

// The states, in their order. A hold keeps data from placed on, until it is released.
const (
	HoldUnknown   HoldState = ""
	HoldAsked     HoldState = "proposed"
	HoldInForce   HoldState = "placed"
	HoldReleasing HoldState = "release proposed"
	HoldOver      HoldState = "released"
)

// Refusals about holds.
var (
	ErrHoldFields = refusal.New(refusal.Invalid, "hold.fields",
		"A hold names 1 to 20 fields, each in small letters and underscores.", `Name them as the retention data does, or "whole".`)
	ErrHoldGround = refusal.New(refusal.Invalid, "hold.ground",
		"A hold is placed and released on a ground, of at most 1000 characters.", "Say which law or order demands it, or that it no longer does.")
	ErrNoHold = refusal.New(refusal.Missing, "hold.unknown",
		"There is no such hold.", "Look at the list of holds.")
	ErrHoldState = refusal.New(refusal.Conflict, "hold.state",
		"This hold does not wait for that.", "Look at where it stands now, then decide.")
	ErrHoldSamePerson = refusal.New(refusal.Forbidden, "hold.same_person",
		"Whoever proposes this cannot approve it.", "Ask a colleague to approve it.")
)

// HoldFromRecord replays the stream of a hold, oldest first.
func HoldFromRecord(history []event.Envelope) (h Hold) {
	for _, env := range history {
		switch f := env.Fact.(type) {
		case HoldProposed:
			h.id, h.Kind, h.Fields, h.State = f.Hold, f.Kind, f.Fields, HoldAsked
			h.proposer, h.ground = env.Actor.Who, f.Ground
		case HoldPlaced:
			h.State = HoldInForce
		case HoldReleaseProposed:
			h.State, h.proposer, h.ground = HoldReleasing, env.Actor.Who, f.Ground
		case HoldReleased:
			h.State = HoldOver
		}
		h.version = env.Version
	}
	return h
}

// Version is how many facts this state rests on: what an append must expect.
func (h Hold) Version() int64 { return h.version }

var fieldName = regexp.MustCompile(`^[a-z_]{1,40}$`)

const mostFields = 20

// DecideProposeHold returns the fact that follows from the wish that fields of a kind are kept.
func DecideProposeHold(hold, kind string, fields []string, ground string) (HoldProposed, error) {
	unfit := func(f string) bool { return !fieldName.MatchString(f) }
	if len(fields) < 1 || len(fields) > mostFields || slices.ContainsFunc(fields, unfit) {
		return HoldProposed{}, ErrHoldFields
	}
	why, err := groundOf(ground)
	if err != nil {
		return HoldProposed{}, err
	}
	return HoldProposed{Hold: hold, Kind: kind, Fields: slices.Compact(slices.Sorted(slices.Values(fields))), Ground: why}, nil
}

// DecidePlaceHold returns the fact that follows when another member of staff approves a proposal.
func DecidePlaceHold(h Hold, by personal.Text) (HoldPlaced, error) {
	if err := h.mayApprove(HoldAsked, by); err != nil {
		return HoldPlaced{}, err
	}
	return HoldPlaced{Hold: h.id, Kind: h.Kind, Fields: h.Fields, Ground: h.ground}, nil
}

// DecideProposeRelease returns the fact that follows from the wish that a hold ends. A newer proposal takes the place of
// an older one.
func DecideProposeRelease(h Hold, ground string) (HoldReleaseProposed, error) {
	switch h.State {
	case HoldUnknown:
		return HoldReleaseProposed{}, ErrNoHold
	case HoldAsked, HoldOver:
		return HoldReleaseProposed{}, ErrHoldState
	case HoldInForce, HoldReleasing:
	}
	why, err := groundOf(ground)
	if err != nil {
		return HoldReleaseProposed{}, err
	}
	return HoldReleaseProposed{Hold: h.id, Ground: why}, nil
}

// DecideReleaseHold returns the fact that follows when another member of staff approves the release.
func DecideReleaseHold(h Hold, by personal.Text) (HoldReleased, error) {
	if err := h.mayApprove(HoldReleasing, by); err != nil {
		return HoldReleased{}, err
	}
	return HoldReleased{Hold: h.id, Ground: h.ground}, nil
}

// mayApprove says whether a hold waits for an approval, and whether by somebody like this: a second person
// can only be told when the first is known.
func (h Hold) mayApprove(state HoldState, by personal.Text) error {
	switch {
	case h.State == HoldUnknown:
		return ErrNoHold
	case h.State != state:
		return ErrHoldState
	case by.IsEmpty() || h.proposer.IsEmpty() || h.proposer.IsErased() || h.proposer.IsSealed() || by == h.proposer:
		return ErrHoldSamePerson
	}
	return nil
}

func groundOf(s string) (personal.Text, error) {
	s = strings.TrimSpace(s)
	if s == "" || len([]rune(s)) > longestReason {
		return personal.Text{}, ErrHoldGround
	}
	return personal.Of(s), nil
}
