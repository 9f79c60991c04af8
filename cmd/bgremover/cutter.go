package main

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bgremover/bgremover/adapters/onnx"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/internal/cutout"
	"github.com/bgremover/bgremover/internal/usecase"
)

// cutter makes cutouts with one model: internal/cutout's mathematics over adapters/onnx's network.
type cutter struct {
	model *onnx.Model
	busy  *atomic.Int64                         // counts the slots that are taken, when set
	stage func(name string, took time.Duration) // is told how long each stage took, when set
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
	data, err := load()
	if err != nil {
		free()
		return usecase.Cutout{}, err
	}
	result, err := cutout.Cut(ctx, data, cutout.Options{}, slot)
	if err != nil {
		free()
		return usecase.Cutout{}, err
	}
	return usecase.Cutout{
		Model:  c.model.Passport().Name,
		Width:  result.Width,
		Height: result.Height,
		Stages: stagesOf(result.Timings),
		Encode: func(w io.Writer) (int64, error) {
			err := result.Encode(w, cutout.RGBA)
			free() // storing what is encoded needs no core
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

// Shrink implements usecase.Shrinker. Previews take a slot like cutouts, because they hold a whole picture too.
func (c cutter) Shrink(ctx context.Context, load func() ([]byte, error), maxSide int, w io.Writer) error {
	slot, free, err := c.slot(ctx)
	if err != nil {
		return err
	}
	defer free()
	data, err := load()
	if err != nil {
		return err
	}
	picture, err := cutout.Decode(data, cutout.Limits{}, slot.Workers())
	if err != nil {
		return err
	}
	defer picture.Release()
	return picture.Preview(w, maxSide, slot.Workers())
}
