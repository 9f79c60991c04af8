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

// dueBatch is how many due pictures are asked for at a time.
const dueBatch = 100

// DueImages lists pictures whose deadline has come.
type DueImages interface {
	Due(ctx context.Context, now time.Time, limit int) ([]id.Image, error)
}

// DeleteDue deletes what is due. One process does it at a time.
type DeleteDue struct {
	Record    Record
	Blobs     Blobs
	Retention Retention
	Images    DueImages
	Now       Now
}

// Do deletes every picture that is due now and returns how many it deleted. A picture
// that cannot be deleted does not keep the others.
func (d DeleteDue) Do(ctx context.Context) (deleted int, err error) {
	for {
		due, err := d.Images.Due(ctx, d.Now(), dueBatch)
		if err != nil {
			return deleted, fmt.Errorf("list due images: %w", err)
		}
		var failures []error
		progress := 0
		for _, img := range due {
			switch did, err := d.one(ctx, img); {
			case err != nil:
				failures = append(failures, fmt.Errorf("delete image %s: %w", img, err))
			case did:
				progress++
			}
		}
		deleted += progress
		// A view that lags behind lists again what was just deleted, and nothing else is new.
		if len(failures) > 0 || progress == 0 || len(due) < dueBatch {
			return deleted, errors.Join(failures...)
		}
	}
}

func (d DeleteDue) one(ctx context.Context, img id.Image) (did bool, err error) {
	_, err = deletion{d.Record, d.Blobs, d.Now}.run(ctx, img, order{
		allowed: func(image.Image) error { return nil },
		ask: func(state image.Image, now time.Time) (bool, event.Decision, error) {
			did = true
			return d.Retention.Due(ctx, state.Due(), now)
		},
		why:   image.BecauseDue,
		actor: event.Actor{Role: event.Clock},
	})
	if errors.Is(err, errKept) {
		return false, nil
	}
	return did && err == nil, err
}
