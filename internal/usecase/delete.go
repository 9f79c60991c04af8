package usecase

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/fault"
)

// conflictRetries is how often a decision is taken again on a newer state before its
// caller is told to come back. Each round means that somebody else got something done.
const conflictRetries = 5

// Deletion is what the record says of a deleted picture.
type Deletion struct {
	Image      id.Image
	Why        image.Why
	Due        time.Time
	Actual     time.Time
	DeletedSeq int64 // place in the record of image.deleted
	KeySeq     int64 // place in the record of vault.key_destroyed; 0 if an earlier answer gave it
	Copies     []string
}

// Delete deletes a picture at its holder's wish.
type Delete struct {
	Record    Record
	Blobs     Blobs
	Retention Retention
	Decisions Decisions
	Now       Now
}

// Do deletes the picture that the token opens, whatever is being done with it at the
// moment. Deleting again answers as the first time.
func (d Delete) Do(ctx context.Context, img id.Image, token string) (Deletion, error) {
	return deletion{d.Record, d.Blobs, d.Now}.run(ctx, img, order{
		allowed: func(state image.Image) error {
			if !state.OpensWith(image.HashCapability(token)) {
				return image.ErrUnknown
			}
			return nil
		},
		ask:     func(image.Image, time.Time) (bool, event.Decision, error) { return d.Retention.Requested(ctx) },
		refused: d.Decisions.Refused,
		why:     image.BecauseRequested,
		actor:   event.Actor{Role: event.Visitor},
	})
}

// order is a deletion to be carried out: who wants it, and why.
type order struct {
	allowed func(image.Image) error
	before  []image.Event // facts that come first in the same append
	ask     func(image.Image, time.Time) (deleteNow bool, d event.Decision, err error)
	refused func(event.Decision) // told of a no to somebody who asked; nil where the service asks itself
	why     image.Why
	actor   event.Actor
}

// errKept says that the policy wants the picture kept for now.
var errKept = errors.New("usecase: the policy keeps this picture for now")

// deletion is the one way in which a picture is deleted: the fact, the end of its key and
// the fact about that in one append; then the sealed copies, by then unreadable, are removed.
type deletion struct {
	record Record
	blobs  Blobs
	now    Now
}

func (d deletion) run(ctx context.Context, img id.Image, o order) (Deletion, error) {
	for range conflictRetries {
		history, err := d.record.Load(ctx, image.Stream(img))
		if err != nil {
			return Deletion{}, fmt.Errorf("load image: %w", err)
		}
		state := image.FromRecord(history)
		if err := o.allowed(state); err != nil {
			return Deletion{}, err
		}
		done, err := d.once(ctx, img, state, history, o)
		if errors.Is(err, event.ErrConflict) {
			continue
		}
		if err != nil {
			return Deletion{}, err
		}
		// The record says deleted and the key is gone; a copy that resists is left to the sentinel.
		ctx, cancel := lasting(ctx)
		defer cancel()
		fault.Point("delete.recorded")
		err = removeCopies(ctx, d.blobs, img)
		fault.Point("delete.removed")
		return done, err
	}
	return Deletion{}, event.ErrConflict
}

func (d deletion) once(ctx context.Context, img id.Image, state image.Image, history []event.Envelope, o order) (Deletion, error) {
	at := d.now()
	fact, ok, err := image.DecideDelete(state, image.Delete{Why: o.why, At: at})
	if err != nil {
		return Deletion{}, err
	}
	if !ok {
		return deletionIn(img, history), nil
	}
	deleteNow, decision, err := o.ask(state, at)
	if o.refused != nil && ctx.Err() == nil && (err != nil || !deleteNow) {
		o.refused(decision)
	}
	if err != nil {
		return Deletion{}, fmt.Errorf("ask whether to delete: %w", err)
	}
	if !deleteNow {
		return Deletion{}, errKept
	}
	facts := make([]event.Pending, 0, len(o.before)+1)
	for _, f := range o.before {
		facts = append(facts, event.Pending{Fact: f})
	}
	facts = append(facts, event.Pending{Fact: fact, Decision: &decision})
	key := image.Key(img)
	appended, err := d.record.Append(ctx, event.Append{
		At:    at,
		Actor: o.actor,
		Cause: history[len(history)-1].ID,
		Parts: []event.Part{
			{Stream: image.Stream(img), Expected: state.Version(), Facts: facts},
			{Stream: system.VaultStream(key), Facts: []event.Pending{{Fact: system.KeyDestroyed{Key: key, Why: "image.deleted"}}}},
		},
		Destroy: []personal.KeyID{key},
	})
	if err != nil {
		return Deletion{}, fmt.Errorf("record the deletion: %w", err)
	}
	return deletionIn(img, appended.Facts), nil
}

// deletionIn finds the deletion among facts.
func deletionIn(img id.Image, facts []event.Envelope) Deletion {
	found := Deletion{Image: img}
	for _, env := range facts {
		switch f := env.Fact.(type) {
		case image.Deleted:
			found.Why, found.Due, found.Actual, found.DeletedSeq, found.Copies = f.Why, f.Due, f.Actual, env.Seq, f.Copies
		case system.KeyDestroyed:
			found.KeySeq = env.Seq
		}
	}
	return found
}

func joinClose(err error, c io.Closer) error { return errors.Join(err, c.Close()) }
