package usecase

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/domain/system"
)

// Refusals of a receipt.
var (
	ErrNotDeleted = refusal.New(refusal.Conflict, "receipt.not_deleted",
		"This photo is not deleted yet, so there is no receipt for its deletion.", "Download its cutout, delete it or wait until it is due; then ask again.")
	// ErrKeyThere says that the vault does not bear the record out: nothing is signed then.
	ErrKeyThere = refusal.New(refusal.Unavailable, "receipt.key_there",
		"The record says that this photo's key is destroyed, and the vault does not confirm it.", "Try again in a minute, and tell us if this lasts.")
)

// Statement is what a receipt says: from the record, and from where copies would be.
type Statement struct {
	Image      id.Image
	Uploaded   time.Time
	Due        time.Time
	Deleted    time.Time
	Why        image.Why
	DeletedSeq int64 // place in the record of image.deleted
	KeySeq     int64 // and of vault.key_destroyed
	LookedFor  time.Time
	Copies     []CopyState
}

// CopyState says whether a copy was there when it was looked for.
type CopyState struct {
	Kind  string
	Found bool
}

// Notary signs statements.
type Notary interface {
	// Sign returns a receipt, with the proof of what is in the newest checkpoint. A size
	// that is not 0 asks to prove also that its tree begins with the one of that size.
	Sign(ctx context.Context, s Statement, older int64) ([]byte, error)
}

// Receipt hands out the receipt of a deleted picture, as often as it is asked for.
type Receipt struct {
	Record Record
	Vault  Vault
	Blobs  Blobs
	Notary Notary
	Now    Now
}

// Do returns the signed receipt of the picture that the token opens.
func (r Receipt) Do(ctx context.Context, img id.Image, token string, older int64) ([]byte, error) {
	history, err := r.Record.Load(ctx, image.Stream(img))
	if err != nil {
		return nil, fmt.Errorf("load image: %w", err)
	}
	state := image.FromRecord(history)
	if !state.OpensWith(image.HashCapability(token)) {
		return nil, image.ErrUnknown
	}
	if state.Status() != image.Gone {
		return nil, ErrNotDeleted
	}
	done := deletionIn(img, history)
	s := Statement{
		Image: img, Uploaded: history[0].At, Due: done.Due, Deleted: done.Actual, Why: done.Why, DeletedSeq: done.DeletedSeq,
	}
	if s.KeySeq, err = r.ending(ctx, img); err != nil {
		return nil, err
	}
	if s.Copies, err = r.look(ctx, img, done.Copies); err != nil {
		return nil, err
	}
	s.LookedFor = r.Now()
	return r.Notary.Sign(ctx, s, older)
}

// ending returns the place of the fact that ended the picture's key, if the vault agrees.
func (r Receipt) ending(ctx context.Context, img id.Image) (seq int64, err error) {
	key := image.Key(img)
	if _, err := r.Vault.Key(ctx, key); err == nil {
		return 0, ErrKeyThere
	} else if !errors.Is(err, personal.ErrDestroyed) {
		return 0, fmt.Errorf("look for the key's tombstone: %w", err)
	}
	facts, err := r.Record.Load(ctx, system.VaultStream(key))
	if err != nil {
		return 0, fmt.Errorf("load the key's end: %w", err)
	}
	for _, env := range facts {
		if f, ok := env.Fact.(system.KeyDestroyed); ok && f.Key == key {
			return env.Seq, nil
		}
	}
	return 0, fmt.Errorf("the record has no end of the key %s", key)
}

// look looks for copies. What a deletion was about to remove, or could not remove, is
// removed now; what resists even that is said.
func (r Receipt) look(ctx context.Context, img id.Image, kinds []string) ([]CopyState, error) {
	copies, err := r.copies(ctx, img, kinds)
	if err != nil || !slices.ContainsFunc(copies, func(c CopyState) bool { return c.Found }) {
		return copies, err
	}
	if removeCopies(ctx, r.Blobs, img) != nil {
		return copies, nil //nolint:nilerr // That it could not be removed is what the receipt says; the sentinel reports it.
	}
	return r.copies(ctx, img, kinds)
}

// copies looks for the kinds that there were when the picture was deleted.
func (r Receipt) copies(ctx context.Context, img id.Image, kinds []string) ([]CopyState, error) {
	var states []CopyState
	for _, kind := range kinds {
		blob, _, err := r.Blobs.Open(ctx, blobName(img, kind))
		missing := errors.Is(err, fs.ErrNotExist)
		if err == nil {
			err = blob.Close()
		}
		if err != nil && !missing {
			return nil, fmt.Errorf("look for the %s: %w", kind, err)
		}
		states = append(states, CopyState{Kind: kind, Found: !missing})
	}
	return states, nil
}
