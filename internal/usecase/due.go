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
	Leases     Leases
	Deliveries Deliveries
	Now        Now
}

// Do deletes every picture that is due now and returns how many it deleted. Pictures
// that cannot be deleted do not keep the others, however many they are, and neither does a
// list that still names what is deleted.
func (d DeleteDue) Do(ctx context.Context) (deleted int, err error) {
	seen := map[id.Image]bool{}
	var failed failures
	for {
		limit := dueBatch + len(seen)
		due, err := d.Images.Due(ctx, d.Now(), limit)
		if err != nil {
			return deleted, fmt.Errorf("list due images: %w", err)
		}
		listed := len(due)
		due = slices.DeleteFunc(due, func(img id.Image) bool { return seen[img] })
		for _, img := range due {
			seen[img] = true
		}
		deleted += atOnce(due, &failed, func(img id.Image) (bool, error) { return d.one(ctx, img) })
		if len(due) == 0 || listed < limit || ctx.Err() != nil {
			return deleted, failed.err()
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
	var failed failures
	atOnce(stale, &failed, func(img id.Image) (bool, error) { return true, d.deliver(ctx, img) })
	return failed.err()
}

// deliver ends one delivery, unless somebody is at it.
func (d DeleteDue) deliver(ctx context.Context, img id.Image) error {
	ctx, cancel := context.WithTimeout(ctx, dueEach)
	defer cancel()
	release, ok, err := d.Leases.Take(ctx, downloading(img), downloadLease)
	if err != nil || !ok {
		return err
	}
	defer release()
	_, err = deletion{d.Record, d.Blobs, d.Now}.run(ctx, img, order{
		allowed: func(image.Image) error { return nil },
		before:  []image.Event{image.Downloaded{Whole: true}},
		ask: func(image.Image, time.Time) (bool, event.Decision, error) {
			return d.Retention.Downloaded(ctx, true)
		},
		why:   image.BecauseDownloaded,
		actor: event.Actor{Role: event.Clock},
	})
	if err != nil {
		return err
	}
	return d.Deliveries.Clear(ctx, img)
}

// failures are what went wrong with several pictures: how many, and one of the reasons.
type failures struct {
	n     int
	img   id.Image
	first error
}

func (f *failures) err() error {
	if f.n == 0 {
		return nil
	}
	return fmt.Errorf("%d images could not be deleted yet, one of them %s: %w", f.n, f.img, f.first)
}

// atOnce does something with several pictures at a time, notes what failed, and returns
// how often it was done.
func atOnce(images []id.Image, failed *failures, do func(id.Image) (bool, error)) (done int) {
	var (
		mu   sync.Mutex
		all  sync.WaitGroup
		free = make(chan struct{}, dueAtOnce)
	)
	for _, img := range images {
		free <- struct{}{}
		all.Go(func() {
			defer func() { <-free }()
			did, err := do(img)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				if failed.n++; failed.first == nil {
					failed.img, failed.first = img, err
				}
			case did:
				done++
			}
		})
	}
	all.Wait()
	return done
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
