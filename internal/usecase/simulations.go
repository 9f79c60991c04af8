package usecase

import (
	"context"
	"errors"
	"fmt"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/policy"
)

// SimulationReports keeps in the record that rules were tried on it.
type SimulationReports struct {
	Record Record
	Now    Now
}

var _ Simulations = SimulationReports{}

// Keep records the digest of a report. The same report again is not recorded again.
func (s SimulationReports) Keep(ctx context.Context, fact policy.Simulated, by event.Role) error {
	stream := policy.SimulationStream(policy.RevisionName(fact.Revision))
	for range conflictRetries {
		before, err := s.Record.Load(ctx, stream)
		if err != nil {
			return fmt.Errorf("look for earlier simulations: %w", err)
		}
		for _, env := range before {
			if env.Fact == fact {
				return nil
			}
		}
		_, err = s.Record.Append(ctx, event.Append{
			At:    s.Now(),
			Actor: event.Actor{Role: by},
			Parts: []event.Part{{Stream: stream, Expected: int64(len(before)), Facts: []event.Pending{{Fact: fact}}}},
		})
		if errors.Is(err, event.ErrConflict) {
			continue
		}
		if err != nil {
			return fmt.Errorf("record a simulation: %w", err)
		}
		return nil
	}
	return event.ErrConflict
}

// Known implements [Simulations]. A report counts if it is of the very bundle that was stored as this revision,
// over the record from its beginning.
func (s SimulationReports) Known(ctx context.Context, digest string, revision int64) (bool, error) {
	stored, err := loadBundle(ctx, s.Record, revision)
	if err != nil || !stored.Stored() {
		return false, err
	}
	history, err := s.Record.Load(ctx, policy.SimulationStream(policy.RevisionName(revision)))
	if err != nil {
		return false, fmt.Errorf("load simulations: %w", err)
	}
	for _, env := range history {
		if f, ok := env.Fact.(policy.Simulated); ok && f.Report == digest && f.Digest == stored.Digest && f.From == 1 {
			return true, nil
		}
	}
	return false, nil
}
