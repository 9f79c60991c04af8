package system_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/system"
)

// heldBy is the stream of a hold: each fact by whom.
func heldBy(facts ...any) (history []event.Envelope) {
	for i := 0; i < len(facts); i += 2 {
		who, _ := facts[i+1].(personal.Text)
		history = append(history, event.Envelope{
			Version: int64(len(history) + 1), Fact: facts[i].(event.Fact), Actor: event.Actor{Role: event.Officer, Who: who},
		})
	}
	return history
}

var (
	grace, ada = personal.Of("Grace Hopper"), personal.Of("Ada Lovelace")
	wish       = system.HoldProposed{Hold: "h", Kind: "technical", Fields: []string{"address"}, Ground: personal.Of("order 7")}
	placed     = system.HoldPlaced{Hold: "h", Kind: "technical", Fields: []string{"address"}, Ground: personal.Of("order 7")}
	lifted     = system.HoldReleaseProposed{Hold: "h", Ground: personal.Of("lifted")}
	released   = system.HoldReleased{Hold: "h", Ground: personal.Of("lifted")}
)

func TestHoldOfTwoPeople(t *testing.T) {
	tests := map[string]struct {
		given          []event.Envelope
		place, release error
		propose        error // of the release
		state          system.HoldState
	}{
		"unknown":               {nil, system.ErrNoHold, system.ErrNoHold, system.ErrNoHold, system.HoldUnknown},
		"proposed by another":   {heldBy(wish, grace), nil, system.ErrHoldState, system.ErrHoldState, system.HoldAsked},
		"proposed by oneself":   {heldBy(wish, ada), system.ErrHoldSamePerson, system.ErrHoldState, system.ErrHoldState, system.HoldAsked},
		"proposed by nobody":    {heldBy(wish, personal.Text{}), system.ErrHoldSamePerson, system.ErrHoldState, system.ErrHoldState, system.HoldAsked},
		"proposed by an erased": {heldBy(wish, personal.Erased), system.ErrHoldSamePerson, system.ErrHoldState, system.ErrHoldState, system.HoldAsked},
		"placed":                {heldBy(wish, grace, placed, ada), system.ErrHoldState, system.ErrHoldState, nil, system.HoldInForce},
		"release by another":    {heldBy(wish, grace, placed, ada, lifted, grace), system.ErrHoldState, nil, nil, system.HoldReleasing},
		"release by oneself":    {heldBy(wish, grace, placed, ada, lifted, ada), system.ErrHoldState, system.ErrHoldSamePerson, nil, system.HoldReleasing},
		"over":                  {heldBy(wish, grace, placed, ada, lifted, grace, released, ada), system.ErrHoldState, system.ErrHoldState, system.ErrHoldState, system.HoldOver},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := system.HoldFromRecord(tt.given)
			if h.State != tt.state || h.Version() != int64(len(tt.given)) {
				t.Errorf("stands as %q at version %d", h.State, h.Version())
			}
			fact, err := system.DecidePlaceHold(h, ada)
			if !errors.Is(err, tt.place) || err == nil && (fact.Hold != "h" || fact.Kind != "technical" || !slices.Equal(fact.Fields, wish.Fields) || fact.Ground != wish.Ground) {
				t.Errorf("placed as %+v, %v; want %v", fact, err, tt.place)
			}
			asked, err := system.DecideProposeRelease(h, " lifted ")
			if !errors.Is(err, tt.propose) || err == nil && asked != lifted {
				t.Errorf("release proposed as %+v, %v; want %v", asked, err, tt.propose)
			}
			over, err := system.DecideReleaseHold(h, ada)
			if !errors.Is(err, tt.release) || err == nil && over != released {
				t.Errorf("released as %+v, %v; want %v", over, err, tt.release)
			}
		})
	}
}

func TestDecideProposeHold(t *testing.T) {
	many := make([]string, 21)
	for i := range many {
		many[i] = "address"
	}
	tests := map[string]struct {
		fields []string
		ground string
		then   error
	}{
		"some fields":   {[]string{"agent", "address", "agent"}, "order 7", nil},
		"no field":      {nil, "order 7", system.ErrHoldFields},
		"a free text":   {[]string{"the address"}, "order 7", system.ErrHoldFields},
		"many fields":   {many, "order 7", system.ErrHoldFields},
		"no ground":     {[]string{"address"}, "  ", system.ErrHoldGround},
		"a long ground": {[]string{"address"}, strings.Repeat("ä", 1001), system.ErrHoldGround},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := system.DecideProposeHold("h", "technical", tt.fields, tt.ground)
			if !errors.Is(err, tt.then) || err == nil && (!slices.Equal(got.Fields, []string{"address", "agent"}) || got.Ground != personal.Of("order 7")) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}
