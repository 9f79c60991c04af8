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
)

// downloadLease is how long one download may take before another may begin.
const downloadLease = 15 * time.Minute

// Download hands a result out, once.
type Download struct {
	Record    Record
	Vault     Vault
	Blobs     Blobs
	Retention Retention
	Leases    Leases
	Now       Now
}

// Result is a cutout on its way out: a PNG of Size bytes.
type Result struct {
	io.Reader
	Size int64
}

// Do calls deliver with the result. If deliver returns without error, every byte was
// written and flushed, and the picture is deleted before Do returns. If it fails, the
// picture stays until its deadline. The [Deletion] is what the record says then.
func (d Download) Do(ctx context.Context, img id.Image, token string, deliver func(Result) error) (Deletion, error) {
	history, err := d.Record.Load(ctx, image.Stream(img))
	if err != nil {
		return Deletion{}, fmt.Errorf("load image: %w", err)
	}
	state := image.FromRecord(history)
	if !state.OpensWith(image.HashCapability(token)) {
		return Deletion{}, image.ErrUnknown
	}
	if err := image.MayDownload(state); err != nil {
		return Deletion{}, err
	}
	release, ok, err := d.Leases.Take(ctx, "download/"+string(img), downloadLease)
	if err != nil {
		return Deletion{}, fmt.Errorf("take the download: %w", err)
	}
	if !ok {
		return Deletion{}, image.ErrDownloading
	}
	defer release()
	if err := d.deliver(ctx, img, deliver); err != nil {
		return Deletion{}, d.brokenOff(context.WithoutCancel(ctx), img, err)
	}
	// The client has its last byte and may hang up: what follows must happen all the same.
	return d.delivered(context.WithoutCancel(ctx), img)
}

// errNotDelivered marks a download that broke off after it had begun.
type errNotDelivered struct{ error }

func (e errNotDelivered) Unwrap() error { return e.error }

func (d Download) deliver(ctx context.Context, img id.Image, deliver func(Result) error) (err error) {
	key, err := d.Vault.Key(ctx, image.Key(img))
	if err != nil {
		return fmt.Errorf("open the key: %w", goneIfDestroyed(err))
	}
	blob, err := openSealed(ctx, d.Blobs, key, blobName(img, image.Result))
	if err != nil {
		return fmt.Errorf("open the result: %w", err)
	}
	defer func() { err = joinClose(err, blob) }()
	if err := deliver(Result{Reader: blob, Size: blob.size}); err != nil {
		return errNotDelivered{err}
	}
	return nil
}

// brokenOff records a download that began and did not end.
func (d Download) brokenOff(ctx context.Context, img id.Image, cause error) error {
	if _, began := errors.AsType[errNotDelivered](cause); !began {
		return cause
	}
	history, err := d.Record.Load(ctx, image.Stream(img))
	if err != nil {
		return errors.Join(cause, err)
	}
	state := image.FromRecord(history)
	if state.Status() != image.Ready {
		return cause
	}
	_, err = d.Record.Append(ctx, event.Append{
		At:    d.Now(),
		Actor: event.Actor{Role: event.Visitor},
		Cause: history[len(history)-1].ID,
		Parts: []event.Part{{
			Stream:   image.Stream(img),
			Expected: state.Version(),
			Facts:    []event.Pending{{Fact: image.Downloaded{Whole: false}}},
		}},
	})
	if errors.Is(err, event.ErrConflict) {
		err = nil // deleted at this very moment: that is the better story
	}
	return errors.Join(cause, err)
}

func (d Download) delivered(ctx context.Context, img id.Image) (Deletion, error) {
	done, err := deletion{d.Record, d.Blobs, d.Now}.run(ctx, img, order{
		allowed: func(image.Image) error { return nil },
		before:  []image.Event{image.Downloaded{Whole: true}},
		ask: func(image.Image, time.Time) (bool, event.Decision, error) {
			return d.Retention.Downloaded(ctx, true)
		},
		why:   image.BecauseDownloaded,
		actor: event.Actor{Role: event.Visitor},
	})
	if err != nil {
		return done, fmt.Errorf("delete after the download: %w", err)
	}
	return done, nil
}
