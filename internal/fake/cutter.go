package fake

import (
	"bytes"
	"context"
	"errors"
	stdimage "image"
	"image/draw"
	_ "image/gif" // formats that Cutter reads
	_ "image/jpeg"
	"image/png"
	"io"
	"math"

	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/internal/usecase"
)

// Cutter cuts out an ellipse in the middle of a picture, with a soft edge.
type Cutter struct {
	// Gate, when set, keeps every cutout waiting until it is closed.
	Gate chan struct{}
}

var (
	_ usecase.Cutter   = Cutter{}
	_ usecase.Shrinker = Cutter{}
)

// Inspect refuses what is no picture, or has too many pixels, from its head alone.
func Inspect(picture []byte) (usecase.Head, error) {
	head, format, err := stdimage.DecodeConfig(bytes.NewReader(picture))
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return usecase.Head{}, image.ErrTruncated
	case err != nil:
		return usecase.Head{}, image.ErrNotAnImage
	case head.Width*head.Height > image.MaxPixels:
		return usecase.Head{}, image.ErrTooManyPixels
	}
	return usecase.Head{Type: format, Pixels: int64(head.Width) * int64(head.Height)}, nil
}

// Cut implements [usecase.Cutter].
func (c Cutter) Cut(ctx context.Context, load func() ([]byte, error)) (usecase.Cutout, error) {
	if c.Gate != nil {
		select {
		case <-c.Gate:
		case <-ctx.Done():
			return usecase.Cutout{}, ctx.Err()
		}
	}
	src, err := decode(load)
	if err != nil {
		return usecase.Cutout{}, err
	}
	size := src.Bounds()
	return usecase.Cutout{
		Model: "ellipse", Width: size.Dx(), Height: size.Dy(),
		Stages:  image.Stages{Run: 1},
		Encode:  func(w io.Writer) (int64, error) { return 1, encode(w, ellipse(src)) },
		Release: func() {},
	}, nil
}

// Shrink implements [usecase.Shrinker], by leaving out pixels.
func (Cutter) Shrink(_ context.Context, load func() ([]byte, error), maxSide int, w io.Writer) error {
	src, err := decode(load)
	if err != nil {
		return err
	}
	size := src.Bounds()
	step := max(1, (max(size.Dx(), size.Dy())+maxSide-1)/maxSide)
	small := stdimage.NewNRGBA(stdimage.Rect(0, 0, max(1, size.Dx()/step), max(1, size.Dy()/step)))
	for y := range small.Rect.Dy() {
		for x := range small.Rect.Dx() {
			small.Set(x, y, src.At(size.Min.X+x*step, size.Min.Y+y*step))
		}
	}
	return encode(w, small)
}

// decode reads a picture; one that has a head and no complete body is refused as truncated.
func decode(load func() ([]byte, error)) (stdimage.Image, error) {
	picture, err := load()
	if err != nil {
		return nil, err
	}
	src, _, err := stdimage.Decode(bytes.NewReader(picture))
	if err != nil {
		return nil, image.ErrTruncated
	}
	return src, nil
}

func encode(w io.Writer, m stdimage.Image) error {
	return (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(w, m)
}

func ellipse(src stdimage.Image) *stdimage.NRGBA {
	size := src.Bounds()
	opaque := stdimage.NewRGBA(stdimage.Rect(0, 0, size.Dx(), size.Dy())) // what package draw is quick at
	draw.Draw(opaque, opaque.Rect, src, size.Min, draw.Src)
	out := &stdimage.NRGBA{Pix: opaque.Pix, Stride: opaque.Stride, Rect: opaque.Rect}
	for y := range size.Dy() {
		for x := range size.Dx() {
			dx := 2*float64(x)/float64(size.Dx()) - 1
			dy := 2*float64(y)/float64(size.Dy()) - 1
			out.Pix[out.PixOffset(x, y)+3] = uint8(255 * min(1, max(0, 12*(0.8-math.Hypot(dx, dy)))))
		}
	}
	return out
}
