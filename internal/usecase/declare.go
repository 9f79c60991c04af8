package usecase

import (
	"context"
	"errors"
	"fmt"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/domain/system"
)

// What a start makes known to the record, each only when it is something new: where the servers
// are and which text is published (declare.go), and which model makes cutouts (declare_model.go).

// DeclareRegion records where the servers are, as the operator states it.
type DeclareRegion struct {
	Record Record
	Now    Now
}

// Do records the region unless it is the one that was declared last. An operator who states
// none has declared nothing.
func (d DeclareRegion) Do(ctx context.Context, region string) error {
	if region == "" {
		return nil
	}
	fact := system.RegionDeclared{Region: region}
	for range conflictRetries {
		before, err := d.Record.Load(ctx, system.RegionStream())
		if err != nil {
			return fmt.Errorf("look which region was declared: %w", err)
		}
		if n := len(before); n > 0 && before[n-1].Fact == fact {
			return nil
		}
		_, err = d.Record.Append(ctx, event.Append{
			At:    d.Now(),
			Actor: event.Actor{Role: event.Operator},
			Parts: []event.Part{{Stream: system.RegionStream(), Expected: int64(len(before)), Facts: []event.Pending{{Fact: fact}}}},
		})
		if errors.Is(err, event.ErrConflict) {
			continue
		}
		if err != nil {
			return fmt.Errorf("record the region: %w", err)
		}
		return nil
	}
	return event.ErrConflict
}

// PublishTexts records the versions of the policy that the record does not have yet.
type PublishTexts struct {
	Record Record
	Now    Now
}

// PublishedText is a version as the record knows it.
type PublishedText struct {
	policy.Published
	Seq int64 // its fact
}

// ErrTextChanged says that a text was changed under its version, or that the record knows later
// ones. People were shown something else than what stands in this release.
var ErrTextChanged = refusal.New(refusal.Conflict, "policy.text_changed",
	"The policy that this release shows is not the one that the record says was published.",
	"Run the release that published the newest version, or give the changed text a version and a date of its own.")

// Do records, in order, the versions behind the last one that the record has, and returns all that it has
// then. Versions are all there are, from 1 on. Nothing is recorded, and the error is [ErrTextChanged], when one
// of them is not what was published, or the record knows a later one.
func (p PublishTexts) Do(ctx context.Context, versions []policy.Published) ([]PublishedText, error) {
	for range conflictRetries {
		known, err := p.known(ctx)
		if err != nil {
			return nil, err
		}
		fresh, err := policy.DecidePublication(texts(known), versions)
		if err != nil {
			return known, fmt.Errorf("%w (%w)", ErrTextChanged, err)
		}
		if len(fresh) == 0 {
			return known, nil
		}
		facts := make([]event.Pending, len(fresh))
		for i, text := range fresh {
			facts[i].Fact = text
		}
		_, err = p.Record.Append(ctx, event.Append{
			At:    p.Now(),
			Actor: event.Actor{Role: event.Operator},
			Parts: []event.Part{{Stream: policy.TextStream(), Expected: int64(len(known)), Facts: facts}},
		})
		if err != nil && !errors.Is(err, event.ErrConflict) {
			return known, fmt.Errorf("record the policy's text: %w", err)
		}
	}
	return nil, event.ErrConflict
}

// known lists what the record has.
func (p PublishTexts) known(ctx context.Context) (all []PublishedText, err error) {
	before, err := p.Record.Load(ctx, policy.TextStream())
	if err != nil {
		return nil, fmt.Errorf("look which texts were published: %w", err)
	}
	for _, env := range before {
		text, ok := env.Fact.(policy.Published)
		if !ok {
			return nil, fmt.Errorf("the stream of the policy's texts holds %s", env.Fact.EventName())
		}
		all = append(all, PublishedText{text, env.Seq})
	}
	return all, nil
}

func texts(known []PublishedText) (all []policy.Published) {
	for _, one := range known {
		all = append(all, one.Published)
	}
	return all
}
