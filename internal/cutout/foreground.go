package cutout

import (
	"encoding/binary"
	"math"
)

// A pixel at an edge shows a mixture: I = αF + (1−α)B. Left as it is, the cutout
// keeps a fringe of the old background. This file estimates F where 0 < α < 1.
//
// The coarse part is "Fast Multi-Level Foreground Estimation" (Germer, Uelwer,
// Conrad, Harmeling, 2020), solved from one pixel up to the resolution that the
// mask itself was computed at: α holds nothing finer, and so the colours beside
// an edge are settled there. The fine part takes these F and B, interpolated,
// as what the article's last level takes from its neighbours, and solves the
// same 2 × 2 system once for every pixel of the band. That costs a hundredth of
// running the article's last levels at full size, and looks the same.

const (
	maxCoarse      = 512  // side of the largest coarse level
	regularisation = 1e-5 // the article's ε
	smallLevel     = 32   // levels up to this side get more iterations
	smallSteps     = 10
	bigSteps       = 2
	trust          = 0.1 // how much the fine part trusts the coarse colours over the pixel
	// From here on a pixel counts as all foreground: what it can have of the
	// background is less than the eye can tell, and networks leave much of a
	// subject just short of 255.
	solid     = 252
	nearlyOne = solid / 255.0
)

// colours are estimates of foreground and background at one place, 0…255.
type colours struct{ f, b [3]float32 }

// level is the picture at one resolution.
type level struct {
	w, h  int
	alpha []float32
	rgb   [][3]float32
	fb    []colours
}

func newLevel(w, h int) *level {
	return &level{w: w, h: h, alpha: make([]float32, w*h), rgb: make([][3]float32, w*h), fb: make([]colours, w*h)}
}

// coarseLevel averages a picture of three bytes a pixel and its mask down to at
// most maxCoarse a side.
func coarseLevel(rgb, mask []uint8, w, h int) *level {
	n := (max(w, h) + maxCoarse - 1) / maxCoarse
	l := newLevel((w+n-1)/n, (h+n-1)/n)
	for y := range l.h {
		for x := range l.w {
			var sum [3]float32
			var alpha, count float32
			for sy := y * n; sy < min(y*n+n, h); sy++ {
				for sx := x * n; sx < min(x*n+n, w); sx++ {
					i := sy*w + sx
					for c := range 3 {
						sum[c] += float32(rgb[3*i+c])
					}
					alpha += float32(mask[i])
					count++
				}
			}
			i := y*l.w + x
			l.alpha[i] = alpha / (255 * count)
			for c := range 3 {
				l.rgb[i][c] = sum[c] / count
			}
		}
	}
	return l
}

// estimate fills l.fb, coarse to fine.
func (l *level) estimate() {
	prev := newLevel(1, 1)
	prev.fb[0] = l.means()
	steps := int(math.Ceil(math.Log2(float64(max(l.w, l.h, 2)))))
	for i := range steps + 1 {
		part := float64(i) / float64(steps)
		next := l
		if i < steps {
			next = newLevel(int(math.Round(math.Pow(float64(l.w), part))), int(math.Round(math.Pow(float64(l.h), part))))
			next.sample(l)
		}
		next.inherit(prev)
		next.solve()
		prev = next
	}
}

// means are the average colours of what is clearly foreground and background.
func (l *level) means() (m colours) {
	var nf, nb float32 = 1e-5, 1e-5
	for i, a := range l.alpha {
		switch {
		case a > 0.9:
			for c := range 3 {
				m.f[c] += l.rgb[i][c]
			}
			nf++
		case a < 0.1:
			for c := range 3 {
				m.b[c] += l.rgb[i][c]
			}
			nb++
		}
	}
	for c := range 3 {
		m.f[c] /= nf
		m.b[c] /= nb
	}
	return m
}

// sample takes over the nearest pixels of a larger level.
func (l *level) sample(from *level) {
	for y := range l.h {
		row := y * from.h / l.h * from.w
		for x := range l.w {
			i, j := y*l.w+x, row+x*from.w/l.w
			l.alpha[i], l.rgb[i] = from.alpha[j], from.rgb[j]
		}
	}
}

// inherit starts from the nearest colours of a smaller level, and from the
// pixel itself where it is known to be all foreground or all background.
func (l *level) inherit(from *level) {
	for y := range l.h {
		row := y * from.h / l.h * from.w
		for x := range l.w {
			i := y*l.w + x
			l.fb[i] = from.fb[row+x*from.w/l.w]
			if l.alpha[i] == 0 {
				l.fb[i].b = l.rgb[i]
			}
			if l.alpha[i] >= nearlyOne {
				l.fb[i].f = l.rgb[i]
			}
		}
	}
}

// solve runs the article's iteration. On large levels only the band needs it.
func (l *level) solve() {
	steps := bigSteps
	small := max(l.w, l.h) <= smallLevel
	if small {
		steps = smallSteps
	}
	band := make([]int32, 0, len(l.alpha)/4)
	for i, a := range l.alpha {
		if small || a > 0 && a < nearlyOne {
			band = append(band, int32(i))
		}
	}
	for range steps {
		for _, i := range band {
			l.step(int(i))
		}
	}
}

// step improves the colours of one pixel from its four neighbours: equation 4
// of the article, in place.
func (l *level) step(i int) {
	x, y := i%l.w, i/l.w
	near := [4]int{i, i, i, i}
	if x > 0 {
		near[0]--
	}
	if x < l.w-1 {
		near[1]++
	}
	if y > 0 {
		near[2] -= l.w
	}
	if y < l.h-1 {
		near[3] += l.w
	}
	a := l.alpha[i]
	var sum colours
	var weight float32
	for _, j := range near {
		d := a - l.alpha[j]
		if d < 0 {
			d = -d
		}
		d += regularisation
		weight += d
		n := &l.fb[j]
		for c := range 3 {
			sum.f[c] += d * n.f[c]
			sum.b[c] += d * n.b[c]
		}
	}
	p, q, r := a*a+weight, a*(1-a), (1-a)*(1-a)+weight
	inv := 1 / (p*r - q*q)
	for c := range 3 {
		f, b := a*l.rgb[i][c]+sum.f[c], (1-a)*l.rgb[i][c]+sum.b[c]
		l.fb[i].f[c] = min(max((r*f-q*b)*inv, 0), 255)
		l.fb[i].b[c] = min(max((p*b-q*f)*inv, 0), 255)
	}
}

// finish writes alpha into the picture, replaces the colours of the band by
// estimated ones, and blackens what is fully transparent: nothing of the
// background is left in the file, not even invisibly. A pixel that was itself
// transparent in the source already has a colour of its own, and keeps it.
func (p *Picture) finish(alpha []uint8, coarse *level, workers int) {
	columns := make([]column, p.Width)
	for x := range columns {
		i, f := interpolate(x, p.Width, coarse.w)
		columns[x] = column{int32(i), f}
	}
	split(workers, p.Height, 16, func(lo, hi int) {
		line := make([]colours, coarse.w+1)
		for y := lo; y < hi; y++ {
			row := p.pix[4*y*p.Width:][:4*p.Width]
			a := alpha[y*p.Width:][:p.Width]
			if from, to := band(a); from < to {
				coarse.line(line, y, p.Height, columns[from].at, columns[to-1].at+1)
				unmixRow(row, a, from, to, columns, line)
			}
			if p.opaque {
				mergeAlpha(row, a)
			} else {
				multiplyAlpha(row, a)
			}
		}
	})
}

func unmixRow(row, alpha []uint8, from, to int, columns []column, line []colours) {
	for x := from; x < to; x++ {
		a := alpha[x]
		if a-1 >= solid-1 { // 0 too
			continue
		}
		if px := row[4*x : 4*x+4 : 4*x+4]; px[3] == 255 {
			c := columns[x]
			gains[a].unmix(px, line[c.at:], c.part)
		}
	}
}

// column says between which coarse columns a pixel lies, and how far.
type column struct {
	at   int32
	part float32
}

// interpolate returns the coarse sample at or before fine sample x, and how far
// x lies towards the next.
func interpolate(x, fine, coarse int) (at int, part float32) {
	pos := (float64(x)+0.5)*float64(coarse)/float64(fine) - 0.5
	pos = min(max(pos, 0), float64(coarse-1))
	at = min(int(pos), max(coarse-2, 0))
	return at, float32(pos - float64(at))
}

// line interpolates the coarse colours for fine row y, between two columns
// inclusive; beyond the last column it repeats.
func (l *level) line(dst []colours, y, height int, from, to int32) {
	at, part := interpolate(y, height, l.h)
	a := l.fb[at*l.w:][:l.w]
	b := l.fb[min(at+1, l.h-1)*l.w:][:l.w]
	for x := int(from); x <= min(int(to), l.w-1); x++ {
		for c := range 3 {
			dst[x].f[c] = a[x].f[c] + part*(b[x].f[c]-a[x].f[c])
			dst[x].b[c] = a[x].b[c] + part*(b[x].b[c]-a[x].b[c])
		}
	}
	dst[l.w] = dst[l.w-1]
}

// band returns the stretch of a row outside of which there is nothing to do.
func band(alpha []uint8) (from, to int) {
	plain := func(a uint8) bool { return a-1 >= solid-1 }
	plain8 := func(s []uint8) bool {
		w := binary.LittleEndian.Uint64(s)
		return w == 0 || w == math.MaxUint64
	}
	to = len(alpha)
	for from+8 <= to && plain8(alpha[from:]) {
		from += 8
	}
	for from < to && plain(alpha[from]) {
		from++
	}
	for to-8 >= from && plain8(alpha[to-8:]) {
		to -= 8
	}
	for from < to && plain(alpha[to-1]) {
		to--
	}
	return from, to
}

// gain is the solution of the last level for one α: F = f + g·(I − αf − (1−α)b).
type gain struct{ alpha, g float32 }

var gains = func() (t [256]gain) {
	for i := range t {
		a := float32(i) / 255
		t[i] = gain{a, a / (a*a + (1-a)*(1-a) + trust)}
	}
	return t
}()

// unmix replaces a mixed colour by that of the foreground; part says how far
// the pixel lies from the first of two coarse columns to the second.
func (k gain) unmix(px []uint8, line []colours, part float32) {
	l, r := &line[0], &line[1]
	for c := range 3 {
		f := l.f[c] + part*(r.f[c]-l.f[c])
		b := l.b[c] + part*(r.b[c]-l.b[c])
		f += k.g * (float32(px[c]) - b - k.alpha*(f-b))
		px[c] = uint8(min(max(f, 0), 255) + 0.5)
	}
}

// mergeAlpha multiplies α into a row of opaque pixels, and clears those that
// come out fully transparent.
func mergeAlpha(row, alpha []uint8) {
	x := 0
	for ; x+8 <= len(alpha); x += 8 {
		eight := row[4*x : 4*x+32 : 4*x+32]
		switch a := binary.LittleEndian.Uint64(alpha[x:]); a {
		case 0:
			clear(eight)
		case math.MaxUint64:
		default:
			for i := range 8 {
				setAlpha(eight[4*i:], uint8(a>>(8*i)))
			}
		}
	}
	for ; x < len(alpha); x++ {
		setAlpha(row[4*x:], alpha[x])
	}
}

func setAlpha(px []uint8, a uint8) {
	if a == 0 {
		*(*[4]uint8)(px) = [4]uint8{}
		return
	}
	px[3] = a
}

// multiplyAlpha is mergeAlpha for a picture that was itself transparent in
// places; it leaves the product in alpha too.
func multiplyAlpha(row, alpha []uint8) {
	for x, a := range alpha {
		a = uint8((int(row[4*x+3])*int(a) + 127) / 255)
		setAlpha(row[4*x:], a)
		alpha[x] = a
	}
}
