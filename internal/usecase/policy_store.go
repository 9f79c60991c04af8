package usecase

import (
	"context"
	"errors"
	"fmt"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/policy"
)

// RuleBundle is a revision of the rules, as it was checked.
type RuleBundle struct {
	Revision int64
	Digest   string
	SignedBy string // id of the key
	Archive  []byte
}

// Bundles reads bundles of rules.
type Bundles interface {
	// Read returns what an archive holds if somebody signed it whom the operator named, it compiles, and
	// it has all rules that the service asks; else a refusal.
	Read(ctx context.Context, archive []byte) (RuleBundle, error)
}

// RulesInForce knows which revision of the rules is in force.
type RulesInForce interface {
	// InForce returns it as the record has it; 0 if none was ever activated.
	InForce(ctx context.Context) (revision int64, err error)
	// Follow has this process answer by it.
	Follow(ctx context.Context) error
	// Fit is a refusal if this process could not answer by a stored revision, as this release asks and is set.
	Fit(ctx context.Context, revision int64) error
}

// StoreBundle keeps a revision of the rules in the record, where it waits for its activation.
type StoreBundle struct {
	Record  Record
	Vault   Vault
	Bundles Bundles
	Rules   RulesInForce
	Now     Now
}

// Do stores a signed archive on behalf of a role that is nobody: the operator, or the clock when it was fetched. stored is
// false if this very bundle is there already.
func (s StoreBundle) Do(ctx context.Context, archive []byte, by event.Role) (b RuleBundle, stored bool, err error) {
	if b, err = s.Bundles.Read(ctx, archive); err != nil {
		return RuleBundle{}, false, err
	}
	stored, err = s.keep(ctx, b, by)
	return b, stored, err
}

func (s StoreBundle) keep(ctx context.Context, b RuleBundle, by event.Role) (stored bool, err error) {
	for range conflictRetries {
		state, err := loadBundle(ctx, s.Record, b.Revision)
		if err != nil {
			return false, err
		}
		inForce, err := s.Rules.InForce(ctx)
		if err != nil {
			return false, fmt.Errorf("ask which rules are in force: %w", err)
		}
		fact, ok, err := policy.DecideStore(state, policy.Store{InForce: inForce, BundleStored: policy.BundleStored(b)})
		if err != nil || !ok {
			return false, err
		}
		key, err := s.Vault.New(policy.BundleKey(policy.RevisionName(b.Revision)))
		if err != nil {
			return false, fmt.Errorf("make a key: %w", err)
		}
		_, err = s.Record.Append(ctx, event.Append{
			At:    s.Now(),
			Actor: event.Actor{Role: by},
			Parts: []event.Part{{
				Stream: policy.BundleStream(policy.RevisionName(b.Revision)),
				Facts:  []event.Pending{{Fact: fact}},
			}},
			Make: []personal.Key{key}, // for those who will propose and approve it
		})
		if errors.Is(err, event.ErrConflict) {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("record a bundle: %w", err)
		}
		return true, nil
	}
	return false, event.ErrConflict
}

// loadBundle replays the facts about a revision.
func loadBundle(ctx context.Context, r Record, revision int64) (policy.Bundle, error) {
	history, err := r.Load(ctx, policy.BundleStream(policy.RevisionName(revision)))
	if err != nil {
		return policy.Bundle{}, fmt.Errorf("load a revision of the rules: %w", err)
	}
	return policy.BundleFromRecord(history), nil
}
