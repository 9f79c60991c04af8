package usecase

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/policy"
)

// StoredRules knows which revisions were ever stored.
type StoredRules interface {
	// Streams lists their streams, as far as the record goes when it is called.
	Streams(ctx context.Context) ([]event.Stream, error)
}

// ListRules says what there is of the rules.
type ListRules struct {
	Record Record
	Stored StoredRules
	Rules  RulesInForce
}

// RulesState is how far a revision has come.
type RulesState string

// The states, in their order.
const (
	RulesStored   RulesState = "stored"   // it waits for a simulation and a proposal
	RulesProposed RulesState = "proposed" // it waits for another officer's approval
	RulesInUse    RulesState = "in force"
	RulesReplaced RulesState = "replaced" // it was in force
	RulesPassed   RulesState = "passed over"
)

// Rules are a revision and what became of it. It names nobody.
type Rules struct {
	policy.Bundle

	State  RulesState
	Stored time.Time
	Since  time.Time // when its state began
	Seq    int64     // of that fact
}

// Do lists all revisions, the newest first.
func (l ListRules) Do(ctx context.Context) ([]Rules, error) {
	inForce, err := l.Rules.InForce(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask which rules are in force: %w", err)
	}
	streams, err := l.Stored.Streams(ctx)
	if err != nil {
		return nil, fmt.Errorf("list what was stored: %w", err)
	}
	all := make([]Rules, 0, len(streams))
	for _, stream := range streams {
		history, err := l.Record.Load(ctx, stream)
		if err != nil {
			return nil, fmt.Errorf("load a revision of the rules: %w", err)
		}
		if len(history) == 0 {
			continue
		}
		last := history[len(history)-1]
		r := Rules{Bundle: policy.BundleFromRecord(history), Stored: history[0].At, Since: last.At, Seq: last.Seq}
		r.State = stateOf(r.Bundle, inForce)
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b Rules) int { return cmp.Compare(b.Revision, a.Revision) })
	overtake(all)
	return all, nil
}

// overtake has the state of what was replaced or passed over begin with the activation that did it: that of the
// next higher revision that was ever in force.
func overtake(newestFirst []Rules) {
	var by Rules
	for i := range newestFirst {
		r := &newestFirst[i]
		whole := *r
		if by.Active && (r.State == RulesReplaced || r.State == RulesPassed) {
			r.Since, r.Seq = by.Since, by.Seq
		}
		if r.Active {
			by = whole // nothing follows an activation in its stream
		}
	}
}

func stateOf(b policy.Bundle, inForce int64) RulesState {
	switch {
	case b.Revision == inForce:
		return RulesInUse
	case b.Active:
		return RulesReplaced
	case b.Revision < inForce:
		return RulesPassed
	case b.Proposal != nil:
		return RulesProposed
	}
	return RulesStored
}
