package usecase

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
)

// Decided lists what waits since older rules said by when it is gone.
type Decided interface {
	// Decided lists pictures whose deadline was last asked of rules before a revision, in the order of
	// their ids, from behind one of them on.
	Decided(ctx context.Context, before int64, after id.Image, limit int) ([]WaitingPicture, error)
}

// WaitingPicture is a picture that is not deleted yet.
type WaitingPicture struct {
	Image   id.Image
	Started time.Time
	Due     time.Time
}

// ShortenDue asks newer rules about what waits. A period that became shorter holds at once for pictures
// that are there; one that became longer holds for none of them. What lies in tables needs no such
// asking: the rules in force are asked about it whenever it is looked at.
type ShortenDue struct {
	Record  Record
	Rules   Limits
	Decided Decided
	Now     Now
}

// shortenBatch is how many pictures are listed at a time.
const shortenBatch = 500

// Do asks about every picture that older rules have decided, and returns how many are due earlier now. It
// keeps one page of them in memory.
func (s ShortenDue) Do(ctx context.Context) (earlier int, err error) {
	revision := s.Rules.Revision()
	var failed failures
	for after := id.Image(""); ; {
		page, err := s.Decided.Decided(ctx, revision, after, shortenBatch)
		if err != nil {
			return earlier, fmt.Errorf("list what older rules decided: %w", err)
		}
		for _, w := range page {
			did, err := s.one(ctx, w)
			if err != nil {
				if failed.n++; failed.first == nil {
					failed.img, failed.first = w.Image, err
				}
			}
			if did {
				earlier++
			}
			after = w.Image
		}
		if len(page) < shortenBatch || ctx.Err() != nil {
			return earlier, failed.err()
		}
	}
}

// one asks about one picture, and again if something else happens to it, or to the rules, meanwhile.
func (s ShortenDue) one(ctx context.Context, w WaitingPicture) (bool, error) {
	for range conflictRetries {
		due, decision, err := s.Rules.Limit(ctx, kindPicture, w.Started, w.Due)
		if err != nil || !due.Before(w.Due) {
			return false, err
		}
		history, err := s.Record.Load(ctx, image.Stream(w.Image))
		if err != nil {
			return false, fmt.Errorf("load image: %w", err)
		}
		state := image.FromRecord(history)
		fact, ok, err := image.DecideDue(state, due)
		if err != nil || !ok {
			return false, err
		}
		_, err = s.Record.Append(ctx, event.Append{
			At: s.Now(), Actor: event.Actor{Role: event.Clock},
			Parts: []event.Part{{
				Stream: image.Stream(w.Image), Expected: state.Version(), Facts: []event.Pending{{Fact: fact, Decision: &decision}},
			}},
		})
		if !errors.Is(err, event.ErrConflict) {
			return err == nil, err
		}
	}
	return false, event.ErrConflict
}

// kindPicture is what the retention data calls a picture with its result.
const kindPicture = "image"
