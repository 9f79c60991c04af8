package usecase

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/bgremover/bgremover/domain/personal"
)

// KeysByRules lists keys that are due as the vault has them, and those whose kind has a shorter period by now than
// when they were made: a period that became shorter holds at once for what is there.
type KeysByRules struct {
	Vault DueKeys
	Rules Limits
	// Kinds are the kinds of keys by the kinds of the retention data that end with them.
	Kinds map[string]string
	// Began lists what waits of a kind of the retention data that began up to a moment, the oldest first.
	Began func(ctx context.Context, kind string, upTo time.Time, limit int) ([]WaitingKey, error)
}

// Alive implements [AliveKeys].
func (k KeysByRules) Alive(ctx context.Context, keys []personal.KeyID) ([]personal.KeyID, error) {
	return k.Vault.Alive(ctx, keys)
}

// WaitingKey is a key whose end the schedule waits for.
type WaitingKey struct {
	Key     personal.KeyID
	Started time.Time
}

// DueKeys implements [DueKeys].
func (k KeysByRules) DueKeys(ctx context.Context, now time.Time, limit int, but ...string) ([]DueKey, error) {
	due, err := k.Vault.DueKeys(ctx, now, limit, but...)
	if err != nil {
		return nil, err
	}
	listed := map[personal.KeyID]bool{}
	for _, one := range due {
		listed[one.ID] = true
	}
	for kind, key := range k.Kinds {
		if len(due) >= limit || slices.Contains(but, key) {
			continue
		}
		upTo, err := LimitUpTo(ctx, k.Rules, kind, now)
		if err != nil {
			return nil, err
		}
		began, err := k.Began(ctx, kind, upTo, limit-len(due))
		if err != nil {
			return nil, fmt.Errorf("list what began of the kind %s: %w", kind, err)
		}
		for _, w := range began {
			if listed[w.Key] {
				continue
			}
			by, _, err := k.Rules.Limit(ctx, kind, w.Started, time.Time{})
			if err != nil {
				return nil, fmt.Errorf("ask for the limit of the kind %s: %w", kind, err)
			}
			due = append(due, DueKey{ID: w.Key, Kind: key, Due: by})
		}
	}
	return due, nil
}
