package usecase

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
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

// Do deletes every picture that is due now and returns how many it deleted. Pictures
// that cannot be deleted do not keep the others, however many they are.
func (d DeleteDue) Do(ctx context.Context) (deleted int, err error) {
	failed := map[id.Image]error{}
	for {
		limit := dueBatch + len(failed)
		due, err := d.Images.Due(ctx, d.Now(), limit)
		if err != nil {
			return deleted, fmt.Errorf("list due images: %w", err)
		}
		before := deleted + len(failed)
		for _, img := range due {
			if failed[img] != nil {
				continue
			}
			did, err := d.one(ctx, img)
			if err != nil {
				failed[img] = fmt.Errorf("delete image %s: %w", img, err)
			}
			if did {
				deleted++
			}
		}
		// A view that lags behind lists again what was just deleted, and nothing else is new.
		if deleted+len(failed) == before || len(due) < limit {
			return deleted, errors.Join(slices.Collect(maps.Values(failed))...)
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
