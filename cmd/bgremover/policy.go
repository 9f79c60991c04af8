package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/bgremover/bgremover/adapters/opa"
	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/policies"
	"github.com/bgremover/bgremover/projections/trail"
)

const (
	followEvery = 3 * time.Second
	fetchEvery  = time.Minute
	fetchSpread = 15 * time.Second // so that many services do not ask a bundle server at once
)

// rules are where this process has its rules from.
type rules struct {
	release usecase.RuleBundle
	keys    opa.Keys
	server  *opa.Server // nil: bundles are not fetched

	following sync.Mutex
	fetched   fetched
}

// fetched is what became of the last attempt to fetch a bundle.
type fetched struct {
	mu  sync.Mutex
	err error
	at  time.Time
}

// openPolicy finds out by which rules decisions are made, which the record says, and prepares them.
func (s *service) openPolicy(ctx context.Context) (err error) {
	if s.rules.release, err = opa.Release(policies.Bundle); err != nil {
		return err
	}
	if err := s.openBundles(); err != nil {
		return err
	}
	record := ledger.New(s.ground.pool, nil, ledger.Options{NewID: newID, Log: s.log})
	inForce, err := record.InForce(ctx)
	if err != nil {
		return err
	}
	own, _, _ := startWith(inForce, s.rules.release.Revision, s.mayActivate())
	files := fs.FS(policies.Bundle)
	if !own {
		if files, err = s.recorded(ctx, record, inForce); err != nil {
			return err
		}
	}
	s.policy, err = opa.New(ctx, opa.Config{Bundle: files, ImagePeriod: s.cfg.DeleteAfter})
	if err != nil && !own {
		return s.unfit(inForce, err)
	}
	return err
}

// mayActivate says whether this start puts newer rules in force without officers.
func (s *service) mayActivate() bool { return s.cfg.Rules.ActivateRelease || s.cfg.Listen.OnlyHere() }

// startWith decides about a start: whether it answers by its own rules, puts those in force, or stores them.
func startWith(inForce, release int64, mayActivate bool) (own, activate, store bool) {
	switch {
	case inForce == 0:
		return true, true, false
	case release > inForce && mayActivate:
		return true, true, false
	}
	return false, false, release > inForce
}

// unfit says what to do when the rules in force cannot answer all that this release asks.
func (s *service) unfit(inForce int64, why error) error {
	if release := s.rules.release.Revision; release > inForce {
		return fmt.Errorf("the rules in force, revision %d, do not fit this release: %w. Start the release before, store and activate a revision there that fits both; or start this one once with --activate-release-policy, which puts its own revision %d in force",
			inForce, why, release)
	}
	return fmt.Errorf("the rules in force, revision %d, do not fit this release, which carries none that are newer: %w. Start the release that these rules came with, or a later one", inForce, why)
}

// recorded returns the bundle in force, as the record has it.
func (s *service) recorded(ctx context.Context, record *ledger.Ledger, revision int64) (fs.FS, error) {
	stored, err := record.Bundle(ctx, policy.BundleStream(policy.RevisionName(revision)))
	if err != nil {
		return nil, fmt.Errorf("load the rules in force, revision %d: %w", revision, err)
	}
	if r := s.rules.release; revision == r.Revision && stored.Digest != r.Digest {
		s.log.WarnContext(ctx, "this release has other rules under the revision in force; those of the record hold. Raise the revision in policies/.manifest", "revision", revision)
	}
	b, err := opa.ReadArchive(stored.Archive)
	return b.Files(), err
}

// openBundles reads who may sign bundles, and where they are fetched.
func (s *service) openBundles() (err error) {
	if file := s.cfg.Rules.Keys; file != "" {
		content, err := os.ReadFile(file)
		if err == nil {
			s.rules.keys, err = opa.ReadKeys(content)
		}
		if err != nil {
			return fmt.Errorf("--policy-keys: %w", err)
		}
	}
	if address := s.cfg.Rules.URL; address != "" {
		if s.rules.server, err = opa.NewServer(address); err != nil {
			return fmt.Errorf("--policy-url: %w", err)
		}
	}
	return nil
}

// followPolicy has this process answer by the rules that the record has in force. A command that asks none follows none.
func (s *service) followPolicy(ctx context.Context) error {
	if s.policy == nil {
		return nil
	}
	s.rules.following.Lock()
	defer s.rules.following.Unlock()
	inForce, err := s.ledger.InForce(ctx)
	if err != nil || inForce == 0 || inForce == s.policy.Revision() {
		return err
	}
	stored, err := s.ledger.Bundle(ctx, policy.BundleStream(policy.RevisionName(inForce)))
	if err == nil {
		err = s.policy.PutInForce(ctx, stored.Archive)
	}
	if err != nil {
		return fmt.Errorf("put the rules of revision %d in force here: %w", inForce, err)
	}
	s.log.InfoContext(ctx, "other rules are in force", "revision", inForce, "digest", stored.Digest)
	return nil
}

// beginPolicy puts the release's rules in force, or stores them. What is in force is asked again: when this
// process opened the database, that may have been behind the record.
func (s *service) beginPolicy(ctx context.Context) error {
	inForce, err := s.ledger.InForce(ctx)
	if err != nil {
		return err
	}
	release := usecase.ActivateRelease{StoreBundle: s.storeBundle(), Release: s.rules.release}
	_, activate, store := startWith(inForce, s.rules.release.Revision, s.mayActivate())
	switch {
	case activate:
		err := release.Do(ctx)
		if inForce > 0 && errors.Is(err, policy.ErrOtherBundle) { // somebody stored theirs before this release came
			s.log.WarnContext(ctx, "the rules of this release are not put in force", "revision", s.rules.release.Revision, "in_force", inForce, "err", err)
			return s.followPolicy(ctx)
		}
		if errors.Is(err, policy.ErrOlder) { // another process was faster, with a newer release
			return s.followPolicy(ctx)
		}
		return err
	case store:
		stored, err := release.Store(ctx)
		if errors.Is(err, policy.ErrOlder) || errors.Is(err, policy.ErrOtherBundle) {
			s.log.WarnContext(ctx, "the rules of this release are not stored", "revision", s.rules.release.Revision, "err", err)
			return nil
		}
		if stored {
			s.log.WarnContext(ctx, "this release carries newer rules, which are not in force: simulate them, then an officer proposes and another approves them at /officer/policy",
				"revision", s.rules.release.Revision, "in_force", inForce)
		}
		return err
	}
	return s.followPolicy(ctx)
}

// inForce implements usecase.RulesInForce.
type inForce struct{ s *service }

func (r inForce) InForce(ctx context.Context) (int64, error) { return r.s.ledger.InForce(ctx) }
func (r inForce) Follow(ctx context.Context) error           { return r.s.followPolicy(ctx) }

// Fit asks by what is stored.
func (r inForce) Fit(ctx context.Context, revision int64) error {
	stored, err := r.s.ledger.Bundle(ctx, policy.BundleStream(policy.RevisionName(revision)))
	if err != nil {
		return fmt.Errorf("load the rules of revision %d: %w", revision, err)
	}
	return r.s.policy.Fit(ctx, stored.Archive)
}

func (s *service) storeBundle() usecase.StoreBundle {
	return usecase.StoreBundle{
		Record: s.ledger, Vault: s.vault, Bundles: opa.Bundles{Keys: s.rules.keys, Policy: s.policy}, Rules: inForce{s}, Now: s.milliseconds,
	}
}

// policyChores keep the rules in force here, and fetch new ones.
func (s *service) policyChores() []chore {
	all := []chore{{"follow the rules in force", followEvery, s.followPolicy}}
	if s.rules.server != nil {
		every := fetchEvery + rand.N(fetchSpread) //nolint:gosec // nobody gains by guessing it
		all = append(all, chore{"fetch the policy bundle", every, func(ctx context.Context) error { s.fetchPolicy(ctx); return nil }})
	}
	return all
}

// fetchPolicy asks the bundle server, and stores what is new. What is wrong is said when it
// changes, and shown by `bgremover policy` for as long as it lasts.
func (s *service) fetchPolicy(ctx context.Context) {
	archive, etag, err := s.rules.server.Fetch(ctx)
	var b usecase.RuleBundle
	var stored bool
	if err == nil && archive != nil {
		b, stored, err = s.storeBundle().Do(ctx, archive, event.Clock)
	}
	if ctx.Err() != nil {
		return
	}
	if err == nil && archive != nil {
		s.rules.server.Taken(etag)
	}
	if stored {
		s.log.WarnContext(ctx, "a policy bundle was fetched and stored; it waits for its activation", "revision", b.Revision, "signed_by", b.SignedBy)
	}
	if s.rules.fetched.changed(err, s.clock.Now()) && err != nil {
		s.log.ErrorContext(ctx, "no policy bundle can be taken from --policy-url; the rules in force stay", "err", err)
	}
}

// changed notes what became of an attempt, and says whether it is other than before.
func (f *fetched) changed(err error, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	same := (err == nil) == (f.err == nil) && (err == nil || err.Error() == f.err.Error())
	f.err, f.at = err, now
	return !same
}

func (f *fetched) last() (time.Time, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.at, f.err
}

// Streams implements usecase.StoredRules.
func (o office) Streams(ctx context.Context) (all []event.Stream, err error) {
	if err := o.CaughtUp(ctx); err != nil {
		return nil, err
	}
	for next := (trail.Filter{Type: (policy.BundleStored{}).EventName(), Oldest: true}); ; {
		page, err := o.List(ctx, next)
		if err != nil {
			return nil, err
		}
		for _, f := range page {
			all = append(all, f.Stream)
		}
		if len(page) < trail.Most {
			return all, nil
		}
		next.After = page[len(page)-1].Seq
	}
}

// policyDesk is what the operator's socket can ask and do about the rules.
func (s *service) policyDesk() operator.Policy {
	return operator.Policy{
		List: s.listRules(), Store: s.storeBundle(), Keys: slices.Sorted(maps.Keys(s.rules.keys)),
		Propose: usecase.ProposeFor{ProposeActivation: s.proposeActivation(), Staff: s.office()},
		Fetched: func() *operator.Fetched {
			if s.rules.server == nil {
				return nil
			}
			at, err := s.rules.fetched.last()
			f := &operator.Fetched{At: at}
			if err != nil {
				f.Trouble = err.Error()
			}
			return f
		},
	}
}

func (s *service) listRules() usecase.ListRules {
	return usecase.ListRules{Record: s.ledger, Stored: s.office(), Rules: inForce{s}}
}

func (s *service) proposeActivation() usecase.ProposeActivation {
	return usecase.ProposeActivation{Record: s.ledger, Simulations: s.reports(), Acts: s.policy, Rules: inForce{s}, Now: s.milliseconds}
}

func (s *service) approveActivation() usecase.ApproveActivation {
	return usecase.ApproveActivation{Record: s.ledger, Simulations: s.reports(), Acts: s.policy, Rules: inForce{s}, Now: s.milliseconds}
}

// reports knows which revisions were tried on the record.
func (s *service) reports() usecase.SimulationReports {
	return usecase.SimulationReports{Record: s.ledger, Now: s.milliseconds}
}
