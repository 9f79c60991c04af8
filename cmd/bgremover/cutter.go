package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bgremover/bgremover/adapters/onnx"
	"github.com/bgremover/bgremover/adapters/web/api"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/internal/cutout"
	"github.com/bgremover/bgremover/internal/usecase"
)

// cutter makes cutouts with one model: internal/cutout's mathematics over adapters/onnx's network.
type cutter struct {
	model  *onnx.Model
	busy   *atomic.Int64                         // counts the slots that are taken, when set
	stage  func(name string, took time.Duration) // is told how long each stage took, when set
	asides chan struct{}                         // held by previews and the like; nil where there are none
}

// slot waits for a slot. What it returns gives it back, the first time it is called.
func (c cutter) slot(ctx context.Context) (slot *onnx.Slot, free func(), err error) {
	if slot, err = c.model.Slot(ctx); err != nil {
		return nil, nil, err
	}
	if c.busy != nil {
		c.busy.Add(1)
	}
	return slot, sync.OnceFunc(func() {
		if c.busy != nil {
			c.busy.Add(-1)
		}
		slot.Release()
	}), nil
}

// Cut implements usecase.Cutter.
func (c cutter) Cut(ctx context.Context, load func() ([]byte, error)) (usecase.Cutout, error) {
	slot, free, err := c.slot(ctx)
	if err != nil {
		return usecase.Cutout{}, err
	}
	kept := false
	defer func() { // also when a picture makes one of the stages panic
		if !kept {
			free()
		}
	}()
	data, err := load()
	if err != nil {
		return usecase.Cutout{}, err
	}
	result, err := cutout.Cut(ctx, data, cutout.Options{}, slot)
	if err != nil {
		return usecase.Cutout{}, err
	}
	kept = true
	return usecase.Cutout{
		Model:  c.model.Passport().Name,
		Width:  result.Width,
		Height: result.Height,
		Stages: stagesOf(result.Timings),
		Encode: func(w io.Writer) (int64, error) {
			defer free() // storing what is encoded needs no core
			err := result.Encode(w, cutout.RGBA)
			c.tell(result.Timings)
			return result.Timings.Encode.Milliseconds(), err
		},
		Release: func() {
			result.Release()
			free()
		},
	}, nil
}

func stagesOf(t cutout.Timings) image.Stages {
	ms := func(d time.Duration) int64 { return d.Milliseconds() }
	return image.Stages{Decode: ms(t.Decode), Resize: ms(t.Resize), Run: ms(t.Run), Mask: ms(t.Mask), Foreground: ms(t.Foreground)}
}

func (c cutter) tell(t cutout.Timings) {
	if c.stage == nil {
		return
	}
	for name, took := range map[string]time.Duration{
		"decode": t.Decode, "resize": t.Resize, "run": t.Run, "mask": t.Mask, "foreground": t.Foreground, "encode": t.Encode,
	} {
		c.stage(name, took)
	}
}

// asides is how many previews and changes of results are made at once: cutouts come first.
const asides = 1

// Shrink implements usecase.Shrinker. A preview takes a slot like a cutout, because it holds
// a whole picture too; it is written when the slot is free again, however slowly it is read.
func (c cutter) Shrink(ctx context.Context, load func() ([]byte, error), maxSide int, w io.Writer) error {
	var png bytes.Buffer
	err := c.aside(ctx, func(workers int) error {
		data, err := load()
		if err != nil {
			return err
		}
		picture, err := cutout.Decode(data, cutout.ResultLimits, workers) // a result may be larger than an upload
		if err != nil {
			return err
		}
		defer picture.Release()
		return picture.Preview(&png, maxSide, workers)
	})
	if err != nil {
		return err
	}
	_, err = png.WriteTo(w)
	return err
}

// transform makes what a client of remove.bg asked for out of a finished result: fewer pixels, or only the mask.
func (c cutter) transform(ctx context.Context, png io.Reader, o api.Options, w io.Writer) (width, height int, err error) {
	channels := cutout.RGBA
	if o.AlphaOnly {
		channels = cutout.AlphaOnly
	}
	err = c.aside(ctx, func(workers int) error {
		data, err := io.ReadAll(png)
		if err != nil {
			return fmt.Errorf("read the result: %w", err)
		}
		width, height, err = cutout.Reduce(w, data, o.MaxPixels, channels, workers)
		return err
	})
	return width, height, err
}

// aside does something with a slot that is not a cutout.
func (c cutter) aside(ctx context.Context, do func(workers int) error) error {
	select {
	case c.asides <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-c.asides }()
	slot, free, err := c.slot(ctx)
	if err != nil {
		return err
	}
	defer free()
	return do(slot.Workers())
}
