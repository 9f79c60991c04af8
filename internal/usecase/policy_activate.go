package usecase

import (
	"context"
	"errors"
	"fmt"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/domain/refusal"
)

// Simulations knows what was tried on the record.
type Simulations interface {
	// Known says whether there is a report with this digest of a simulation of this revision.
	Known(ctx context.Context, digest string, revision int64) (bool, error)
}

// ErrNotYours says that a member of staff may not put rules in force.
var ErrNotYours = refusal.New(refusal.Forbidden, "policy.not_yours",
	"Your role does not put rules in force.", "Ask an officer.")

// ProposeActivation proposes that a revision comes into force.
type ProposeActivation struct {
	Record      Record
	Simulations Simulations
	Acts        Acts
	Rules       RulesInForce
	Now         Now
}

// Do records the proposal of an officer. One that there was before counts no more.
func (p ProposeActivation) Do(ctx context.Context, o Officer, revision int64, simulation string) error {
	known, err := p.Simulations.Known(ctx, simulation, revision)
	if err != nil {
		return fmt.Errorf("look for a simulation: %w", err)
	}
	for range conflictRetries {
		err := p.once(ctx, o, revision, policy.Propose{Simulation: simulation, Known: known})
		if errors.Is(err, event.ErrConflict) {
			continue
		}
		return err
	}
	return event.ErrConflict
}

func (p ProposeActivation) once(ctx context.Context, o Officer, revision int64, wish policy.Propose) error {
	state, err := loadBundle(ctx, p.Record, revision)
	if err != nil {
		return err
	}
	if wish.InForce, err = p.Rules.InForce(ctx); err != nil {
		return fmt.Errorf("ask which rules are in force: %w", err)
	}
	fact, err := policy.DecidePropose(state, wish)
	if err != nil {
		return err
	}
	decision, err := mayActivate(ctx, p.Acts, o)
	if err != nil {
		return err
	}
	_, err = p.Record.Append(ctx, event.Append{
		At:    p.Now(),
		Actor: o.Actor(),
		Parts: []event.Part{bundlePart(state, event.Pending{Fact: fact, Decision: &decision})},
	})
	if err != nil {
		return fmt.Errorf("record a proposal: %w", err)
	}
	return nil
}

// ProposeFor is ProposeActivation by whoever runs the machine, in the name of an officer.
type ProposeFor struct {
	ProposeActivation

	Staff Staff
}

// Do records the proposal. The name must be one of [staff.NameOf].
func (p ProposeFor) Do(ctx context.Context, name personal.Text, revision int64, simulation string) error {
	known, err := membersNamed(ctx, p.Record, p.Staff, name)
	if err != nil {
		return err
	}
	if len(known) == 0 {
		return ErrStranger
	}
	m := known[0]
	return p.ProposeActivation.Do(ctx, Officer{Member: m.id, Name: m.state.Name(), Role: m.state.Role()}, revision, simulation)
}

// Acts answers what members of staff may do.
type Acts interface {
	// Act answers whether a named member of staff may do something, and whether with a second person.
	Act(ctx context.Context, action, role string, named, second bool) (allowed bool, d event.Decision, err error)
}

// mayActivate asks whether a member of staff, together with another, may put rules in force.
func mayActivate(ctx context.Context, acts Acts, o Officer) (event.Decision, error) {
	allowed, decision, err := acts.Act(ctx, "activate_policy", string(o.Role), !o.Name.IsEmpty(), true)
	if _, refused := refusal.As(err); refused { // the data names nothing of this kind for the role
		return decision, fmt.Errorf("%w (%w)", ErrNotYours, err)
	}
	if err != nil {
		return decision, fmt.Errorf("ask whether an officer may put rules in force: %w", err)
	}
	if !allowed {
		return decision, ErrNotYours
	}
	return decision, nil
}

// ApproveActivation puts a revision in force that another officer has proposed.
type ApproveActivation struct {
	Record      Record
	Simulations Simulations
	Acts        Acts
	Rules       RulesInForce
	Now         Now
}

// Do records that the revision is in force: decisions after this fact rest on it. simulation is that of the
// proposal that the officer has seen.
func (a ApproveActivation) Do(ctx context.Context, o Officer, revision int64, simulation string) error {
	known, err := a.Simulations.Known(ctx, simulation, revision)
	if err != nil {
		return fmt.Errorf("look for a simulation: %w", err)
	}
	if !known {
		return policy.ErrNotSimulated
	}
	for range conflictRetries {
		err := a.once(ctx, o, revision, simulation)
		if errors.Is(err, event.ErrConflict) {
			continue // something was proposed, or put in force, at this moment
		}
		return err
	}
	return event.ErrConflict
}

func (a ApproveActivation) once(ctx context.Context, o Officer, revision int64, simulation string) error {
	state, err := loadBundle(ctx, a.Record, revision)
	if err != nil {
		return err
	}
	inForce, err := a.Rules.InForce(ctx)
	if err != nil {
		return fmt.Errorf("ask which rules are in force: %w", err)
	}
	fact, err := policy.DecideApprove(state, policy.Approve{Simulation: simulation, By: o.Name, InForce: inForce})
	if err != nil {
		return err
	}
	decision, err := mayActivate(ctx, a.Acts, o)
	if err != nil {
		return err
	}
	// It did when it was stored; the release or its settings may be others by now, and a start with rules that do
	// not fit is none.
	if err := a.Rules.Fit(ctx, revision); err != nil {
		return err
	}
	_, err = a.Record.Append(ctx, event.Append{
		At:    a.Now(),
		Actor: o.Actor(),
		Parts: []event.Part{bundlePart(state, event.Pending{Fact: fact, Decision: &decision})},
	})
	if err != nil {
		return fmt.Errorf("record an activation: %w", err)
	}
	return a.Rules.Follow(ctx)
}

func bundlePart(state policy.Bundle, pending event.Pending) event.Part {
	return event.Part{
		Stream: policy.BundleStream(policy.RevisionName(state.Revision)), Expected: state.Version(), Facts: []event.Pending{pending},
	}
}

// ActivateRelease puts the rules in force that the release carries: the first that there are, or
// because the operator's configuration says so.
type ActivateRelease struct {
	StoreBundle

	Release RuleBundle
}

// Store keeps the release's bundle in the record. stored is false if it is there already.
func (a ActivateRelease) Store(ctx context.Context) (stored bool, err error) {
	return a.keep(ctx, a.Release, event.Operator)
}

// Do stores the bundle and puts it in force, unless it is.
func (a ActivateRelease) Do(ctx context.Context) error {
	if _, err := a.Store(ctx); err != nil {
		return err
	}
	for range conflictRetries {
		state, err := loadBundle(ctx, a.Record, a.Release.Revision)
		if err != nil {
			return err
		}
		if state.Active {
			return a.Rules.Follow(ctx)
		}
		inForce, err := a.Rules.InForce(ctx)
		if err != nil {
			return fmt.Errorf("ask which rules are in force: %w", err)
		}
		fact, err := policy.DecideRelease(state, inForce)
		if err != nil {
			return err
		}
		_, err = a.Record.Append(ctx, event.Append{
			At:    a.Now(),
			Actor: event.Actor{Role: event.Operator},
			Parts: []event.Part{bundlePart(state, event.Pending{Fact: fact})},
		})
		if errors.Is(err, event.ErrConflict) {
			continue // another process of this release does the same
		}
		if err != nil {
			return fmt.Errorf("record an activation: %w", err)
		}
		return a.Rules.Follow(ctx)
	}
	return event.ErrConflict
}
