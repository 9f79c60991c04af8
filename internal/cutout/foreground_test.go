package cutout

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// scene is a mixture whose foreground is known: a textured disc with a soft
// edge over a gradient.
type scene struct {
	w, h       int
	alpha      []uint8
	mixed      []uint8 // 4 bytes a pixel
	foreground [][3]float64
	small      []uint8 // the mixture at the network's size, 3 bytes a pixel
	smallAlpha []uint8
}

func newScene(w, h, side int) *scene {
	s := &scene{w: w, h: h, alpha: make([]uint8, w*h), mixed: make([]uint8, 4*w*h), foreground: make([][3]float64, w*h)}
	radius, soft := float64(min(w, h))/3, float64(min(w, h))/20
	for y := range h {
		for x := range w {
			i := y*w + x
			d := math.Hypot(float64(x)-float64(w)/2, float64(y)-float64(h)/2)
			a := math.Round(min(max((radius-d)/soft+0.5, 0), 1)*255) / 255
			f := [3]float64{150 + 40*math.Sin(float64(x)*30/float64(w)), 60, 40 + 40*math.Sin(float64(y)*20/float64(h))}
			b := [3]float64{60, 140 + 80*float64(x)/float64(w), 200 - 60*float64(y)/float64(h)}
			s.alpha[i] = uint8(a * 255)
			s.foreground[i] = f
			for c := range 3 {
				s.mixed[4*i+c] = uint8(a*f[c] + (1-a)*b[c] + 0.5)
			}
			s.mixed[4*i+3] = 255
		}
	}
	s.small = resizeRGB(s.mixed, w, h, side, side, 1)
	s.smallAlpha = resizeMask(s.alpha, w, h, side, side, 1)
	return s
}

// errors returns the mean distance to the true foreground in the band, where
// alpha makes it visible, before and after the estimate.
func (s *scene) errors(workers int) (before, after float64) {
	p := &Picture{Width: s.w, Height: s.h, pix: append([]uint8(nil), s.mixed...), opaque: true}
	l := coarseLevel(s.small, s.smallAlpha, 64, 64)
	l.estimate()
	p.finish(s.alpha, l, workers)
	var weight float64
	for i, a := range s.alpha {
		if a == 0 || a == 255 {
			continue
		}
		weight += float64(a)
		for c := range 3 {
			before += float64(a) * math.Abs(float64(s.mixed[4*i+c])-s.foreground[i][c])
			after += float64(a) * math.Abs(float64(p.pix[4*i+c])-s.foreground[i][c])
		}
	}
	return before / weight, after / weight
}

func TestForegroundColoursComeBack(t *testing.T) {
	for _, size := range [][2]int{{64, 64}, {300, 200}, {900, 1200}} {
		before, after := newScene(size[0], size[1], 64).errors(2)
		if after > before/4 {
			t.Errorf("%v: off by %.1f, was %.1f", size, after, before)
		}
	}
}

// What is all foreground stays bit for bit, whatever the mask.
func TestSolidPixelsStay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, h := rapid.IntRange(1, 40).Draw(t, "w"), rapid.IntRange(1, 40).Draw(t, "h")
		alpha := drawPixels(t, w*h)
		pix := drawPixels(t, 4*w*h)
		for i := range w * h {
			pix[4*i+3] = 255
		}
		p := &Picture{Width: w, Height: h, pix: append([]uint8(nil), pix...), opaque: true}
		l := coarseLevel(resizeRGB(pix, w, h, 8, 8, 1), resizeMask(alpha, w, h, 8, 8, 1), 8, 8)
		l.estimate()
		p.finish(alpha, l, 2)
		for i, a := range alpha {
			got := p.pix[4*i : 4*i+4]
			switch {
			case got[3] != a:
				t.Fatalf("pixel %d: alpha is %d, want %d", i, got[3], a)
			case a == 0 && (got[0]|got[1]|got[2]) != 0:
				t.Fatalf("pixel %d: invisible and %v", i, got)
			case a == 255 && [3]uint8(got) != [3]uint8(pix[4*i:]):
				t.Fatalf("pixel %d: %v became %v", i, pix[4*i:4*i+4], got)
			}
		}
	})
}

func TestCoarseLevelIsBounded(t *testing.T) {
	for _, size := range [][2]int{{320, 320}, {1024, 1024}, {2048, 512}, {1, 1}} {
		w, h := size[0], size[1]
		l := coarseLevel(make([]uint8, 3*w*h), make([]uint8, w*h), w, h)
		if l.w > maxCoarse || l.h > maxCoarse || l.w < 1 || l.h < 1 {
			t.Errorf("%v becomes %d × %d", size, l.w, l.h)
		}
		l.estimate()
	}
}
