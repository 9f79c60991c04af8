package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/system"
)

// What one append may hold: it is numbered whole, and published in at most two batches.
const (
	maxFacts = 500
	maxBytes = 2 << 20
)

// encoded is an append as Postgres gets it. Facts stand in the append's order, streams in
// the order in which they are locked.
type encoded struct {
	request  string
	at       time.Time
	order    []string // the streams, sorted
	expected []int64
	raised   []int64

	ids      []pgtype.UUID
	streams  []string
	versions []int64
	bodies   [][]byte

	restsOn   *int64 // the revision of the rules that its decisions rest on; nil: it has none
	activates *int64 // the revision that it puts in force; nil: none

	lock    []personal.KeyID // sealed under, and there before; sorted
	make    []personal.Key
	destroy []ending
	keys    keyring
}

// ending is a key that an append destroys.
type ending struct {
	id  personal.KeyID
	why string
}

func (e *encoded) touchesKeys() bool { return len(e.lock)+len(e.make)+len(e.destroy) > 0 }

// keyring are the keys of one append: those that it makes, and others as it needs them.
type keyring struct {
	vault Keys
	held  map[personal.KeyID]personal.Key
}

// Key implements [Keys].
func (k keyring) Key(ctx context.Context, key personal.KeyID) (personal.Key, error) {
	if held, ok := k.held[key]; ok {
		return held, nil
	}
	if k.vault == nil {
		return nil, personal.ErrNoKey
	}
	return k.vault.Key(ctx, key)
}

// encode makes the bytes of an append's facts, before any transaction.
func (l *Ledger) encode(ctx context.Context, a event.Append) (*encoded, error) {
	e := &encoded{
		request: string(a.Request),
		at:      a.At,
		make:    a.Make,
		keys:    keyring{vault: l.codec.keys, held: map[personal.KeyID]personal.Key{}},
	}
	for _, key := range a.Make {
		e.keys.held[key.ID()] = key
	}
	if err := checkAppend(a); err != nil {
		return nil, fmt.Errorf("ledger: an append that makes no sense: %w", err)
	}
	size := 0
	for _, part := range a.Parts {
		for i, pending := range part.Facts {
			body, err := l.encodeFact(ctx, e, a, part, int64(i+1), pending)
			if err != nil {
				return nil, err
			}
			if size += len(body); len(body) > MaxFact || size > maxBytes || len(e.bodies) > maxFacts {
				return nil, event.ErrTooLarge
			}
		}
	}
	if l.vault == nil && len(e.lock)+len(a.Make)+len(a.Destroy) > 0 {
		return nil, errors.New("ledger: this process has no vault, and the append needs keys")
	}
	slices.Sort(e.lock)
	e.orderStreams(a.Parts)
	e.destroy = endings(a)
	return e, nil
}

func (l *Ledger) encodeFact(ctx context.Context, e *encoded, a event.Append, part event.Part, n int64, p event.Pending) ([]byte, error) {
	env := event.Envelope{
		ID:       id.Fact(l.newID()),
		Stream:   part.Stream,
		Version:  part.Expected + n,
		At:       a.At,
		Actor:    a.Actor,
		Cause:    event.Cause{Fact: a.Cause, Request: a.Request},
		Decision: p.Decision,
		Fact:     p.Fact,
	}
	var key personal.Key
	if l.codec.seals(env) {
		var err error
		if key, err = e.sealUnder(ctx, personal.KeyID(part.Stream)); err != nil {
			return nil, fmt.Errorf("ledger: the key of %s: %w", part.Stream, err)
		}
	}
	body, err := l.codec.Encode(env, key)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	e.noteRules(p)
	var uuid pgtype.UUID
	if err := uuid.Scan(string(env.ID)); err != nil {
		return nil, fmt.Errorf("ledger: the id of a fact: %w", err)
	}
	e.ids = append(e.ids, uuid)
	e.streams = append(e.streams, string(env.Stream))
	e.versions = append(e.versions, env.Version)
	e.bodies = append(e.bodies, body)
	return body, nil
}

// sealUnder returns a key, and notes that it must be locked if it was there before.
func (e *encoded) sealUnder(ctx context.Context, name personal.KeyID) (personal.Key, error) {
	key, err := e.keys.Key(ctx, name)
	if err != nil {
		return nil, err
	}
	if _, held := e.keys.held[name]; !held {
		e.keys.held[name] = key
		e.lock = append(e.lock, name)
	}
	return key, nil
}

// orderStreams sorts the streams: appends that take several lock them in the same order.
func (e *encoded) orderStreams(parts []event.Part) {
	sorted := slices.SortedFunc(slices.Values(parts), func(a, b event.Part) int {
		return cmp.Compare(a.Stream, b.Stream)
	})
	for _, p := range sorted {
		e.order = append(e.order, string(p.Stream))
		e.expected = append(e.expected, p.Expected)
		e.raised = append(e.raised, p.Expected+int64(len(p.Facts)))
	}
}

// endings pairs the keys that an append destroys with the reasons that its facts give.
func endings(a event.Append) []ending {
	why := destroyed(a)
	keys := slices.Sorted(slices.Values(a.Destroy))
	found := make([]ending, len(keys))
	for i, key := range keys {
		found[i] = ending{id: key, why: why[key]}
	}
	return found
}

// destroyed lists the keys that an append's facts say are destroyed, and why.
func destroyed(a event.Append) map[personal.KeyID]string {
	why := map[personal.KeyID]string{}
	for _, part := range a.Parts {
		for _, p := range part.Facts {
			switch d := p.Fact.(type) {
			case system.KeyDestroyed:
				why[d.Key] = d.Why
			case system.KeyResurrectionFound:
				why[d.Key] = system.BecauseResurrected
			}
		}
	}
	return why
}

// checkAppend refuses what no use case may ask for.
func checkAppend(a event.Append) error {
	begun, seen := map[personal.KeyID]bool{}, map[event.Stream]bool{}
	for _, part := range a.Parts {
		switch {
		case len(part.Facts) == 0 || part.Expected < 0:
			return fmt.Errorf("nothing, or nowhere, to append to %s", part.Stream)
		case seen[part.Stream]:
			return fmt.Errorf("the stream %s stands twice", part.Stream)
		}
		seen[part.Stream] = true
		begun[personal.KeyID(part.Stream)] = part.Expected == 0
		for _, p := range part.Facts {
			if p.Fact == nil {
				return fmt.Errorf("a fact of %s is nil", part.Stream)
			}
		}
	}
	switch why := destroyed(a); {
	case len(seen) == 0:
		return errors.New("no facts")
	case a.At.IsZero():
		return errors.New("no time")
	case len(why) != len(a.Destroy):
		return errors.New("keys are destroyed by the append that records it, and by no other")
	default:
		for _, key := range a.Destroy {
			if _, recorded := why[key]; !recorded {
				return fmt.Errorf("the end of the key %s is not recorded", key)
			}
		}
	}
	for _, key := range a.Make {
		if !begun[key.ID()] {
			return fmt.Errorf("the key %s is made without the fact that begins its subject", key.ID())
		}
	}
	return nil
}
