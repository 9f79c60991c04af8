package cutout

import (
	"bytes"
	"image"
	"math"
	"testing"

	"github.com/bgremover/bgremover/internal/testphotos"
	"pgregory.net/rapid"
)

// plainResize is Pillow's Resample.c word for word: one channel at a time, no
// packing, no shortcuts.
func plainResize(src []uint8, w, h, channels, ow, oh int) []uint8 {
	if verticalFirst(w, h, ow, oh) {
		return plainAcross(plainDown(src, w, h, channels, oh), w, oh, channels, ow)
	}
	return plainDown(plainAcross(src, w, h, channels, ow), ow, h, channels, oh)
}

func plainAcross(src []uint8, w, h, channels, ow int) []uint8 {
	dst, weights := make([]uint8, ow*h*channels), plainWeights(w, ow)
	for y := range h {
		for x, k := range weights {
			for c := range channels {
				sum := 1 << 21
				for i, v := range k.values {
					sum += int(src[(y*w+k.first+i)*channels+c]) * v
				}
				dst[(y*ow+x)*channels+c] = uint8(min(max(sum>>22, 0), 255))
			}
		}
	}
	return dst
}

func plainDown(src []uint8, w, h, channels, oh int) []uint8 {
	dst, weights := make([]uint8, w*oh*channels), plainWeights(h, oh)
	for y, k := range weights {
		for i := range w * channels {
			sum := 1 << 21
			for j, v := range k.values {
				sum += int(src[(k.first+j)*w*channels+i]) * v
			}
			dst[y*w*channels+i] = uint8(min(max(sum>>22, 0), 255))
		}
	}
	return dst
}

type plainTap struct {
	first  int
	values []int
}

func plainWeights(in, out int) []plainTap {
	list := make([]plainTap, out)
	scale := float64(in) / float64(out)
	reach := 3 * max(scale, 1)
	for x := range list {
		centre := (float64(x) + 0.5) * scale
		first := max(int(centre-reach+0.5), 0)
		last := min(int(centre+reach+0.5), in)
		var raw []float64
		sum := 0.0
		for i := first; i < last; i++ {
			at := (float64(i) - centre + 0.5) / max(scale, 1)
			v := 0.0
			if at >= -3 && at < 3 {
				v = sinc(at) * sinc(at/3)
			}
			raw = append(raw, v)
			sum += v
		}
		list[x].first = first
		for _, v := range raw {
			list[x].values = append(list[x].values, int(math.Floor(v/sum*(1<<22)+0.5)))
		}
	}
	return list
}

// Whatever the sizes and the workers, packing changes nothing.
func TestResizeEqualsThePlainFormula(t *testing.T) {
	side := rapid.IntRange(1, 90)
	rapid.Check(t, func(t *rapid.T) {
		w, h, ow, oh := side.Draw(t, "w"), side.Draw(t, "h"), side.Draw(t, "ow"), side.Draw(t, "oh")
		workers := rapid.IntRange(1, 3).Draw(t, "workers")
		pix := drawPixels(t, 4*w*h)
		got := resizeRGB(pix, w, h, ow, oh, workers)
		want := plainResize(pix, w, h, 4, ow, oh)
		for i := range ow * oh {
			if !bytes.Equal(got[3*i:3*i+3], want[4*i:4*i+3]) {
				t.Fatalf("pixel %d: got %v, want %v", i, got[3*i:3*i+3], want[4*i:4*i+3])
			}
		}
		mask := pix[:w*h]
		if got, want := resizeMask(mask, w, h, ow, oh, workers), plainResize(mask, w, h, 1, ow, oh); !bytes.Equal(got, want) {
			t.Fatalf("mask: got %v, want %v", got, want)
		}
	})
}

// drawPixels draws bytes that have long stretches of 0 and 255 between noise,
// as masks have.
func drawPixels(t *rapid.T, n int) []uint8 {
	pix := make([]uint8, n)
	for i := 0; i < n; {
		stretch := pix[i : i+min(n-i, rapid.IntRange(1, max(n/3, 1)).Draw(t, "stretch"))]
		kind := rapid.SampledFrom([]int{0, 255, -1}).Draw(t, "kind")
		seed := rapid.Uint32().Draw(t, "seed")
		for j := range stretch {
			if kind >= 0 {
				stretch[j] = uint8(kind)
				continue
			}
			seed = seed*1664525 + 1013904223
			stretch[j] = uint8(seed >> 24)
		}
		i += len(stretch)
	}
	return pix
}

func TestVerticalFirstIsPillowsRule(t *testing.T) {
	// Measured with Pillow 13.0.0.
	tests := []struct {
		w, h, ow, oh int
		then         bool
	}{
		{320, 320, 451, 300, true},
		{320, 320, 451, 320, false},
		{320, 320, 451, 900, false},
		{320, 320, 250, 179, true},
		{320, 320, 250, 180, false},
		{320, 320, 320, 100, false},
		{3000, 4000, 320, 320, false},
		{1170, 2532, 320, 320, true},
	}
	for _, tt := range tests {
		if got := verticalFirst(tt.w, tt.h, tt.ow, tt.oh); got != tt.then {
			t.Errorf("%d × %d to %d × %d: got %v", tt.w, tt.h, tt.ow, tt.oh, got)
		}
	}
}

// fromYCbCr is libjpeg's arithmetic in lanes; here it is in plain integers.
func TestYCbCrEqualsThePlainFormula(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ratio := rapid.SampledFrom([]image.YCbCrSubsampleRatio{
			image.YCbCrSubsampleRatio444, image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio420,
			image.YCbCrSubsampleRatio440, image.YCbCrSubsampleRatio411, image.YCbCrSubsampleRatio410,
		}).Draw(t, "ratio")
		w, h := rapid.IntRange(1, 40).Draw(t, "w"), rapid.IntRange(1, 9).Draw(t, "h")
		m := image.NewYCbCr(image.Rect(0, 0, w, h), ratio)
		copy(m.Y, drawPixels(t, len(m.Y)))
		copy(m.Cb, drawPixels(t, len(m.Cb)))
		copy(m.Cr, drawPixels(t, len(m.Cr)))
		pix := make([]uint8, 4*w*h)
		fromYCbCr(pix, m, jfif, 2)
		for y := range h {
			for x := range w {
				want := plainYCbCr(int(m.Y[y*m.YStride+x]), plainChroma(m, m.Cb, x, y), plainChroma(m, m.Cr, x, y))
				if got := [4]uint8(pix[4*(y*w+x):]); got != want {
					t.Fatalf("%v at (%d, %d): got %v, want %v", ratio, x, y, got, want)
				}
			}
		}
	})
}

func plainYCbCr(y, cb, cr int) [4]uint8 {
	cb, cr = cb-128, cr-128
	to8 := func(v int) uint8 { return uint8(min(max(v, 0), 255)) }
	return [4]uint8{
		to8(y + (91881*cr+32768)>>16), to8(y + (-22554*cb-46802*cr+32768)>>16), to8(y + (116130*cb+32768)>>16), 255,
	}
}

func plainChroma(m *image.YCbCr, plane []uint8, x, y int) int {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	across, down := 1, 1
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio422:
		across = 2
	case image.YCbCrSubsampleRatio420:
		across, down = 2, 2
	case image.YCbCrSubsampleRatio440:
		down = 2
	case image.YCbCrSubsampleRatio411:
		across = 4
	case image.YCbCrSubsampleRatio410:
		across, down = 4, 2
	case image.YCbCrSubsampleRatio444:
	}
	cw, ch := (w+across-1)/across, (h+down-1)/down
	at := func(cx, cy int) int { return int(plane[min(max(cy, 0), ch-1)*m.CStride+min(max(cx, 0), cw-1)]) }
	side := func(v int) int { return v/2 - 1 + 2*(v%2) } // the farther of the two nearest samples
	switch {
	case across == 4, across == 2 && cw <= 2:
		return at(x/across, y/down)
	case across == 2 && down == 2:
		near := 3*at(x/2, y/2) + at(x/2, side(y))
		far := 3*at(side(x), y/2) + at(side(x), side(y))
		return (3*near + far + 8 - x%2) >> 4
	case across == 2:
		return (3*at(x/2, y) + at(side(x), y) + 1 + x%2) >> 2
	case down == 2:
		return (3*at(x, y/2) + at(x, side(y)) + 1 + y%2) >> 2
	default:
		return at(x, y)
	}
}

func TestOrientationsLandWhereTheyShould(t *testing.T) {
	// A picture of 3 × 2 pixels, numbered from 1, and how it looks upright.
	tests := map[orientation][]uint8{
		1: {1, 2, 3, 4, 5, 6},
		2: {3, 2, 1, 6, 5, 4},
		3: {6, 5, 4, 3, 2, 1},
		4: {4, 5, 6, 1, 2, 3},
		5: {1, 4, 2, 5, 3, 6},
		6: {4, 1, 5, 2, 6, 3},
		7: {6, 3, 5, 2, 4, 1},
		8: {3, 6, 2, 5, 1, 4},
		9: {1, 2, 3, 4, 5, 6},
	}
	for o, want := range tests {
		p := &Picture{Width: 3, Height: 2, pix: make([]uint8, 24)}
		for i := range 6 {
			p.pix[4*i] = uint8(i + 1)
		}
		p.turn(o, 2)
		var got []uint8
		for i := 0; i < len(p.pix); i += 4 {
			got = append(got, p.pix[i])
		}
		if swapped := p.Width == 2; !bytes.Equal(got, want) || swapped != o.swaps() {
			t.Errorf("%d: got %v of width %d, want %v", o, got, p.Width, want)
		}
	}
}

func BenchmarkStages(b *testing.B) {
	for _, megapixels := range []float64{1.3, 12} {
		data := testphotos.JPEG("astronaut", megapixels)
		p, err := Decode(data, Limits{}, 2)
		if err != nil {
			b.Fatal(err)
		}
		mask := resizeMask(p.pix[:320*320], 320, 320, 320, 320, 1)
		for name, stage := range map[string]func(){
			"decode": func() {
				q, err := Decode(data, Limits{}, 2)
				if err != nil {
					b.Fatal(err)
				}
				q.Release()
			},
			"resize": func() { bytesPool.put(resizeRGB(p.pix, p.Width, p.Height, 320, 320, 2)) },
			"mask":   func() { bytesPool.put(resizeMask(mask, 320, 320, p.Width, p.Height, 2)) },
		} {
			b.Run(name+"/"+megapixelName(megapixels), func(b *testing.B) {
				for b.Loop() {
					stage()
				}
			})
		}
	}
}

func megapixelName(mp float64) string {
	if mp < 10 {
		return "1.3MP"
	}
	return "12MP"
}
