package cutout

import (
	"io"
	"math"
)

// Reduce writes the PNG of a result with at most maxPixels pixels (0 keeps them all), or only
// its mask, and returns the width and height. Errors are Decode's and the writer's.
func Reduce(w io.Writer, result []byte, maxPixels int, channels Channels, workers int) (width, height int, err error) {
	p, err := Decode(result, ResultLimits, workers)
	if err != nil {
		return 0, 0, err
	}
	defer p.Release()
	m := p.Image()
	if maxPixels > 0 && p.Width*p.Height > maxPixels {
		// Rounded down, so that the limit holds.
		scale := math.Sqrt(float64(maxPixels) / float64(p.Width*p.Height))
		m = reduce(m, max(int(float64(p.Width)*scale), 1), max(int(float64(p.Height)*scale), 1), workers)
		defer bytesPool.put(m.Pix)
	}
	return m.Rect.Dx(), m.Rect.Dy(), EncodePNG(w, m, channels, workers)
}
