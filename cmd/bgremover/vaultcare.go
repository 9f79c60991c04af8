package main

import (
	"context"
	"errors"
	"time"

	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/internal/usecase"
)

const (
	compareEvery = time.Hour
	compareAgain = time.Second // after a failure: until it has been compared, the vault gives no keys
	holdEvery    = 30 * time.Second
	endKeysEvery = time.Minute
	tendEvery    = time.Hour
)

// errNotCompared says why the service is not ready yet.
var errNotCompared = errors.New("the vault has not been compared with the record yet")

// vaultCompared says whether the vault gives keys.
func (s *service) vaultCompared() error {
	select {
	case <-s.compared:
		return nil
	default:
		return errNotCompared
	}
}

// afterComparison does something once the vault gives keys, if that comes before ctx ends.
func (s *service) afterComparison(ctx context.Context, do func()) {
	select {
	case <-s.compared:
		do()
	case <-ctx.Done():
	}
}

// compareVault compares the vault with the record, at the start and every hour from then on.
func (s *service) compareVault(ctx context.Context) {
	for {
		wait := compareEvery
		if err := s.compareOnce(ctx); err != nil {
			wait = compareAgain
			if ctx.Err() == nil && s.recordWorks(ctx) == nil { // what the record lacks is said elsewhere
				s.log.ErrorContext(ctx, "the vault could not be compared with the record and is tried again", "in", wait, "err", err)
			}
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

// compareOnce waits for nothing: before the record works, it cannot be compared with.
func (s *service) compareOnce(ctx context.Context) error {
	if err := s.recordWorks(ctx); err != nil {
		return err
	}
	found, err := s.uses.compareKeys.Do(ctx)
	s.sayFound(ctx, found)
	if err != nil {
		return err
	}
	if s.vaultCompared() != nil { // the first time; nobody else closes it
		s.vault.Release()
		close(s.compared)
	}
	return nil
}

func (s *service) sayFound(ctx context.Context, found usecase.Comparison) {
	s.metrics.Vault(found.Live, found.Resurrected, found.Doubtful, found.Missing)
	if found.Resurrected > 0 {
		s.log.ErrorContext(ctx, "ALARM: the vault held keys that the record has destroyed, as after the return of a backup; they are destroyed again, and the record says so",
			"keys", found.Resurrected)
	}
	if found.Missing > 0 {
		s.log.ErrorContext(ctx, "ALARM: the record ends before what the vault was compared with: it has lost facts, or another vault was restored; find out which, with bgremover log verify",
			"missing", found.Missing)
	}
	if found.Doubtful > 0 {
		s.log.ErrorContext(ctx, "ALARM: so many live keys have no fact in the record that facts are missing rather than uploads were given up; no key was touched",
			"keys", found.Doubtful)
	}
	if found.Buried > 0 {
		s.log.WarnContext(ctx, "keys that the record has destroyed were unknown to the vault, as after the return of a backup, and have their tombstones now", "keys", found.Buried)
	}
	if found.Forgotten > 0 {
		s.log.WarnContext(ctx, "keys of uploads that never came into the record were destroyed", "keys", found.Forgotten)
	}
}

// vaultChores are what is done about keys by itself.
func (s *service) vaultChores() []chore {
	return []chore{
		{"end keys that are due", endKeysEvery, func(ctx context.Context) error {
			_, err := s.uses.endKeys.Do(ctx)
			return err
		}},
		{"tend key-encryption keys", tendEvery, s.vault.Tend},
	}
}

// letGo tells the other services that this one has ended.
func (s *service) letGo() error {
	const soon = 5 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	return s.vault.LetGo(ctx)
}

// vaultDesk is what the operator can ask and do about keys.
func (s *service) vaultDesk() operator.Vault {
	return operator.Vault{Status: s.vault.Status, Rotate: s.vault.Rotate}
}
