package usecase

import (
	"context"
	"fmt"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/refusal"
)

// Progress is where a picture stands, as its holder may know it.
type Progress struct {
	Image    id.Image
	Status   image.Status
	Version  int64 // how many facts this rests on
	Uploaded time.Time
	DeleteBy time.Time
	Failure  *refusal.Error // why no cutout can be made, if so
	Deletion *Deletion      // once deleted
}

// Watch follows one picture.
type Watch struct{ Record Record }

// Do returns where the picture stands, as soon as that rests on more than after facts; 0 answers at once.
func (w Watch) Do(ctx context.Context, img id.Image, token string, after int64) (Progress, error) {
	for {
		history, err := w.Record.Load(ctx, image.Stream(img))
		if err != nil {
			return Progress{}, fmt.Errorf("load image: %w", err)
		}
		state := image.FromRecord(history)
		if !state.OpensWith(image.HashCapability(token)) {
			return Progress{}, image.ErrUnknown
		}
		if state.Version() > after {
			return progressOf(img, state, history), nil
		}
		if err := w.Record.Await(ctx, image.Stream(img), after); err != nil {
			return Progress{}, fmt.Errorf("await image: %w", err)
		}
	}
}

// Outcome waits until the picture's cutout is ready, or never will be.
func (w Watch) Outcome(ctx context.Context, img id.Image, token string) (Progress, error) {
	var after int64
	for {
		p, err := w.Do(ctx, img, token, after)
		if err != nil || p.Status != image.Waiting {
			return p, err
		}
		after = p.Version
	}
}

func progressOf(img id.Image, state image.Image, history []event.Envelope) Progress {
	p := Progress{
		Image:    img,
		Status:   state.Status(),
		Version:  state.Version(),
		Uploaded: history[0].At,
		DeleteBy: state.Due(),
		Failure:  state.Failure(),
	}
	if p.Status == image.Gone {
		d := deletionIn(img, history)
		p.Deletion = &d
	}
	return p
}
