package usecase

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/system"
)

// Endings is what the record knows of the ends of keys.
type Endings interface {
	// Destroyed returns, of these keys, the facts that say that they were destroyed.
	Destroyed(ctx context.Context, keys []personal.KeyID) ([]event.Envelope, error)
	// DestroyedIn returns, of the published facts after a seq up to another, those that say that
	// a key was destroyed. It may be asked by several at once.
	DestroyedIn(ctx context.Context, after, through int64) ([]event.Envelope, error)
	// Unheard returns those of the streams of which the record has no fact, nor will have from
	// what is queued.
	Unheard(ctx context.Context, streams []event.Stream) ([]event.Stream, error)
	// Published returns the highest seq that is published.
	Published(ctx context.Context) (int64, error)
}

// KeyStore is the vault as the comparison sees it.
type KeyStore interface {
	// LiveKeys lists live keys after a key, by id.
	LiveKeys(ctx context.Context, after personal.KeyID, limit int) ([]LiveKey, error)
	AliveKeys
	// Bury makes tombstones for those of the keys that it does not know at all, and returns how many.
	Bury(ctx context.Context, graves []Grave) (int, error)
	// EndForgotten destroys live keys that no fact tells of, and returns how many.
	EndForgotten(ctx context.Context, keys []personal.KeyID, why string) (int, error)
	// Compared returns up to which seq of the record the vault was compared; it is kept beside
	// the keys, so that it goes back with them when an old state is restored.
	Compared(ctx context.Context) (seq int64, err error)
	// SetCompared keeps it.
	SetCompared(ctx context.Context, seq int64) error
}

// LiveKey is a key that is not destroyed.
type LiveKey struct {
	ID  personal.KeyID
	Age time.Duration // by the store's own clock
}

// Grave is a key that the record has destroyed.
type Grave struct {
	ID  personal.KeyID
	At  time.Time
	Why string
}

// CompareKeys compares the vault with the record: a backup of the vault that came back must
// not bring a person back with it, and what is erased must read as erased.
type CompareKeys struct {
	Record  Record
	Endings Endings
	Keys    KeyStore
	Policy  KeyPolicy
	Now     Now
	Page    int64 // how many facts are looked at in one query; 5000 if zero
}

const (
	comparedAtOnce = 1000
	// endingsPage is few enough that Postgres walks along its indexes, some milliseconds each.
	endingsPage = 5000
	// pagesAtOnce are read side by side: a service that starts waits for it, with a million facts
	// after the return of a backup.
	pagesAtOnce = 4
	// forgottenAge is how old a live key without a fact must be. The fact and its key are one
	// transaction, so this is only to be far from every doubt.
	forgottenAge = time.Hour
	// Some uploads in flight may be displaced when Postgres was restored. If more keys than that
	// have no fact, it is the record that is missing: more than the few, and than the share.
	forgottenFew   = 100
	forgottenShare = 100    // one in so many
	forgottenMost  = 10_000 // at once
)

// because no fact tells of them.
const becauseForgotten = "record.displaced"

// Comparison is what a comparison found.
type Comparison struct {
	Live        int // keys that are alive
	Resurrected int // keys that were alive although destroyed; they are destroyed again
	Buried      int // destroyed keys that the vault did not know; they have their tombstones
	Forgotten   int // live keys without a fact; destroyed
	Doubtful    int // the same, but so many that it is rather the record that is not whole; not destroyed
	// Missing is how many facts fewer the record has than when it was last compared: not 0 means that it
	// has lost some.
	Missing int64
}

// Do compares once. It goes through the live keys page by page, and through what the record has
// destroyed since the last time.
func (c CompareKeys) Do(ctx context.Context) (Comparison, error) {
	var found Comparison
	published, err := c.newlyDestroyed(ctx, &found)
	if err != nil {
		return found, err
	}
	forgotten, all, err := c.live(ctx, &found)
	if err != nil {
		return found, err
	}
	// A record without a fact says nothing of any key: it may be another one than the vault's.
	if all > forgottenFew && all > found.Live/forgottenShare || found.Missing > 0 || published == 0 {
		found.Doubtful = all
		return found, nil
	}
	found.Forgotten, err = c.Keys.EndForgotten(ctx, forgotten, becauseForgotten)
	if err != nil {
		return found, fmt.Errorf("end keys without a fact: %w", err)
	}
	return found, nil
}

// newlyDestroyed looks at the facts that came after the last comparison: after a restored
// backup, at all since that backup. It returns how far the record went before.
func (c CompareKeys) newlyDestroyed(ctx context.Context, found *Comparison) (published int64, err error) {
	seq, err := c.Keys.Compared(ctx)
	if err != nil {
		return 0, fmt.Errorf("ask what was compared: %w", err)
	}
	published, err = c.Endings.Published(ctx)
	if err != nil {
		return 0, fmt.Errorf("ask how long the record is: %w", err)
	}
	if published < seq {
		found.Missing = seq - published
		return published, nil
	}
	for seq < published {
		end := min(seq+pagesAtOnce*cmp.Or(c.Page, endingsPage), published)
		facts, err := c.destroyedIn(ctx, seq, end)
		if err != nil {
			return 0, fmt.Errorf("list destroyed keys: %w", err)
		}
		if err := c.settle(ctx, facts, found); err != nil {
			return 0, err
		}
		if err := c.Keys.SetCompared(ctx, end); err != nil {
			return 0, fmt.Errorf("keep what was compared: %w", err)
		}
		seq = end
	}
	return published, nil
}

// destroyedIn asks for several pages at once.
func (c CompareKeys) destroyedIn(ctx context.Context, after, through int64) ([]event.Envelope, error) {
	var pages [pagesAtOnce][]event.Envelope
	var errs [pagesAtOnce]error
	size := cmp.Or(c.Page, endingsPage)
	var all sync.WaitGroup
	for i := range pages {
		all.Go(func() {
			from := after + int64(i)*size
			if from < through {
				pages[i], errs[i] = c.Endings.DestroyedIn(ctx, from, min(from+size, through))
			}
		})
	}
	all.Wait()
	return slices.Concat(pages[:]...), errors.Join(errs[:]...)
}

// settle has the vault agree with facts that say that keys were destroyed.
func (c CompareKeys) settle(ctx context.Context, facts []event.Envelope, found *Comparison) error {
	if len(facts) == 0 {
		return nil
	}
	graves := make([]Grave, len(facts))
	for i, env := range facts {
		d := env.Fact.(system.KeyDestroyed)
		graves[i] = Grave{ID: d.Key, At: env.At, Why: d.Why}
	}
	buried, err := c.Keys.Bury(ctx, graves)
	found.Buried += buried
	if err != nil {
		return fmt.Errorf("make tombstones: %w", err)
	}
	return c.destroyAgain(ctx, facts, found)
}

// destroyAgain ends those of the keys that are alive. None can be whose end the record has, unless
// it came back: the two are one transaction.
func (c CompareKeys) destroyAgain(ctx context.Context, facts []event.Envelope, found *Comparison) error {
	destroyed := make(map[personal.KeyID]event.Envelope, len(facts))
	keys := make([]personal.KeyID, len(facts))
	for i, env := range facts {
		keys[i] = env.Fact.(system.KeyDestroyed).Key
		destroyed[keys[i]] = env
	}
	alive, err := c.Keys.Alive(ctx, keys)
	if err != nil {
		return fmt.Errorf("ask which keys are alive: %w", err)
	}
	for chunk := range slices.Chunk(alive, keysAtOnce) {
		endings := make([]keyEnding, len(chunk))
		for i, key := range chunk {
			endings[i] = keyEnding{
				key: key, cause: destroyed[key].ID,
				pending: event.Pending{Fact: system.KeyResurrectionFound{Key: key}},
			}
		}
		// Their streams have facts already.
		if endings, err = lookAgain(ctx, c.Record, c.Keys, endings); err != nil {
			return err
		}
		again, err := endKeys(ctx, c.Record, c.Keys, c.Now(), endings)
		found.Resurrected += again
		if err != nil {
			return err
		}
	}
	return nil
}

// live goes through the live keys, whatever was compared before, and returns some of those
// that no fact tells of, and how many they all are.
func (c CompareKeys) live(ctx context.Context, found *Comparison) (forgotten []personal.KeyID, all int, err error) {
	var after personal.KeyID
	for {
		page, err := c.Keys.LiveKeys(ctx, after, comparedAtOnce)
		if err != nil {
			return nil, 0, fmt.Errorf("list live keys: %w", err)
		}
		if len(page) == 0 {
			return forgotten, all, nil
		}
		found.Live += len(page)
		after = page[len(page)-1].ID
		keys := make([]personal.KeyID, len(page))
		for i, k := range page {
			keys[i] = k.ID
		}
		facts, err := c.Endings.Destroyed(ctx, keys)
		if err == nil && len(facts) > 0 {
			err = c.destroyAgain(ctx, facts, found)
		}
		if err != nil {
			return nil, 0, fmt.Errorf("ask which keys are destroyed: %w", err)
		}
		some, err := c.withoutFact(ctx, page)
		if err != nil {
			return nil, 0, err
		}
		all += len(some)
		forgotten = append(forgotten, some[:min(len(some), forgottenMost-len(forgotten))]...)
	}
}

func (c CompareKeys) withoutFact(ctx context.Context, page []LiveKey) ([]personal.KeyID, error) {
	var streams []event.Stream
	kinds := map[string]Lifetime{} // few, and asking takes longer than all else here
	for _, k := range page {
		if k.Age < forgottenAge {
			continue
		}
		kind := system.KeyKind(k.ID)
		lifetime, asked := kinds[kind]
		if !asked {
			var err error
			lifetime, err = c.Policy.Lifetime(ctx, kind, c.Now())
			if err != nil && !errors.Is(err, ErrKeyKind) { // of an unknown kind: a newer release made it
				return nil, fmt.Errorf("ask for the lifetime of a key: %w", err)
			}
			kinds[kind] = lifetime
		}
		if lifetime.OwnStream {
			streams = append(streams, event.Stream(k.ID))
		}
	}
	if len(streams) == 0 {
		return nil, nil
	}
	unheard, err := c.Endings.Unheard(ctx, streams)
	if err != nil {
		return nil, fmt.Errorf("look for facts of live keys: %w", err)
	}
	keys := make([]personal.KeyID, len(unheard))
	for i, s := range unheard {
		keys[i] = personal.KeyID(s)
	}
	return keys, nil
}
