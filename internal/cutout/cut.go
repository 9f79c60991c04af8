package cutout

import (
	"context"
	"fmt"
	"image"
	"io"
	"time"
)

// Options for Cut. The zero value is a cutout within the limits of domain/image.
type Options struct {
	Limits Limits
	// Workers bounds the goroutines; zero asks the segmenter before every stage.
	Workers int
}

// Timings are how long each stage took. Encode is zero until Result.Encode has run.
type Timings struct {
	Decode, Resize, Run, Mask, Foreground, Encode time.Duration
}

// Result is a cutout in memory: straight RGB and alpha. Pixels that are fully
// transparent are black.
//
// Whoever made it owns it, and MUST call Release once.
type Result struct {
	Width, Height int
	Format        Format // of the source
	Timings       Timings

	picture *Picture
	alpha   []uint8
	workers func() int
}

// Cut removes the background of a picture: decode, ask the network, enlarge its
// mask, estimate the colours at the edges. What is left is to Encode the result.
//
// Errors are refusals of domain/image for pictures that cannot be used,
// ctx.Err() when it is cancelled, and the segmenter's.
func Cut(ctx context.Context, data []byte, o Options, seg Segmenter) (*Result, error) {
	workers := seg.Workers
	if o.Workers > 0 {
		workers = func() int { return o.Workers }
	}
	r := &Result{workers: workers}
	watch := stopwatch{time.Now()}

	p, err := Decode(data, o.Limits, workers())
	if err != nil {
		return nil, err
	}
	r.picture, r.Width, r.Height, r.Format = p, p.Width, p.Height, p.Format
	watch.lap(&r.Timings.Decode)
	if err := r.segment(ctx, seg, &watch); err != nil {
		r.Release()
		return nil, err
	}
	return r, nil
}

// segment is everything after decoding.
func (r *Result) segment(ctx context.Context, seg Segmenter, watch *stopwatch) error {
	spec, p := seg.Spec(), r.picture
	if err := ctx.Err(); err != nil {
		return err
	}
	small := p.shrink(spec.Width, spec.Height, r.workers())
	defer bytesPool.put(small)
	input := spec.toInput(small)
	defer floatPool.put(input)
	watch.lap(&r.Timings.Resize)

	output, err := seg.Run(ctx, input)
	if err != nil {
		return fmt.Errorf("segment: %w", err)
	}
	if len(output) != spec.Width*spec.Height {
		return fmt.Errorf("segment: network returned %d values for %d × %d", len(output), spec.Width, spec.Height)
	}
	watch.lap(&r.Timings.Run)

	mask := spec.toMask(output)
	defer bytesPool.put(mask)
	workers := r.workers()
	r.alpha = resizeMask(mask, spec.Width, spec.Height, p.Width, p.Height, workers)
	watch.lap(&r.Timings.Mask)

	coarse := coarseLevel(small, mask, spec.Width, spec.Height)
	coarse.estimate()
	p.finish(r.alpha, coarse, workers)
	watch.lap(&r.Timings.Foreground)
	return ctx.Err()
}

// shrink resizes the picture for the network. Where it is transparent, the
// network sees neutral grey.
func (p *Picture) shrink(w, h, workers int) []uint8 {
	if p.opaque {
		return resizeRGB(p.pix, p.Width, p.Height, w, h, workers)
	}
	flat := bytesPool.get(len(p.pix))
	defer bytesPool.put(flat)
	split(workers, len(p.pix)/4, 1<<16, func(lo, hi int) {
		for i := 4 * lo; i < 4*hi; i += 4 {
			a := int(p.pix[i+3])
			for c := range 3 {
				flat[i+c] = uint8((int(p.pix[i+c])*a + 128*(255-a) + 127) / 255)
			}
		}
	})
	return resizeRGB(flat, p.Width, p.Height, w, h, workers)
}

// Release gives the result's memory back.
func (r *Result) Release() {
	r.picture.Release()
	bytesPool.put(r.alpha)
	r.alpha = nil
}

// Image returns the cutout's own pixels, valid until Release.
func (r *Result) Image() *image.NRGBA { return r.picture.Image() }

// Alpha returns the mask's own pixels, valid until Release.
func (r *Result) Alpha() *image.Gray {
	return &image.Gray{Pix: r.alpha, Stride: r.Width, Rect: image.Rect(0, 0, r.Width, r.Height)}
}

// Encode writes the result as PNG while it is being compressed. An error is the
// writer's.
func (r *Result) Encode(w io.Writer, channels Channels) error {
	watch := stopwatch{time.Now()}
	var err error
	if channels == AlphaOnly {
		mask := pngImage{width: r.Width, height: r.Height, pix: r.alpha, stride: r.Width, stored: 1, channels: 1}
		err = mask.encode(w, r.workers())
	} else {
		err = EncodePNG(w, r.Image(), channels, r.workers())
	}
	watch.lap(&r.Timings.Encode)
	return err
}

type stopwatch struct{ from time.Time }

// lap adds the time since the last lap to stage.
func (s *stopwatch) lap(stage *time.Duration) {
	now := time.Now()
	*stage += now.Sub(s.from)
	s.from = now
}
