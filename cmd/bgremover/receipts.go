package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/internal/evidence"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/merkle"
	"github.com/bgremover/bgremover/internal/usecase"
)

// errAhead is the refusal to compare with a checkpoint that this log has not reached.
var errAhead = refusal.New(refusal.Conflict, "receipt.ahead",
	"The checkpoint that you have is of a larger record than any that this service has signed.",
	"Keep it. If it is this log's, the record was rolled back: tell the service's operator, and others.")

// receipts tells the operator what a person who asks for a receipt can do nothing about.
type receipts struct {
	usecase.Receipt
	log *slog.Logger
}

// Do passes on.
func (r receipts) Do(ctx context.Context, img id.Image, token string, older int64) ([]byte, error) {
	signed, err := r.Receipt.Do(ctx, img, token, older)
	if errors.Is(err, usecase.ErrKeyThere) {
		r.log.WarnContext(ctx, "no receipt was signed: the vault gives a key that the record has destroyed; more than a minute after the deletion, compare them by a restart",
			"key", image.Key(img))
	}
	return signed, err
}

// notary signs receipts with the key that signs checkpoints: whoever knows the log's first
// key from elsewhere needs to know no other.
type notary struct {
	tree *ledger.Tree
	keys *ledger.LogKeys
}

var _ usecase.Notary = notary{}

// Sign implements usecase.Notary.
func (n notary) Sign(ctx context.Context, s usecase.Statement, older int64) ([]byte, error) {
	facts, err := n.tree.Facts(ctx, s.DeletedSeq, s.KeySeq)
	if err != nil {
		return nil, err
	}
	deletion, destruction := facts[s.DeletedSeq], facts[s.KeySeq]
	if deletion == nil || destruction == nil {
		return nil, fmt.Errorf("the facts %d and %d of a deletion are not in the record", s.DeletedSeq, s.KeySeq)
	}
	r := evidence.Receipt{
		Log: n.keys.Origin(), Issued: s.LookedFor, Image: s.Image, Uploaded: s.Uploaded, Due: s.Due, Deleted: s.Deleted, Why: s.Why,
		Deletion:    evidence.Fact{Seq: s.DeletedSeq, Body: string(deletion)},
		Destruction: evidence.Fact{Seq: s.KeySeq, Body: string(destruction)},
	}
	for _, c := range s.Copies {
		r.Copies = append(r.Copies, evidence.Copy(c))
	}
	if r.Proof, err = n.proof(ctx, s, older); err != nil {
		return nil, err
	}
	// After the checkpoint: whichever key signed that is public by now.
	key, first, rotations, err := n.keys.Signer(ctx)
	if err != nil {
		return nil, err
	}
	r.Keys.First = first
	for _, signed := range rotations {
		r.Keys.Rotations = append(r.Keys.Rotations, string(signed))
	}
	signed, err := evidence.Sign(r, key)
	if refused, ok := refusal.As(err); ok {
		// Whoever asked did nothing wrong: it is an error of ours, and logged as one.
		return nil, fmt.Errorf("the receipt would be refused itself: %s", refused.Code)
	}
	return signed, err
}

// proof is nil until a checkpoint covers both facts.
func (n notary) proof(ctx context.Context, s usecase.Statement, older int64) (*evidence.Proof, error) {
	head, err := n.tree.Head(ctx)
	if err != nil && !errors.Is(err, ledger.ErrNoCheckpoint) {
		return nil, err
	}
	if older > head.Size {
		return nil, errAhead
	}
	if max(s.DeletedSeq, s.KeySeq) > head.Size {
		return nil, nil
	}
	p := evidence.Proof{Checkpoint: string(head.Note), Older: older}
	if p.Deletion, err = merkle.Inclusion(ctx, n.tree, head.Size, s.DeletedSeq-1); err != nil {
		return nil, fmt.Errorf("prove the deletion: %w", err)
	}
	if p.Destruction, err = merkle.Inclusion(ctx, n.tree, head.Size, s.KeySeq-1); err != nil {
		return nil, fmt.Errorf("prove the key's end: %w", err)
	}
	if older > 0 {
		if p.Consistency, err = merkle.Consistency(ctx, n.tree, older, head.Size); err != nil {
			return nil, fmt.Errorf("prove that the record only grew: %w", err)
		}
	}
	return &p, nil
}
