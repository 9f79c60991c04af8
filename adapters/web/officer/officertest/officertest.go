// Package officertest is the record as the officers' pages see it, in memory: any list of facts,
// a real Merkle tree over them, and checkpoints that are really signed. It is for tests alone.
package officertest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/bgremover/bgremover/adapters/web/moment"
	"github.com/bgremover/bgremover/adapters/web/officer"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/staff"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/merkle"
	"github.com/bgremover/bgremover/projections/trail"
)

// Record implements [officer.Record].
type Record struct {
	all func() []event.Envelope
	now func() time.Time
	key merkle.SigningKey

	// Uncovered is how many of the newest facts no checkpoint covers yet.
	Uncovered atomic.Int64
	// Behind, when set, is what asking the view answers.
	Behind error
}

var _ officer.Record = (*Record)(nil)

// New returns the record of a list that only grows, in the order of its numbers.
func New(all func() []event.Envelope, now func() time.Time) *Record {
	key, err := merkle.NewSigningKey("log.example.org/test")
	if err != nil {
		panic(err) // the name is one
	}
	return &Record{all: all, now: now, key: key}
}

// CaughtUp implements [officer.Record].
func (r *Record) CaughtUp(context.Context) error { return r.Behind }

// List implements [officer.Record].
func (r *Record) List(_ context.Context, f trail.Filter) ([]trail.Fact, error) {
	found := r.where(func(e trail.Fact) bool {
		return (f.Type == "" || e.Type == f.Type) && (f.Subject == "" || e.Stream == f.Subject) &&
			(f.From.IsZero() || !e.At.Before(f.From)) && (f.To.IsZero() || e.At.Before(f.To)) &&
			(f.Before == 0 || e.Seq < f.Before) && e.Seq > f.After
	})
	if !f.Oldest {
		slices.Reverse(found)
	}
	return found[:min(f.Limit, len(found))], nil
}

// Causes implements [officer.Record].
func (r *Record) Causes(_ context.Context, fact id.Fact) (chain []trail.Fact, err error) {
	for {
		found := r.where(func(e trail.Fact) bool { return e.ID == fact })
		if len(found) == 0 || found[0].Cause == "" {
			return chain, nil
		}
		fact = found[0].Cause
		chain = append(chain, r.where(func(e trail.Fact) bool { return e.ID == fact })...)
	}
}

// Effects implements [officer.Record].
func (r *Record) Effects(_ context.Context, fact id.Fact) ([]trail.Fact, error) {
	from := map[id.Fact]bool{fact: true}
	return r.where(func(e trail.Fact) bool {
		follows := from[e.Cause]
		if follows {
			from[e.ID] = true
		}
		return follows
	}), nil
}

func (r *Record) where(wanted func(trail.Fact) bool) (found []trail.Fact) {
	for _, env := range r.all() {
		e := trail.Fact{
			Seq: env.Seq, ID: env.ID, Type: env.Fact.EventName(), Stream: env.Stream, Version: env.Version,
			At: env.At, Cause: env.Cause.Fact, Request: env.Cause.Request,
		}
		if wanted(e) {
			found = append(found, e)
		}
	}
	return found
}

// Place implements [officer.Record].
func (r *Record) Place(ctx context.Context, m moment.Moment) (int64, error) {
	return moment.Record{
		Published: func(context.Context) (int64, error) { return int64(len(r.all())), nil },
		LastBy: func(_ context.Context, t time.Time) (int64, error) {
			found := r.where(func(e trail.Fact) bool { return !e.At.After(t) })
			return int64(len(found)), nil
		},
		Now: r.now,
	}.Place(ctx, m)
}

// Facts implements [officer.Record].
func (r *Record) Facts(_ context.Context, seqs ...int64) (map[int64]event.Envelope, error) {
	all, found := r.all(), map[int64]event.Envelope{}
	for _, seq := range seqs {
		if seq >= 1 && seq <= int64(len(all)) {
			found[seq] = hide(all[seq-1], personal.Sealed)
		}
	}
	return found, nil
}

// Fact implements [officer.Record].
func (r *Record) Fact(_ context.Context, seq int64) (officer.Fact, error) {
	all := r.all()
	if seq < 1 || seq > int64(len(all)) {
		return officer.Fact{}, ledger.ErrNoFact
	}
	f, as := officer.Fact{Body: stored(all[seq-1])}, personal.Sealed
	for _, env := range all {
		if d, ok := env.Fact.(system.KeyDestroyed); ok && d.Key == personal.KeyID(all[seq-1].Stream) {
			f.Erased, as = env.Seq, personal.Erased
		}
	}
	f.Envelope = hide(all[seq-1], as)
	return f, nil
}

// hide closes the personal fields of a fact and of its decision.
func hide(env event.Envelope, as personal.Text) event.Envelope {
	if !env.Actor.Who.IsEmpty() {
		env.Actor.Who = as
	}
	if d := env.Decision; d != nil && len(d.Personal) > 0 {
		hidden := *d
		hidden.Sealed = as
		env.Decision = &hidden
	}
	switch f := env.Fact.(type) {
	case image.Uploaded:
		f.Owner, f.FileName = as, as
		env.Fact = f
	case staff.Invited:
		f.Name = as
		env.Fact = f
	}
	return env
}

// stored makes bytes of a fact that name it as the record's do.
func stored(env event.Envelope) []byte {
	body, err := json.Marshal(map[string]any{
		"id": env.ID, "type": env.Fact.EventName(), "subject": env.Stream, "time": env.At, "data": map[string]any{"fact": env.Fact},
	})
	if err != nil {
		panic(fmt.Errorf("encode a fact: %w", err)) // facts are JSON
	}
	return body
}

// Prove implements [officer.Record].
func (r *Record) Prove(ctx context.Context, seq int64) (officer.Proof, error) {
	var tree merkle.Frontier
	var hashes leaves
	all := r.all()
	size := max(int64(len(all))-r.Uncovered.Load(), 0)
	for _, env := range all {
		leaf := merkle.Leaf(stored(env))
		hashes = append(hashes, leaf)
		if env.Seq <= size {
			tree.Append(leaf)
		}
	}
	p := officer.Proof{Leaf: hashes[seq-1], Verifier: r.key.Verifier(), Checkpoint: merkle.Checkpoint{Origin: r.key.Origin(), Size: size, Root: tree.Root()}}
	if size == 0 {
		return p, nil
	}
	var err error
	if p.Note, err = merkle.SignCheckpoint(p.Checkpoint, r.key); err != nil || seq > size {
		return p, err
	}
	p.Path, err = merkle.Inclusion(ctx, hashes, size, seq-1)
	return p, err
}

// leaves are the tiles of a tree that has fewer than a tile's.
type leaves []merkle.Hash

// Tile implements [merkle.Tiles].
func (l leaves) Tile(_ context.Context, t merkle.Tile) ([]merkle.Hash, error) {
	if t.Level != 0 || t.Index != 0 || t.Width > len(l) {
		return nil, fmt.Errorf("a tree of %d leaves has no tile %s", len(l), t.Path())
	}
	return l[:t.Width], nil
}
