// Package testphotos holds the four photos that tests and benchmarks share, and
// makes large ones out of them. Rights: README.md beside this file.
//
// Nothing in it is meant for the running service: it is imported by tests only.
package testphotos

import (
	"bytes"
	"embed"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"sync"

	"golang.org/x/image/draw"
)

//go:embed photos/*.jpg
var photos embed.FS

// Names lists the photos in a fixed order.
func Names() []string { return []string{"astronaut", "chelsea", "coffee", "rocket"} }

// Original returns the bytes of one photo as it was published. It panics on a
// name that Names does not list, because only a mistake in a test can do that.
func Original(name string) []byte {
	data, err := photos.ReadFile("photos/" + name + ".jpg")
	if err != nil {
		panic(fmt.Sprintf("testphotos: no photo %q", name))
	}
	return data
}

var large sync.Map // "name megapixels" → func() []byte

// JPEG returns the photo scaled to about the given number of megapixels with
// sensor-like noise of two levels, encoded at quality 90 with 4:2:0 chroma. The
// same arguments give the same bytes; they are computed once per process and
// MUST NOT be changed by the caller.
func JPEG(name string, megapixels float64) []byte {
	once, _ := large.LoadOrStore(fmt.Sprint(name, megapixels), sync.OnceValue(func() []byte {
		return enlarge(Original(name), megapixels)
	}))
	return once.(func() []byte)()
}

func enlarge(original []byte, megapixels float64) []byte {
	src, err := jpeg.Decode(bytes.NewReader(original))
	if err != nil {
		panic(fmt.Sprintf("testphotos: %v", err))
	}
	b := src.Bounds()
	scale := math.Sqrt(megapixels * 1e6 / float64(b.Dx()*b.Dy()))
	dst := image.NewRGBA(image.Rect(0, 0, int(float64(b.Dx())*scale), int(float64(b.Dy())*scale)))
	draw.BiLinear.Scale(dst, dst.Rect, src, b, draw.Src, nil)
	addNoise(dst)

	var out bytes.Buffer
	if err := jpeg.Encode(&out, dst, &jpeg.Options{Quality: 90}); err != nil {
		panic(fmt.Sprintf("testphotos: %v", err))
	}
	return out.Bytes()
}

// addNoise shifts the brightness of every pixel by up to two levels.
func addNoise(m *image.RGBA) {
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same noise on every run is the point
	for i := 0; i < len(m.Pix); i += 4 {
		n := rng.IntN(5) - 2
		for c := range 3 {
			m.Pix[i+c] = uint8(min(max(int(m.Pix[i+c])+n, 0), 255)) //nolint:gosec // clamped to 0..255
		}
	}
}

// Gradient returns a picture without any subject, for tests that only need
// pixels of every value in every channel.
func Gradient(width, height int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			m.SetNRGBA(x, y, color.NRGBA{R: uint8(x), G: uint8(y), B: uint8(x ^ y), A: 255})
		}
	}
	return m
}
