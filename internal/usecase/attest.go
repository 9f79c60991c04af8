package usecase

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/domain/system"
)

// Attest is about promises that only people can know: an officer signs the exact words, for a time.
type Attest struct {
	Record   Record
	Vault    Vault
	Acts     Acts
	Promises policy.Catalogue
	Now      Now
}

// Attested is a promise that people sign for, and how it stands.
type Attested struct {
	system.Statement
	Last system.Attestation // zero if nobody ever signed
}

// Holds says that it was signed, and that this holds at a time, for the words that stand there now.
func (a Attested) Holds(now time.Time) bool { return a.Last.Holds(now) && a.Last.Current(a.Statement) }

// SignSoon is how long before its end a statement is said to end.
const SignSoon = policy.SignSoon

// Days returns how many whole days it still holds; 0 when it does not, or on its last day.
func (a Attested) Days(now time.Time) int {
	if !a.Holds(now) {
		return 0
	}
	return int(a.Last.Until.Sub(now) / (24 * time.Hour))
}

// Soon says that it holds, and not for much longer.
func (a Attested) Soon(now time.Time) bool {
	return a.Holds(now) && !now.Before(a.Last.Until.Add(-SignSoon))
}

// List returns every promise that people sign for, in the order of the catalogue.
func (a Attest) List(ctx context.Context) (all []Attested, err error) {
	for _, p := range a.Promises {
		if p.Kind != policy.Attested {
			continue
		}
		s := statementOf(p)
		history, err := a.history(ctx, s, a.Now())
		if err != nil {
			return nil, err
		}
		all = append(all, Attested{s, system.AttestationOf(history.facts, s.Promise)})
	}
	return all, nil
}

func statementOf(p policy.Promise) system.Statement {
	return system.Statement{Promise: string(p.ID), Words: p.Statement, SignedBy: event.Role(p.SignedBy), HoldsDays: p.HoldsDays}
}

// signed is what was signed about a promise, as far as it can still count.
type signed struct {
	facts []event.Envelope
	now   int // how many of them are in the stream of this year
}

func (a Attest) history(ctx context.Context, s system.Statement, now time.Time) (h signed, err error) {
	for _, year := range s.Years(now) {
		found, err := a.Record.Load(ctx, system.AttestationStream(s.Promise, year))
		if err != nil {
			return signed{}, fmt.Errorf("look what was signed about %s: %w", s.Promise, err)
		}
		h.facts, h.now = append(h.facts, found...), len(found)
	}
	return h, nil
}

// Sign records that an officer signed the words about a promise. seen is the digest of the words that they read.
func (a Attest) Sign(ctx context.Context, o Officer, promise policy.ID, seen string, looked bool, note string) error {
	return a.act(ctx, o, promise, system.Sign{Seen: seen, Looked: looked, Note: note},
		func(s system.Statement, _ system.Attestation, wish system.Sign) (event.Fact, error) {
			return system.DecideAttestation(s, wish)
		})
}

// Withdraw records that what was signed about a promise holds no longer.
func (a Attest) Withdraw(ctx context.Context, o Officer, promise policy.ID, note string) error {
	return a.act(ctx, o, promise, system.Sign{Note: note},
		func(s system.Statement, last system.Attestation, wish system.Sign) (event.Fact, error) {
			return system.DecideWithdrawnAttestation(s, last, wish)
		})
}

type decideSign func(s system.Statement, last system.Attestation, wish system.Sign) (event.Fact, error)

func (a Attest) act(ctx context.Context, o Officer, promise policy.ID, wish system.Sign, decide decideSign) error {
	p, ok := a.Promises.Promise(promise)
	if !ok || p.Kind != policy.Attested {
		return system.ErrNothingToSign
	}
	allowed, decision, err := a.Acts.Act(ctx, "attest", string(o.Role), !o.Name.IsEmpty(), false)
	if err != nil {
		return fmt.Errorf("ask who may sign: %w", err)
	}
	if !allowed {
		return system.ErrSigner
	}
	for range conflictRetries {
		err = a.record(ctx, o, statementOf(p), wish, decision, decide)
		if !errors.Is(err, event.ErrConflict) {
			return err
		}
	}
	return err
}

func (a Attest) record(ctx context.Context, o Officer, s system.Statement, wish system.Sign, decision event.Decision, decide decideSign) error {
	wish.Role, wish.At = o.Role, a.Now()
	before, err := a.history(ctx, s, wish.At)
	if err != nil {
		return err
	}
	fact, err := decide(s, system.AttestationOf(before.facts, s.Promise), wish)
	if err != nil {
		return err
	}
	add := event.Append{
		At:    wish.At,
		Actor: o.Actor(),
		Parts: []event.Part{{
			Stream: system.AttestationStream(s.Promise, wish.At), Expected: int64(before.now),
			Facts: []event.Pending{{Fact: fact, Decision: &decision}},
		}},
	}
	if before.now == 0 {
		key, err := a.Vault.New(system.AttestationKey(s.Promise, wish.At))
		if err != nil {
			return fmt.Errorf("make a key: %w", err)
		}
		add.Make = []personal.Key{key}
	}
	if _, err := a.Record.Append(ctx, add); err != nil {
		return fmt.Errorf("record what was signed: %w", err)
	}
	return nil
}
