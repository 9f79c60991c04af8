package officer

import (
	"context"
	"slices"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/projections/trail"
)

// chain is what led to a fact, and what it led to.
type chain struct {
	Request    id.Request // that began it all; "" when it has no name
	Causes     []link     // the oldest first
	MoreCauses bool       // there are older ones, which are not listed
	Effects    []effect
	MoreEffect bool
}

// link is one fact in a chain.
type link struct {
	Seq     int64
	Type    event.Name
	Subject event.Stream
	At      time.Time
	Link    string
	Other   bool // it is about something else than the fact whose chain this is
}

// effect is a fact that followed, with those that followed from it.
type effect struct {
	link
	Led []effect
}

// chainOf asks for both directions.
func (p Pages) chainOf(ctx context.Context, f Fact) (chain, error) {
	if err := p.caughtUp(ctx); err != nil {
		return chain{}, err
	}
	causes, err := p.Record.Causes(ctx, f.ID)
	if err != nil {
		return chain{}, err
	}
	effects, err := p.Record.Effects(ctx, f.ID)
	if err != nil {
		return chain{}, err
	}
	shown := chain{
		Request:    f.Cause.Request,
		MoreCauses: len(causes) >= trail.MostCauses,
		MoreEffect: len(effects) >= trail.MostEffects,
		Effects:    treeOf(f.ID, f.Stream, effects),
	}
	for _, cause := range slices.Backward(causes) {
		shown.Causes = append(shown.Causes, linkOf(cause, f.Stream))
	}
	if n := len(causes); n > 0 && !shown.MoreCauses {
		shown.Request = causes[n-1].Request
	}
	return shown, nil
}

func linkOf(f trail.Fact, about event.Stream) link {
	return link{Seq: f.Seq, Type: f.Type, Subject: f.Stream, At: f.At, Link: factLink(f.Seq), Other: f.Stream != about}
}

// treeOf puts each effect below its cause. Effects stand in the record's order, so that a
// cause comes before what it led to. One whose cause was cut off stands at the top.
func treeOf(root id.Fact, about event.Stream, effects []trail.Fact) []effect {
	below := map[id.Fact][]trail.Fact{}
	known := map[id.Fact]bool{root: true}
	for _, e := range effects {
		cause := e.Cause
		if !known[cause] {
			cause = root
		}
		below[cause] = append(below[cause], e)
		known[e.ID] = true
	}
	var grow func(id.Fact) []effect
	grow = func(cause id.Fact) (all []effect) {
		for _, e := range below[cause] {
			all = append(all, effect{linkOf(e, about), grow(e.ID)})
		}
		return all
	}
	return grow(root)
}
