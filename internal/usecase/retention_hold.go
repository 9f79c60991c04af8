package usecase

import (
	"context"
	"errors"
	"fmt"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/domain/system"
)

// Refusals of a hold.
var (
	ErrNeverHeld = refusal.New(refusal.Forbidden, "hold.never",
		"No hold stops the deletion of this kind of data.", "A photo's life is never lengthened, nor that of what only serves the service.")
	ErrNotYourHold = refusal.New(refusal.Forbidden, "hold.not_yours",
		"Your role does not decide about this.", "An officer places holds, and the data protection officer releases them, each with a second person.")
)

// What members of staff do about holds, as the rules of access name it.
const (
	placeHold   = "place_hold"
	releaseHold = "release_hold"
)

// HoldDesk places and releases legal holds: one member of staff proposes, another approves.
type HoldDesk struct {
	Record  Record
	Vault   Vault
	Rules   Limits
	Acts    Acts
	Now     Now
	NewHold func() string // a random id
}

// Propose records the wish that fields of a kind are kept, and returns the hold's id.
func (d HoldDesk) Propose(ctx context.Context, o Officer, kind string, fields []string, ground string) (string, error) {
	may, decision, err := d.Rules.Hold(ctx, kind)
	if _, refused := refusal.As(err); refused || err == nil && !may {
		return "", errors.Join(ErrNeverHeld, err)
	}
	if err != nil {
		return "", fmt.Errorf("ask whether a hold may stop this: %w", err)
	}
	if _, err := d.may(ctx, o, placeHold); err != nil {
		return "", err
	}
	hold := d.NewHold()
	fact, err := system.DecideProposeHold(hold, kind, fields, ground)
	if err != nil {
		return "", err
	}
	key, err := d.Vault.New(system.HoldKey(hold))
	if err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	return hold, d.append(ctx, o, hold, 0, event.Pending{Fact: fact, Decision: &decision}, key)
}

// Place has a hold that another proposed keep what it names from now on.
func (d HoldDesk) Place(ctx context.Context, o Officer, hold string) error {
	return d.step(ctx, o, hold, func(h system.Hold) (event.Fact, error) { return system.DecidePlaceHold(h, o.Name) }, placeHold)
}

// ProposeRelease records the wish that a hold ends.
func (d HoldDesk) ProposeRelease(ctx context.Context, o Officer, hold, ground string) error {
	return d.step(ctx, o, hold, func(h system.Hold) (event.Fact, error) { return system.DecideProposeRelease(h, ground) }, placeHold, releaseHold)
}

// Release ends a hold whose release another proposed. What it kept goes when its time has come.
func (d HoldDesk) Release(ctx context.Context, o Officer, hold string) error {
	return d.step(ctx, o, hold, func(h system.Hold) (event.Fact, error) { return system.DecideReleaseHold(h, o.Name) }, releaseHold)
}

// step carries out one decision about a hold, by a member of staff whose role may do one of some acts.
func (d HoldDesk) step(ctx context.Context, o Officer, hold string, decide func(system.Hold) (event.Fact, error), acts ...string) error {
	history, err := d.Record.Load(ctx, system.HoldStream(hold))
	if err != nil {
		return fmt.Errorf("load a hold: %w", err)
	}
	state := system.HoldFromRecord(history)
	var decision event.Decision
	for _, act := range acts {
		if decision, err = d.may(ctx, o, act); err == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	fact, err := decide(state)
	if err != nil {
		return err
	}
	return d.append(ctx, o, hold, state.Version(), event.Pending{Fact: fact, Decision: &decision})
}

func (d HoldDesk) append(ctx context.Context, o Officer, hold string, expected int64, fact event.Pending, made ...personal.Key) error {
	_, err := d.Record.Append(ctx, event.Append{
		At: d.Now(), Actor: o.Actor(), Make: made,
		Parts: []event.Part{{Stream: system.HoldStream(hold), Expected: expected, Facts: []event.Pending{fact}}},
	})
	if err != nil {
		return fmt.Errorf("record a hold: %w", err) // also a conflict with a colleague who decides at this moment
	}
	return nil
}

// may asks whether a member of staff, together with another, may do this.
func (d HoldDesk) may(ctx context.Context, o Officer, act string) (event.Decision, error) {
	allowed, decision, err := d.Acts.Act(ctx, act, string(o.Role), !o.Name.IsEmpty(), true)
	if _, refused := refusal.As(err); refused || err == nil && !allowed { // or the data names nothing of this kind for the role
		return decision, errors.Join(ErrNotYourHold, err)
	}
	if err != nil {
		return decision, fmt.Errorf("ask what a member of staff may do: %w", err)
	}
	return decision, nil
}
