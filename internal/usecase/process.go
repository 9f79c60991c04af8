package usecase

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/internal/fault"
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
	Reads    Reads
	Now      Now
}

// errOurs marks what is no fault of the picture: it is tried again until the picture's deadline.
type errOurs struct{ error }

func (e errOurs) Unwrap() error { return e.error }

// errTooOften says that the picture was tried as often as it is ever tried, and that nobody lived to tell.
var errTooOften = errors.New("usecase: tried too often")

// Do makes the cutout, or records that none can be made. It returns without error also
// when there is nothing left to do: the picture is deleted, or was already processed. An error means that
// the work must be delivered again.
func (p Process) Do(ctx context.Context, img id.Image) error {
	for {
		history, err := p.Record.Load(ctx, image.Stream(img))
		if err != nil {
			return fmt.Errorf("load image: %w", err)
		}
		t := try{Process: p, img: img, state: image.FromRecord(history)}
		if t.state.Status() != image.Waiting {
			return nil
		}
		t.cause = history[len(history)-1].ID
		done, err := t.run(ctx)
		switch {
		case done:
			fault.Point("process.recorded")
			return t.forget(ctx)
		case err != nil && t.number == 0:
			return err // it never had its turn
		case ctx.Err() != nil || isOurs(err):
			// No fault of the picture: this try does not count against it.
			return errors.Join(err, t.forget(ctx))
		case errors.Is(err, errTooOften), t.number >= image.MaxAttempts:
			return t.failed(ctx, err)
		}
	}
}

// forget takes back what was counted against the picture.
func (t *try) forget(ctx context.Context) error {
	ctx, cancel := lasting(ctx)
	defer cancel()
	return t.Attempts.Clear(ctx, t.img)
}

// try is one attempt at one picture.
type try struct {
	Process
	img    id.Image
	state  image.Image
	cause  id.Fact
	number int // how many tries there are with this one; 0 until it has a slot
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

// run tries once. done means that nothing is left to do; an error that is not
// errOurs is the picture's.
func (t *try) run(ctx context.Context) (done bool, err error) {
	began := t.Now()
	key, err := t.Vault.Key(ctx, image.Key(t.img))
	if errors.Is(err, personal.ErrDestroyed) {
		return true, nil // deleted since we looked
	}
	if err != nil {
		return false, errOurs{fmt.Errorf("open the key: %w", err)}
	}
	cut, err := t.Cutter.Cut(ctx, func() ([]byte, error) { return t.load(ctx, key) })
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return t.isDeleted(ctx)
		}
		return false, fmt.Errorf("cut out: %w", err)
	}
	release := sync.OnceFunc(cut.Release)
	defer release()

	fact := image.Processed{Model: cut.Model, Dimensions: image.ClassOfDimensions(cut.Width, cut.Height), Stages: cut.Stages}
	err = putSealed(ctx, t.Blobs, key, blobName(t.img, image.Result), func(w io.Writer) error {
		ms, err := cut.Encode(w)
		fact.Stages.Encode = ms
		return err
	})
	if errors.Is(err, errPanicked) {
		return false, err
	}
	if err != nil {
		return false, errOurs{fmt.Errorf("store the result: %w", err)}
	}
	fault.Point("process.stored")
	release() // the record may take its time, and needs no pixels
	fact.Stages.Total = t.Now().Sub(began).Milliseconds()
	return t.processed(ctx, fact)
}

// load counts the try and opens the picture. It has a slot by then: a picture that only
// waits when the process dies is not to blame.
func (t *try) load(ctx context.Context, key personal.Key) (_ []byte, err error) {
	if t.number, err = t.Attempts.Begin(ctx, t.img); err != nil {
		return nil, errOurs{fmt.Errorf("count the attempt: %w", err)}
	}
	if t.number > image.MaxAttempts {
		return nil, errTooOften
	}
	may, err := t.Reads.ask(ctx, t.img, readerProcessor, purposeCutout)
	if err != nil {
		return nil, errOurs{err}
	}
	plain, err := loadSealed(ctx, t.Blobs, key, may, t.img, image.Original)
	if err != nil && !errors.Is(err, errDamaged) {
		return nil, errOurs{err}
	}
	return plain, err
}

// isDeleted tells a picture that was deleted while we were at it from one whose sealed
// copy is lost.
func (t *try) isDeleted(ctx context.Context) (bool, error) {
	history, err := t.Record.Load(ctx, image.Stream(t.img))
	if err != nil {
		return false, errOurs{fmt.Errorf("load image: %w", err)}
	}
	if image.FromRecord(history).Status() != image.Waiting {
		return true, nil
	}
	return false, errors.New("the sealed picture is not in the store") // and trying for ever does not bring it back
}

func (t *try) processed(ctx context.Context, fact image.Processed) (done bool, err error) {
	decided, ok := image.DecideProcessed(t.state, fact)
	if !ok {
		return true, nil
	}
	err = t.append(ctx, decided)
	if err == nil {
		return true, nil
	}
	if !errors.Is(err, event.ErrConflict) {
		return false, errOurs{err}
	}
	// Somebody was faster. If the picture was deleted, our result is noise under a destroyed
	// key; if another processor finished, its result lies under the same name and is as good.
	history, err := t.Record.Load(ctx, image.Stream(t.img))
	if err != nil {
		return false, errOurs{fmt.Errorf("load image: %w", err)}
	}
	switch image.FromRecord(history).Status() {
	case image.Gone:
		return true, t.Blobs.Delete(ctx, blobName(t.img, image.Result))
	case image.Waiting:
		return false, errOurs{errors.New("the picture changed while it was cut out")}
	case image.Unknown, image.Failed, image.Ready:
	}
	return true, nil
}

// failed records that there will be no cutout.
func (t *try) failed(ctx context.Context, why error) error {
	fact, ok := image.DecideFailed(t.state, codeOf(why), min(t.number, image.MaxAttempts))
	if !ok {
		return nil
	}
	if err := t.append(ctx, fact); err != nil && !errors.Is(err, event.ErrConflict) {
		// Not recorded, so not decided: the next delivery finds the same reason again.
		return errors.Join(err, t.forget(ctx))
	}
	return t.forget(ctx)
}

func (t *try) append(ctx context.Context, fact image.Event) error {
	_, err := t.Record.Append(ctx, event.Append{
		At:    t.Now(),
		Actor: event.Actor{Role: event.Processor},
		Cause: t.cause,
		Parts: []event.Part{{
			Stream:   image.Stream(t.img),
			Expected: t.state.Version(),
			Facts:    []event.Pending{{Fact: fact}},
		}},
	})
	if err != nil {
		return fmt.Errorf("record the outcome: %w", err)
	}
	return nil
}
