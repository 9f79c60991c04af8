package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/internal/merkle"
)

// Head is a public checkpoint.
type Head struct {
	merkle.Checkpoint
	Note []byte    // as it was signed, with the signatures of witnesses that are there
	At   time.Time // when the log signed it; in a restored Postgres, when that learned of it
}

// ErrNoCheckpoint is the refusal while no checkpoint is public.
var ErrNoCheckpoint = refusal.New(refusal.Missing, "log.no_checkpoint", "No checkpoint was signed yet.",
	"Try again a minute after the first upload.")

// Head returns the newest public checkpoint: one that stands in Kafka.
func (t *Tree) Head(ctx context.Context) (Head, error) {
	var h Head
	err := t.db.QueryRow(ctx, `
		select newest.note, (select at from ledger.checkpoints signed where signed.size = newest.size and signed.kind in ('checkpoint', 'cosigned') order by n limit 1)
		  from ledger.checkpoints newest
		 where newest.kind in ('checkpoint', 'cosigned') and newest."offset" is not null
		 order by newest.size desc, newest.n desc
		 limit 1`).Scan(&h.Note, &h.At)
	if errors.Is(err, pgx.ErrNoRows) {
		return h, ErrNoCheckpoint
	}
	if err == nil {
		h.Checkpoint, err = merkle.ReadCheckpoint(h.Note)
	}
	if err != nil {
		return h, fmt.Errorf("ledger: read the newest checkpoint: %w", err)
	}
	return h, nil
}

// Keys returns the verifier of the log's first key, and the public rotations after it,
// oldest first: what [merkle.FollowKeys] takes.
func (t *Tree) Keys(ctx context.Context) (first string, rotations [][]byte, err error) {
	first, rotations, err = keyNotes(ctx, t.db, true)
	if errors.Is(err, errNoKey) {
		return "", nil, ErrNoCheckpoint
	}
	if err != nil {
		return "", nil, fmt.Errorf("ledger: read the log's keys: %w", err)
	}
	return first, rotations, nil
}

// Proof shows that a fact is in the record that a checkpoint was signed over.
type Proof struct {
	Head
	Verifier string // of the key that signed it
	Seq      int64  // leaf Seq - 1
	Leaf     merkle.Hash
	Path     []merkle.Hash
}

// ErrNotCovered is the refusal of a proof that the next checkpoint makes possible.
var ErrNotCovered = refusal.New(refusal.Conflict, "log.not_covered", "The newest checkpoint was signed before this fact.",
	"Try again after the next one: the service signs one from time to time, each minute if its operator set nothing else.")

// Prove proves that a published fact is in the newest public checkpoint.
func (t *Tree) Prove(ctx context.Context, seq int64) (Proof, error) {
	body, err := t.Fact(ctx, seq)
	if err != nil {
		return Proof{}, err
	}
	p := Proof{Seq: seq, Leaf: merkle.Leaf(body)}
	if p.Head, err = t.Head(ctx); err != nil {
		return p, err
	}
	if seq > p.Size {
		return p, ErrNotCovered
	}
	first, rotations, err := t.Keys(ctx)
	if err != nil {
		return p, err
	}
	keys, err := merkle.FollowKeys(first, rotations)
	if err != nil {
		return p, fmt.Errorf("ledger: prove fact %d: %w", seq, err)
	}
	p.Verifier = keys.At(p.Size)
	if p.Path, err = merkle.Inclusion(ctx, t, p.Size, seq-1); err != nil {
		return p, fmt.Errorf("ledger: prove fact %d: %w", seq, err)
	}
	return p, nil
}
