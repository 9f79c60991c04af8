package usecase

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
)

// How many due pictures are listed at a time, and how many are deleted at once.
const (
	dueBatch  = 100
	dueAtOnce = 16
)

// dueEach is how long one deletion is waited for. Its key is destroyed by then; when the
// record is away, its publication follows by itself, and the next picture is due too.
const dueEach = 3 * time.Second

// DueImages lists pictures whose deadline has come or comes soon, the earliest first. The
// policy says which of them are deleted now.
type DueImages interface {
	Due(ctx context.Context, now time.Time, limit int) ([]id.Image, error)
}

// DeleteDue deletes what is due. One process does it at a time.
type DeleteDue struct {
	Record     Record
	Blobs      Blobs
	Retention  Retention
	Images     DueImages
	Deliveries Deliveries
	Now        Now
}

// Do deletes every picture that is due now and returns how many it deleted. Pictures
// that cannot be deleted do not keep the others, however many they are.
func (d DeleteDue) Do(ctx context.Context) (deleted int, err error) {
	failed := map[id.Image]error{}
	for {
		before, limit := len(failed), dueBatch+len(failed)
		due, err := d.Images.Due(ctx, d.Now(), limit)
		if err != nil {
			return deleted, fmt.Errorf("list due images: %w", err)
		}
		listed := len(due)
		due = slices.DeleteFunc(due, func(img id.Image) bool { return failed[img] != nil })
		did := d.each(ctx, due, failed)
		deleted += did
		// A view that lags behind lists again what was just deleted, and nothing else is new.
		news := did + len(failed) - before
		if news == 0 || listed < limit || ctx.Err() != nil {
			return deleted, someFailed(failed)
		}
	}
}

// Delivered deletes what was downloaded whole by somebody whose download nobody ended: the
// process died, or the record was away, between the last byte and the deletion.
func (d DeleteDue) Delivered(ctx context.Context) error {
	stale, err := d.Deliveries.Stale(ctx, deliveryLease, dueBatch)
	if err != nil {
		return fmt.Errorf("list unfinished deliveries: %w", err)
	}
	failed := map[id.Image]error{}
	for _, img := range stale {
		each, cancel := context.WithTimeout(ctx, dueEach)
		_, err := deletion{d.Record, d.Blobs, d.Now}.run(each, img, order{
			allowed: func(image.Image) error { return nil },
			ask: func(image.Image, time.Time) (bool, event.Decision, error) {
				return d.Retention.Downloaded(each, true)
			},
			why:   image.BecauseDownloaded,
			actor: event.Actor{Role: event.Clock},
		})
		if err == nil {
			err = d.Deliveries.Clear(each, img)
		}
		cancel()
		if err != nil {
			failed[img] = err
		}
	}
	return someFailed(failed)
}

// each deletes several at once, notes what failed, and returns how many it deleted.
func (d DeleteDue) each(ctx context.Context, due []id.Image, failed map[id.Image]error) (deleted int) {
	var (
		mu   sync.Mutex
		all  sync.WaitGroup
		free = make(chan struct{}, dueAtOnce)
	)
	for _, img := range due {
		free <- struct{}{}
		all.Go(func() {
			defer func() { <-free }()
			did, err := d.one(ctx, img)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed[img] = err
			} else if did {
				deleted++
			}
		})
	}
	all.Wait()
	return deleted
}

func (d DeleteDue) one(ctx context.Context, img id.Image) (did bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, dueEach)
	defer cancel()
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

// someFailed is one error for many pictures: how many, and one of the reasons.
func someFailed(failed map[id.Image]error) error {
	for img, err := range failed {
		return fmt.Errorf("%d images could not be deleted yet, one of them %s: %w", len(failed), img, err)
	}
	return nil
}
