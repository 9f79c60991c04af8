package usecase

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/domain/system"
)

// ErrKeyKind refuses a key of a kind for which no rule says how long it lives.
var ErrKeyKind = refusal.New(refusal.Forbidden, "vault.kind_unknown",
	"There is no rule that says how long data of this kind is kept, so none is taken.",
	"Add the kind to policies/data/lifetimes.json, with the law or the promise that its period comes from.")

// KeyPolicy is the policy about the lifetimes of keys. A kind is the first part of a key's id.
type KeyPolicy interface {
	// Lifetime answers how long a key of a kind lives that is made at a time, or [ErrKeyKind].
	Lifetime(ctx context.Context, kind string, made time.Time) (Lifetime, error)
	// KeyDue answers whether a key that was due by its lifetime is destroyed now.
	KeyDue(ctx context.Context, kind string, due, now time.Time) (destroyNow bool, d event.Decision, err error)
	// WrappingDue answers whether a key-encryption key that another has replaced is destroyed now.
	WrappingDue(ctx context.Context, retired, now time.Time) (destroyNow bool, err error)
}

// Lifetime is what the policy says of a kind of key.
type Lifetime struct {
	Due       time.Time // when it is destroyed by itself; zero: a fact ends it
	OwnStream bool      // a stream of the record has the key's name
}

// DueKey is a key whose time has come.
type DueKey struct {
	ID   personal.KeyID
	Kind string
	Due  time.Time
}

// DueKeys lists keys whose time has come.
type DueKeys interface {
	// DueKeys lists live keys that are due at a time, the earliest first, but for those of some kinds.
	DueKeys(ctx context.Context, now time.Time, limit int, but ...string) ([]DueKey, error)
	AliveKeys
}

// AliveKeys says what has become of keys.
type AliveKeys interface {
	// Alive returns those of the keys that are alive, by id.
	Alive(ctx context.Context, keys []personal.KeyID) ([]personal.KeyID, error)
}

// EndKeys destroys keys whose time has come, each with the fact that says so. Several
// processes may do it at once.
type EndKeys struct {
	Record Record
	Keys   DueKeys
	Policy KeyPolicy
	// Sure says whether the clock can be believed: a key that ends by mistake never comes back. Nil: it can.
	Sure func(ctx context.Context) (bool, error)
	// Held returns the kinds of keys whose end a legal hold stops; nil: none is.
	Held func(ctx context.Context) ([]string, error)
	Now  Now
}

// keysAtOnce is how many keys one append ends.
const keysAtOnce = 100

// Do destroys what is due now and returns how many keys it destroyed.
func (e EndKeys) Do(ctx context.Context) (destroyed int, err error) {
	if e.Sure != nil {
		if sure, err := e.Sure(ctx); err != nil || !sure {
			return 0, err
		}
	}
	var held []string
	if e.Held != nil {
		if held, err = e.Held(ctx); err != nil {
			return 0, fmt.Errorf("ask which keys are held: %w", err)
		}
	}
	for {
		now := e.Now()
		due, err := e.Keys.DueKeys(ctx, now, keysAtOnce, held...)
		if err != nil {
			return destroyed, fmt.Errorf("list due keys: %w", err)
		}
		endings, err := e.decide(ctx, due, now)
		if err != nil {
			return destroyed, err
		}
		n, err := endKeys(ctx, e.Record, e.Keys, now, endings)
		destroyed += n
		if err != nil || n < keysAtOnce { // a full page that was destroyed has another behind it
			return destroyed, err
		}
	}
}

func (e EndKeys) decide(ctx context.Context, due []DueKey, now time.Time) (endings []keyEnding, err error) {
	for _, k := range due {
		destroyNow, decision, err := e.Policy.KeyDue(ctx, k.Kind, k.Due, now)
		if err != nil {
			return nil, fmt.Errorf("ask whether a key ends: %w", err)
		}
		if destroyNow {
			endings = append(endings, keyEnding{key: k.ID, pending: event.Pending{
				Fact: system.KeyDestroyed{Key: k.ID, Why: "retention." + k.Kind}, Decision: &decision,
			}})
		}
	}
	return endings, nil
}

// keyEnding is the end of a key, and the fact that records it in the stream of the key's facts.
type keyEnding struct {
	key     personal.KeyID
	pending event.Pending
	cause   id.Fact
	version int64 // of the key's stream, as far as it is known
}

// endKeys destroys keys and records it, all of them in one append. When somebody was faster
// with one of them, each is tried alone. It returns how many it destroyed.
func endKeys(ctx context.Context, record Record, keys AliveKeys, at time.Time, endings []keyEnding) (destroyed int, err error) {
	if len(endings) == 0 {
		return 0, nil
	}
	err = appendEndings(ctx, record, at, endings...)
	if err == nil {
		return len(endings), nil
	}
	if !errors.Is(err, event.ErrConflict) {
		return 0, err
	}
	for _, ending := range endings {
		still, err := lookAgain(ctx, record, keys, []keyEnding{ending})
		if err == nil && len(still) > 0 {
			err = appendEndings(ctx, record, at, still...)
		}
		switch {
		case errors.Is(err, event.ErrConflict): // somebody was faster again
		case err != nil:
			return destroyed, err
		default:
			destroyed += len(still)
		}
	}
	return destroyed, nil
}

// lookAgain returns the endings of the keys that are still alive, with the versions of their
// streams. The version is read first: whoever ends the key in between, and records it, raises it, so that
// an append that rests on it is a conflict. Nothing is recorded twice.
func lookAgain(ctx context.Context, record Record, keys AliveKeys, endings []keyEnding) (still []keyEnding, err error) {
	ids := make([]personal.KeyID, len(endings))
	for i := range endings {
		ids[i] = endings[i].key
		history, err := record.Load(ctx, system.VaultStream(ids[i]))
		if err != nil {
			return nil, fmt.Errorf("load a key's facts: %w", err)
		}
		endings[i].version = int64(len(history))
	}
	alive, err := keys.Alive(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("ask which keys are alive: %w", err)
	}
	for _, ending := range endings {
		if slices.Contains(alive, ending.key) {
			still = append(still, ending)
		}
	}
	return still, nil
}

func appendEndings(ctx context.Context, record Record, at time.Time, endings ...keyEnding) error {
	a := event.Append{At: at, Actor: event.Actor{Role: event.Clock}}
	for _, ending := range endings {
		a.Cause = ending.cause
		a.Parts = append(a.Parts, event.Part{
			Stream: system.VaultStream(ending.key), Expected: ending.version, Facts: []event.Pending{ending.pending},
		})
		a.Destroy = append(a.Destroy, ending.key)
	}
	if len(endings) > 1 {
		a.Cause = "" // each follows from another
	}
	if _, err := record.Append(ctx, a); err != nil {
		return fmt.Errorf("record the end of keys: %w", err)
	}
	return nil
}

// VaultStatus is what a vault holds, for its operator.
type VaultStatus struct {
	Wrapping []WrappingKey `json:"wrapping"` // the oldest first
	Kinds    []KeyKind     `json:"kinds"`
	Secrets  int64         `json:"secrets"`  // of the service
	Compared int64         `json:"compared"` // up to which fact it was compared with the record
}

// WrappingKey is a key-encryption key. Times that have not come are zero.
type WrappingKey struct {
	ID        int64     `json:"id"`
	Made      time.Time `json:"made"`
	Retired   time.Time `json:"retired,omitzero"`   // another took its place
	Destroyed time.Time `json:"destroyed,omitzero"` // nothing that it wrapped can be opened by anybody
	Wraps     int64     `json:"wraps"`              // live keys and secrets
}

// KeyKind counts the keys of a kind.
type KeyKind struct {
	Kind      string    `json:"kind"`
	Live      int64     `json:"live"`
	Destroyed int64     `json:"destroyed"`
	Due       time.Time `json:"due,omitzero"` // when the first live one ends by itself; zero: a fact ends them
}
