package fake

import (
	"context"
	"fmt"
	"sync"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/personal"
)

// Record is a record in memory: every fact is published the moment it is appended.
type Record struct {
	// Vault, when set, makes and destroys the keys of appends.
	Vault *Vault
	// Refuse, when set, is asked before every append and can fail it.
	Refuse func(event.Append) error

	mu       sync.Mutex
	all      []event.Envelope
	streams  map[event.Stream][]event.Envelope
	requests map[id.Request][]event.Envelope
	changed  chan struct{} // closed and replaced by every append
}

// NewRecord returns an empty record over a vault, which may be nil.
func NewRecord(v *Vault) *Record {
	return &Record{
		Vault:    v,
		streams:  map[event.Stream][]event.Envelope{},
		requests: map[id.Request][]event.Envelope{},
		changed:  make(chan struct{}),
	}
}

// Load returns a stream's facts, their personal fields erased if the key is destroyed.
func (r *Record) Load(_ context.Context, stream event.Stream) ([]event.Envelope, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]event.Envelope(nil), r.streams[stream]...), nil
}

// All returns the whole record in order.
func (r *Record) All() []event.Envelope {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]event.Envelope(nil), r.all...)
}

// Append adds facts.
func (r *Record) Append(_ context.Context, a event.Append) (event.Appended, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Refuse != nil {
		if err := r.Refuse(a); err != nil {
			return event.Appended{}, err
		}
	}
	if first, seen := r.requests[a.Request]; seen && a.Request != "" {
		return event.Appended{Facts: first, Repeated: true}, nil
	}
	for _, p := range a.Parts {
		if int64(len(r.streams[p.Stream])) != p.Expected {
			return event.Appended{}, event.ErrConflict
		}
	}
	if err := r.changeKeys(a); err != nil {
		return event.Appended{}, err
	}
	var added []event.Envelope
	for _, p := range a.Parts {
		for _, f := range p.Facts {
			env := event.Envelope{
				ID:       id.Fact(fmt.Sprintf("00000000-0000-7000-8000-%012d", len(r.all)+1)),
				Seq:      int64(len(r.all) + 1),
				Stream:   p.Stream,
				Version:  int64(len(r.streams[p.Stream]) + 1),
				At:       a.At,
				Actor:    a.Actor,
				Cause:    event.Cause{Fact: a.Cause, Request: a.Request},
				Decision: f.Decision,
				Fact:     f.Fact,
			}
			r.all = append(r.all, env)
			r.streams[p.Stream] = append(r.streams[p.Stream], env)
			added = append(added, env)
		}
	}
	if a.Request != "" {
		r.requests[a.Request] = added
	}
	close(r.changed)
	r.changed = make(chan struct{})
	return event.Appended{Facts: added}, nil
}

func (r *Record) changeKeys(a event.Append) error {
	if r.Vault == nil {
		return nil
	}
	for _, key := range a.Destroy {
		if err := r.Vault.destroy(key); err != nil {
			return err
		}
	}
	for _, key := range a.Make {
		r.Vault.adopt(key)
	}
	return nil
}

// Await waits for facts of a stream after a version.
func (r *Record) Await(ctx context.Context, stream event.Stream, after int64) error {
	for {
		r.mu.Lock()
		there, changed := int64(len(r.streams[stream])) > after, r.changed
		r.mu.Unlock()
		if there {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Vault keeps keys in memory.
type Vault struct {
	mu   sync.Mutex
	keys map[personal.KeyID]personal.Key // nil is a tombstone
}

// NewVault returns an empty vault.
func NewVault() *Vault { return &Vault{keys: map[personal.KeyID]personal.Key{}} }

// New makes a key that nobody else can get before an append has made it.
func (v *Vault) New(key personal.KeyID) (personal.Key, error) { return newKey(key), nil }

// Key returns a live key.
func (v *Vault) Key(_ context.Context, key personal.KeyID) (personal.Key, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	k, there := v.keys[key]
	switch {
	case !there:
		return nil, personal.ErrNoKey
	case k == nil:
		return nil, personal.ErrDestroyed
	}
	return k, nil
}

func (v *Vault) adopt(key personal.Key) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.keys[key.ID()] = key
}

func (v *Vault) destroy(key personal.KeyID) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, there := v.keys[key]; !there {
		return personal.ErrNoKey
	}
	v.keys[key] = nil
	return nil
}
