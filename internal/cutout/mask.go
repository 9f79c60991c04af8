package cutout

import (
	"bytes"
	"math"
)

// toMask turns what a network answered into 8 bits, as the peer does: float32
// arithmetic, fraction cut off.
func (s Spec) toMask(out []float32) []uint8 {
	values := floatPool.get(len(out))
	defer floatPool.put(values)
	copy(values, out)
	if s.Activation == Sigmoid {
		for i, v := range values {
			values[i] = float32(1 / (1 + math.Exp(-float64(v))))
		}
	}
	if s.Range == MinMax {
		stretch(values)
	}
	mask := bytesPool.get(len(values))
	for i, v := range values {
		if !(v > 0) { // NaN too
			v = 0
		}
		mask[i] = uint8(min(v, 1) * 255)
	}
	return mask
}

// stretch maps the smallest value to 0 and the largest to 1. Values that are
// all the same stay: there is nothing to tell foreground from background.
func stretch(values []float32) {
	lo, hi := values[0], values[0]
	for _, v := range values {
		lo, hi = min(lo, v), max(hi, v)
	}
	if !(hi > lo) {
		return
	}
	for i, v := range values {
		values[i] = (v - lo) / (hi - lo)
	}
}

// resizeMask resamples a mask of w × h bytes to ow × oh, into a slice of
// bytesPool. Most of a mask is plain foreground or background, and the filter
// leaves that as it is (its weights sum to 1 within 2⁻²⁰): such stretches are
// filled, and only the rest is computed.
func resizeMask(mask []uint8, w, h, ow, oh, workers int) []uint8 {
	if verticalFirst(w, h, ow, oh) {
		turned := transpose(mask, w, h, 1)
		defer bytesPool.put(turned)
		across := resizeMaskAcross(turned, h, w, oh, ow, workers)
		defer bytesPool.put(across)
		return transpose(across, oh, ow, 1)
	}
	return resizeMaskAcross(mask, w, h, ow, oh, workers)
}

// resizeMaskAcross is resizeMask with the horizontal pass first.
func resizeMaskAcross(mask []uint8, w, h, ow, oh, workers int) []uint8 {
	var across, down []tap
	together(workers, func() { across = taps(w, ow) }, func() { down = taps(h, oh) })
	m := newWideMask(mask, w, h, ow, across, workers)
	defer m.release()
	dst := bytesPool.get(ow * oh)
	split(workers, oh, 32, func(lo, hi int) {
		for y := lo; y < hi; y++ {
			m.writeRow(dst[ow*y:][:ow], down[y])
		}
	})
	return dst
}

// wideMask is a mask after the horizontal pass.
type wideMask struct {
	width  int
	words  int      // of a row: two pixels each, rounded up to whole blocks
	pixels []uint64 // h rows
	plain  []plainness
}

// A block is the stretch of a row that is filled or computed as one.
const (
	blockWords = 16
	blockSize  = 2 * blockWords
)

// plainness of a block: what all of its pixels are.
type plainness uint8

const (
	allClear plainness = 1 << iota
	allSolid
)

func newWideMask(mask []uint8, w, h, ow int, across []tap, workers int) *wideMask {
	words := (ow + blockSize - 1) / blockSize * blockWords
	m := &wideMask{
		width: ow, words: words,
		pixels: wordsPool.get(words * h),
		plain:  make([]plainness, words/blockWords*h),
	}
	split(workers, (h+1)/2, 16, func(lo, hi int) {
		src, sums := wordsPool.get(w), wordsPool.get(w+1)
		two := bytesPool.zeroed(4 * words)
		defer wordsPool.put(src)
		defer wordsPool.put(sums)
		defer bytesPool.put(two)
		for y := 2 * lo; y < min(2*hi, h); y += 2 {
			below := min(y+1, h-1)
			packRows(src, sums, mask[w*y:][:w], mask[w*below:][:w])
			widenRows(two[:2*words][:ow], two[2*words:][:ow], src, sums, across)
			m.store(y, two[:2*words])
			m.store(below, two[2*words:])
		}
	})
	return m
}

func (m *wideMask) release() { wordsPool.put(m.pixels) }

// packRows pairs the pixels of two rows, and sums up the pairs from the left.
func packRows(dst, sums []uint64, row, below []uint8) {
	var sum uint64
	for x, v := range row {
		dst[x] = pair(v, below[x])
		sums[x] = sum
		sum += dst[x]
	}
	sums[len(row)] = sum
}

// widenRows is the horizontal pass of two rows.
func widenRows(row, below []uint8, src, sums []uint64, across []tap) {
	for x, t := range across {
		n := len(t.weights)
		switch sums[t.first+n] - sums[t.first] {
		case 0:
			row[x], below[x] = 0, 0
		case uint64(n) * (255<<32 | 255):
			row[x], below[x] = 255, 255
		default:
			sum := uint64(halves)
			s := src[t.first:][:n]
			for i, w := range t.weights {
				sum += s[i] * w
			}
			row[x], below[x] = unpair(sum)
		}
	}
}

// store keeps row y, whose length is that of whole blocks.
func (m *wideMask) store(y int, row []uint8) {
	dst := m.pixels[m.words*y:][:m.words]
	for i := range dst {
		dst[i] = pair(row[2*i], row[2*i+1])
	}
	plain := m.plain[m.words/blockWords*y:]
	for i := range m.words / blockWords {
		block := row[i*blockSize : min((i+1)*blockSize, m.width)]
		plain[i] = 0
		switch first := block[0]; {
		case first != 0 && first != 255:
		case bytes.Count(block, block[:1]) < len(block):
		case first == 0:
			plain[i] = allClear
		default:
			plain[i] = allSolid
		}
	}
}

// writeRow is the vertical pass for one row of the result.
func (m *wideMask) writeRow(dst []uint8, t tap) {
	blocks := m.words / blockWords
	for i := range blocks {
		plain := allClear | allSolid
		for y := t.first; y < t.first+len(t.weights); y++ {
			plain &= m.plain[blocks*y+i]
		}
		block := dst[i*blockSize : min((i+1)*blockSize, len(dst))]
		switch plain {
		case allClear:
			clear(block)
		case allSolid:
			for x := range block {
				block[x] = 255
			}
		default:
			m.writeBlock(block, t, m.words*t.first+i*blockWords)
		}
	}
}

// writeBlock computes a block whose first pair of pixels in the topmost row
// that counts is at the given place.
func (m *wideMask) writeBlock(dst []uint8, t tap, at int) {
	var sums [blockWords]uint64
	for i := range sums {
		sums[i] = halves
	}
	k := t.weights
	for ; len(k) >= 2; at, k = at+2*m.words, k[2:] {
		a, b := (*[blockWords]uint64)(m.pixels[at:]), (*[blockWords]uint64)(m.pixels[at+m.words:])
		ka, kb := k[0], k[1]
		for i := range sums {
			sums[i] += a[i]*ka + b[i]*kb
		}
	}
	if len(k) == 1 {
		for i, v := range m.pixels[at:][:blockWords] {
			sums[i] += v * k[0]
		}
	}
	for i := 0; i+1 < len(dst); i += 2 {
		dst[i], dst[i+1] = unpair(sums[i/2])
	}
	if n := len(dst); n%2 == 1 {
		dst[n-1], _ = unpair(sums[n/2])
	}
}
