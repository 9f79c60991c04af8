package usecase

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/refusal"
)

// Cutter makes cutouts.
type Cutter interface {
	// Cut waits for a free slot, then loads the picture and cuts it out: nothing is held in
	// memory while it waits. An error of load is returned as it is; a picture that cannot
	// be used is a refusal.
	Cut(ctx context.Context, load func() ([]byte, error)) (Cutout, error)
}

// Cutout is a finished result.
type Cutout struct {
	Model         string
	Width, Height int
	Stages        image.Stages
	// Encode writes the result as PNG and returns how many milliseconds that took.
	Encode func(io.Writer) (ms int64, err error)
	// Release gives the slot and the memory back. It must be called once.
	Release func()
}

// Attempts counts tries where a dying processor cannot lose the count.
type Attempts interface {
	// Begin counts one more try and returns how many there are with it.
	Begin(ctx context.Context, img id.Image) (int, error)
	// Clear forgets the tries of a picture.
	Clear(ctx context.Context, img id.Image) error
}

// Process makes the cutout of an uploaded picture.
type Process struct {
	Record   Record
	Vault    Vault
	Blobs    Blobs
	Cutter   Cutter
	Attempts Attempts
	Now      Now
}

// errOurs marks what is no fault of the picture: it is tried again until the picture's deadline.
type errOurs struct{ error }

func (e errOurs) Unwrap() error { return e.error }

// Do makes the cutout, or records that none can be made. It returns without error also
// when there is nothing left to do: the picture is deleted, or was already processed. An error means that
// the work must be delivered again.
func (p Process) Do(ctx context.Context, img id.Image) error {
	for {
		history, err := p.Record.Load(ctx, image.Stream(img))
		if err != nil {
			return fmt.Errorf("load image: %w", err)
		}
		state := image.FromRecord(history)
		if state.Status() != image.Waiting {
			return nil
		}
		attempt, err := p.Attempts.Begin(ctx, img)
		if err != nil {
			return fmt.Errorf("count the attempt: %w", err)
		}
		cause := history[len(history)-1].ID
		if attempt > image.MaxAttempts {
			return p.failed(ctx, img, state, cause, image.ErrProcessing.Code, attempt-1)
		}
		done, err := p.attempt(ctx, img, state, cause)
		switch {
		case done:
			return p.Attempts.Clear(context.WithoutCancel(ctx), img)
		case ctx.Err() != nil || isOurs(err):
			// No fault of the picture: this try does not count against it.
			return errors.Join(err, p.Attempts.Clear(context.WithoutCancel(ctx), img))
		case err != nil && attempt >= image.MaxAttempts:
			return p.failed(ctx, img, state, cause, codeOf(err), attempt)
		}
	}
}

func isOurs(err error) bool {
	_, ours := errors.AsType[errOurs](err)
	return ours
}

// codeOf is what the owner is told.
func codeOf(err error) string {
	if r, ok := refusal.As(err); ok {
		return r.Code
	}
	return image.ErrProcessing.Code
}

// attempt tries once. done means that nothing is left to do; an error that is not
// errOurs is the picture's.
func (p Process) attempt(ctx context.Context, img id.Image, state image.Image, cause id.Fact) (done bool, err error) {
	began := p.Now()
	key, err := p.Vault.Key(ctx, image.Key(img))
	if errors.Is(err, personal.ErrDestroyed) {
		return true, nil // deleted since we looked
	}
	if err != nil {
		return false, errOurs{fmt.Errorf("open the key: %w", err)}
	}
	cut, err := p.Cutter.Cut(ctx, func() ([]byte, error) {
		plain, err := loadSealed(ctx, p.Blobs, key, img, image.Original)
		if err != nil {
			return nil, errOurs{err}
		}
		return plain, nil
	})
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return p.isDeleted(ctx, img, err)
		}
		return false, fmt.Errorf("cut out: %w", err)
	}
	defer cut.Release()

	fact := image.Processed{Model: cut.Model, Dimensions: image.ClassOfDimensions(cut.Width, cut.Height), Stages: cut.Stages}
	err = putSealed(ctx, p.Blobs, key, blobName(img, image.Result), func(w io.Writer) error {
		ms, err := cut.Encode(w)
		fact.Stages.Encode = ms
		return err
	})
	if err != nil {
		return false, errOurs{fmt.Errorf("store the result: %w", err)}
	}
	fact.Stages.Total = p.Now().Sub(began).Milliseconds()
	return p.processed(ctx, img, state, cause, fact)
}

// isDeleted tells a picture that was deleted while we were at it from one whose sealed
// copy is lost.
func (p Process) isDeleted(ctx context.Context, img id.Image, lost error) (bool, error) {
	history, err := p.Record.Load(ctx, image.Stream(img))
	if err != nil {
		return false, errOurs{fmt.Errorf("load image: %w", err)}
	}
	if image.FromRecord(history).Status() != image.Waiting {
		return true, nil
	}
	return false, fmt.Errorf("the sealed picture is not in the store: %w", lost)
}

func (p Process) processed(ctx context.Context, img id.Image, state image.Image, cause id.Fact, fact image.Processed) (bool, error) {
	decided, ok := image.DecideProcessed(state, fact)
	if !ok {
		return true, nil
	}
	err := p.append(ctx, img, state, cause, decided)
	if err == nil {
		return true, nil
	}
	if !errors.Is(err, event.ErrConflict) {
		return false, errOurs{err}
	}
	// Somebody was faster. If the picture was deleted, our result is noise under a destroyed
	// key; if another processor finished, its result lies under the same name and is as good.
	history, err := p.Record.Load(ctx, image.Stream(img))
	if err != nil {
		return false, errOurs{fmt.Errorf("load image: %w", err)}
	}
	switch image.FromRecord(history).Status() {
	case image.Gone:
		return true, p.Blobs.Delete(ctx, blobName(img, image.Result))
	case image.Waiting:
		return false, errOurs{errors.New("the picture changed while it was cut out")}
	case image.Unknown, image.Failed, image.Ready:
	}
	return true, nil
}

func (p Process) failed(ctx context.Context, img id.Image, state image.Image, cause id.Fact, code string, attempts int) error {
	fact, ok := image.DecideFailed(state, code, attempts)
	if !ok {
		return nil
	}
	if err := p.append(ctx, img, state, cause, fact); err != nil && !errors.Is(err, event.ErrConflict) {
		return err
	}
	return p.Attempts.Clear(ctx, img)
}

func (p Process) append(ctx context.Context, img id.Image, state image.Image, cause id.Fact, fact image.Event) error {
	_, err := p.Record.Append(ctx, event.Append{
		At:    p.Now(),
		Actor: event.Actor{Role: event.Processor},
		Cause: cause,
		Parts: []event.Part{{
			Stream:   image.Stream(img),
			Expected: state.Version(),
			Facts:    []event.Pending{{Fact: fact}},
		}},
	})
	if err != nil {
		return fmt.Errorf("record the outcome: %w", err)
	}
	return nil
}
