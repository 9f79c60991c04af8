package usecase

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/internal/fault"
)

// downloadLease is how long after the death of whoever serves a download another may begin.
const downloadLease = time.Minute

// deliveryLease is how long after the last byte went out the deletion is left to whoever sent it.
const deliveryLease = time.Minute

// Deliveries remembers which results went out to their last byte, until their pictures are
// deleted: nobody's death in between may forget that.
type Deliveries interface {
	Mark(ctx context.Context, img id.Image) error
	Clear(ctx context.Context, img id.Image) error
	// Stale lists pictures that were marked longer ago than that.
	Stale(ctx context.Context, olderThan time.Duration, limit int) ([]id.Image, error)
}

// Download hands a result out, once.
type Download struct {
	Record     Record
	Vault      Vault
	Blobs      Blobs
	Retention  Retention
	Leases     Leases
	Deliveries Deliveries
	Reads      Reads
	Now        Now
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
	release, ok, err := d.Leases.Take(ctx, downloading(img), downloadLease)
	if err != nil {
		return Deletion{}, fmt.Errorf("take the download: %w", err)
	}
	if !ok {
		return Deletion{}, image.ErrDownloading
	}
	defer release()
	if err := d.deliver(ctx, img, deliver); err != nil {
		return Deletion{}, d.notDelivered(ctx, img, err)
	}
	fault.Point("download.sent")
	// The client has its last byte and may hang up: what follows must happen all the same.
	// If it cannot happen now, the mark is left, and the janitor does it.
	ctx, cancel := lasting(ctx)
	defer cancel()
	done, err := d.delivered(ctx, img)
	if err == nil {
		err = d.Deliveries.Clear(ctx, img)
	}
	return done, err
}

// downloading is the lease of whoever hands a result out.
func downloading(img id.Image) string { return "download/" + string(img) }

// errNotDelivered marks a download that its receiver broke off.
type errNotDelivered struct{ error }

func (e errNotDelivered) Unwrap() error { return e.error }

func (d Download) deliver(ctx context.Context, img id.Image, deliver func(Result) error) (err error) {
	key, err := d.Vault.Key(ctx, image.Key(img))
	if err != nil {
		return fmt.Errorf("open the key: %w", err)
	}
	may, err := d.Reads.ask(ctx, img, readerHolder, purposeCutout)
	if err != nil {
		return err
	}
	blob, err := openSealed(ctx, d.Blobs, key, may, img, image.Result)
	if err != nil {
		return fmt.Errorf("open the result: %w", err)
	}
	defer func() { err = joinClose(err, blob) }()
	marking := &markingReader{from: blob, left: blob.size, mark: func() error { return d.Deliveries.Mark(ctx, img) }}
	if err := deliver(Result{Reader: marking, Size: blob.size}); err != nil {
		if marking.err != nil {
			return marking.err // ours, whatever the receiver makes of it
		}
		if marking.left == blob.size {
			return err // nothing was handed over yet
		}
		return errNotDelivered{err}
	}
	return nil
}

// markingReader notes that everything goes out before it gives the last byte.
type markingReader struct {
	from io.Reader
	left int64
	mark func() error
	err  error // other than io.EOF
}

func (m *markingReader) Read(p []byte) (int, error) {
	n, err := m.from.Read(p)
	if m.left -= int64(n); m.left == 0 && n > 0 {
		if markErr := m.mark(); markErr != nil {
			n, err = 0, markErr
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		m.err = err
	}
	return n, err
}

// notDelivered finds out what became of the picture, and records a download that its
// receiver broke off, once.
func (d Download) notDelivered(ctx context.Context, img id.Image, cause error) error {
	ctx, cancel := lasting(ctx)
	defer cancel()
	cause = errors.Join(cause, d.Deliveries.Clear(ctx, img))
	_, began := errors.AsType[errNotDelivered](cause)
	if !began && !errors.Is(cause, personal.ErrDestroyed) && !errors.Is(cause, fs.ErrNotExist) {
		return cause
	}
	history, err := d.Record.Load(ctx, image.Stream(img))
	if err != nil {
		return errors.Join(cause, err)
	}
	state := image.FromRecord(history)
	if !began {
		return ifDeleted(state, cause)
	}
	if state.Status() != image.Ready || state.BrokenOff() {
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

// ifDeleted is the answer when a copy or its key was not there: gone, if the record says so.
func ifDeleted(state image.Image, cause error) error {
	if state.Status() == image.Gone {
		return image.ErrGone
	}
	return cause
}

func (d Download) delivered(ctx context.Context, img id.Image) (Deletion, error) {
	done, err := deletion{d.Record, d.Blobs, d.Now}.run(ctx, img, order{
		allowed: func(image.Image) error { return nil },
		before:  []image.Event{image.Downloaded{Whole: true}},
		ask: func(image.Image, time.Time) (bool, event.Decision, error) {
			return d.Retention.Downloaded(ctx, true)
		},
		refused: d.Reads.Decisions.Refused,
		why:     image.BecauseDownloaded,
		actor:   event.Actor{Role: event.Visitor},
	})
	if err != nil {
		return done, fmt.Errorf("delete after the download: %w", err)
	}
	return done, nil
}
