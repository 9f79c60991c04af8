package cutout

import "math"

// Resampling is bit for bit Pillow's 8-bit Lanczos (libImaging/Resample.c):
// coefficients in fixed point, horizontal pass first, its result rounded to
// bytes before the vertical pass. A network answers to the last bit of what it
// is fed, so anything merely similar would give other masks than the peer's.
//
// The speed comes from doing two channels in one 64-bit multiplication: a
// product needs at most 31 bits and a sign, so two sums fit side by side in one
// word. The lower one may borrow from the upper; unpair gives it back.

const (
	fixedBits = 32 - 8 - 2 // fraction bits of a coefficient
	half      = 1 << (fixedBits - 1)
	halves    = half<<32 | half
	lobes     = 3.0
)

// tap says which inputs an output is the weighted sum of.
type tap struct {
	first   int
	weights []uint64 // two's complement
}

// taps returns the weights that resample in samples to out.
func taps(in, out int) []tap {
	scale := float64(in) / float64(out)
	stretch := max(scale, 1)
	reach := lobes * stretch
	most := int(math.Ceil(reach))*2 + 1
	list, room := make([]tap, out), make([]uint64, out*most)
	raw := make([]float64, most)
	for x := range list {
		centre := (float64(x) + 0.5) * scale
		first := max(int(centre-reach+0.5), 0)
		n := min(int(centre+reach+0.5), in) - first
		var sum float64
		for i := range raw[:n] {
			raw[i] = lanczos((float64(i+first) - centre + 0.5) * (1 / stretch))
			sum += raw[i]
		}
		weights := room[:n:n]
		room = room[n:]
		for i, v := range raw[:n] {
			weights[i] = uint64(int64(math.Round(v / sum * (1 << fixedBits))))
		}
		list[x] = tap{first, weights}
	}
	return list
}

// lanczos is sinc(x)·sinc(x/3) within three lobes.
func lanczos(x float64) float64 {
	if x < -lobes || x >= lobes {
		return 0
	}
	return sinc(x) * sinc(x/lobes)
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	x *= math.Pi
	return math.Sin(x) / x
}

// pair puts two bytes into the lanes of a word.
func pair(low, high uint8) uint64 { return uint64(low) | uint64(high)<<32 }

// unpair rounds both sums of a word to bytes and clamps them.
func unpair(sum uint64) (low, high uint8) {
	l := int32(uint32(sum))
	h := int32(uint32((sum - uint64(int64(l))) >> 32))
	return clip(l), clip(h)
}

func clip(sum int32) uint8 {
	v := sum >> fixedBits
	if uint32(v) <= 255 {
		return uint8(v)
	}
	return uint8(^v >> 31) // 0 below, 255 above
}

// resizeRGB resamples w × h pixels of four bytes to ow × oh, and leaves alpha
// out: the result, of bytesPool, has three bytes a pixel.
func resizeRGB(src []uint8, w, h, ow, oh, workers int) []uint8 {
	if verticalFirst(w, h, ow, oh) {
		turned := bytesPool.get(4 * w * h)
		defer bytesPool.put(turned)
		rearrange(turned, src, w, h, transposed, workers)
		across := horizontalFirst(turned, h, w, oh, ow, workers)
		defer bytesPool.put(across)
		return transpose(across, oh, ow, 3)
	}
	return horizontalFirst(src, w, h, ow, oh, workers)
}

// verticalFirst tells for which sizes Pillow, since 13.0, begins with the
// vertical pass: when that shrinks the picture by much more than the other.
// Rounding between the passes makes the order visible in the last bit.
func verticalFirst(w, h, ow, oh int) bool {
	return w != ow && h-oh > 2*max(w-ow, 0)
}

// transpose mirrors w × h small pixels over the main diagonal, into a slice of
// bytesPool.
func transpose(src []uint8, w, h, channels int) []uint8 {
	dst := bytesPool.get(w * h * channels)
	for y := range h {
		for x := range w {
			for c := range channels {
				dst[(x*h+y)*channels+c] = src[(y*w+x)*channels+c]
			}
		}
	}
	return dst
}

func horizontalFirst(src []uint8, w, h, ow, oh, workers int) []uint8 {
	var across, down []tap
	together(workers, func() { across = taps(w, ow) }, func() { down = taps(h, oh) })
	dst := bytesPool.get(3 * ow * oh)
	// Neighbouring pieces share the rows within the filter's reach, and each
	// computes them for itself: few pieces, then.
	split(workers, oh, max(oh/(4*workers), 16), func(lo, hi int) {
		r := newRows(2*ow, down[lo:hi])
		defer r.release()
		packed := make([]twin, w)
		for y := lo; y < hi; y++ {
			sums := r.sum(down[y], func(y int, a, b []uint64) {
				packTwins(packed, src[4*w*y:][:4*w], src[4*w*min(y+1, h-1):][:4*w])
				narrowTwins(a, b, packed, across)
			})
			row := dst[3*ow*y:][:3*ow]
			for x := range ow {
				row[3*x], row[3*x+1] = unpair(sums[2*x])
				row[3*x+2], _ = unpair(sums[2*x+1])
			}
		}
	})
	return dst
}

// twin holds the pixels of two rows at one place. The horizontal pass takes two
// rows at once because six channels fill three words.
type twin struct{ redGreen, redGreenBelow, blues uint64 }

func packTwins(dst []twin, row, below []uint8) {
	for x := range dst {
		a, b := row[4*x:4*x+4:4*x+4], below[4*x:4*x+4:4*x+4]
		dst[x] = twin{pair(a[0], a[1]), pair(b[0], b[1]), pair(a[2], b[2])}
	}
}

// narrowTwins is the horizontal pass. Of every pixel it writes two words to
// either row: red and green, then blue.
func narrowTwins(a, b []uint64, src []twin, across []tap) {
	for x, t := range across {
		rg, rgBelow, blues := weigh(src[t.first:], t.weights)
		red, green := unpair(rg)
		redBelow, greenBelow := unpair(rgBelow)
		blue, blueBelow := unpair(blues)
		a[2*x], a[2*x+1] = pair(red, green), uint64(blue)
		b[2*x], b[2*x+1] = pair(redBelow, greenBelow), uint64(blueBelow)
	}
}

// weigh is three quarters of the time that resizing takes. It is kept out of
// its caller, where the compiler would run out of registers.
//
//go:noinline
func weigh(s []twin, weights []uint64) (rg, rgBelow, blues uint64) {
	rg, rgBelow, blues = halves, halves, halves
	for len(weights) >= 4 && len(s) >= 4 {
		a, b, c, d := weights[0], weights[1], weights[2], weights[3]
		rg += s[0].redGreen*a + s[1].redGreen*b + s[2].redGreen*c + s[3].redGreen*d
		rgBelow += s[0].redGreenBelow*a + s[1].redGreenBelow*b + s[2].redGreenBelow*c + s[3].redGreenBelow*d
		blues += s[0].blues*a + s[1].blues*b + s[2].blues*c + s[3].blues*d
		s, weights = s[4:], weights[4:]
	}
	s = s[:len(weights)]
	for i, w := range weights {
		rg += s[i].redGreen * w
		rgBelow += s[i].redGreenBelow * w
		blues += s[i].blues * w
	}
	return rg, rgBelow, blues
}

// rows keeps the results of the horizontal pass that the vertical one still
// needs, and adds them up.
type rows struct {
	words int // of a row
	keep  int // how many rows
	ring  []uint64
	next  int // the first row that was not computed yet
	sums  []uint64
}

func newRows(words int, down []tap) *rows {
	keep := 0
	for _, t := range down {
		keep = max(keep, len(t.weights))
	}
	keep += 2 // computed two at a time
	return &rows{
		words: words, keep: keep, next: down[0].first,
		ring: wordsPool.get(keep * words), sums: wordsPool.get(words),
	}
}

func (r *rows) release() {
	wordsPool.put(r.ring)
	wordsPool.put(r.sums)
}

// row returns the place of row y in the ring.
func (r *rows) row(y int) []uint64 { return r.ring[y%r.keep*r.words:][:r.words] }

// sum returns the weighted sum of the rows that t names, after asking compute
// for those that are new: row y and, for as far as there is one, the row below.
// Calls MUST come from top to bottom.
func (r *rows) sum(t tap, compute func(y int, a, b []uint64)) []uint64 {
	for ; r.next < t.first+len(t.weights); r.next += 2 {
		compute(r.next, r.row(r.next), r.row(r.next+1))
	}
	for i := range r.sums {
		r.sums[i] = halves
	}
	y, k := t.first, t.weights
	for ; len(k) >= 4; y, k = y+4, k[4:] {
		addRows(r.sums, k, r.row(y), r.row(y+1), r.row(y+2), r.row(y+3))
	}
	for ; len(k) > 0; y, k = y+1, k[1:] {
		w := k[0]
		for i, v := range r.row(y) {
			r.sums[i] += v * w
		}
	}
	return r.sums
}

func addRows(sums, k, a, b, c, d []uint64) {
	ka, kb, kc, kd := k[0], k[1], k[2], k[3]
	b, c, d, sums = b[:len(a)], c[:len(a)], d[:len(a)], sums[:len(a)]
	for i, v := range a {
		sums[i] += v*ka + b[i]*kb + c[i]*kc + d[i]*kd
	}
}
