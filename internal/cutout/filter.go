package cutout

import (
	"encoding/binary"
)

// Filters predict each byte from its neighbours (W3C PNG, 9). All that are used
// here can be computed for eight bytes at once; Paeth cannot, and on photos
// gains little over Average.
const (
	filterSub     = 1
	filterUp      = 2
	filterAverage = 3
)

const (
	eachHigh = 0x8080_8080_8080_8080
	eachOne  = 0x0101_0101_0101_0101
)

// sub8 subtracts each byte of b from that of a.
func sub8(a, b uint64) uint64 {
	return (a | eachHigh - b&^eachHigh) ^ (a^^b)&eachHigh
}

// average8 is the average of each byte, rounded down.
func average8(a, b uint64) uint64 { return a&b + (a^b)>>1&^eachHigh }

// size8 adds up roughly how far the bytes are from zero, as signed numbers.
func size8(v uint64) int {
	sign := v >> 7 & eachOne
	v ^= sign<<8 - sign
	const pairs = 0x00ff_00ff_00ff_00ff
	v = v&pairs + v>>8&pairs
	return int(v * 0x0001_0001_0001_0001 >> 48)
}

// filter filters the rows of one piece, from top to bottom.
type filter struct {
	m     *pngImage
	bytes int // of a row
	// A row lies behind a margin of zeros as the format wants it, and before
	// one that lets the last word be read whole.
	this, above []uint8
	y           int // which row above holds; -1 if it is zeros
}

const margin = 8

func newFilter(m *pngImage) *filter {
	n := m.width * m.channels
	f := &filter{m: m, bytes: n, this: bytesPool.zeroed(n + 2*margin), above: bytesPool.zeroed(n + 2*margin), y: -1}
	return f
}

func (f *filter) release() {
	bytesPool.put(f.this)
	bytesPool.put(f.above)
}

// load copies the written channels of row y.
func (f *filter) load(dst []uint8, y int) {
	m := f.m
	dst = dst[margin:][:f.bytes]
	src := m.pix[y*m.stride:]
	if m.channels == m.stored {
		copy(dst, src)
		return
	}
	for x := range m.width {
		for c := range m.channels {
			dst[x*m.channels+c] = src[x*m.stored+c]
		}
	}
}

// row writes row y, filtered, after the byte that names its filter.
func (f *filter) row(dst []uint8, y int) {
	if y > 0 && f.y != y-1 {
		f.load(f.above, y-1)
	}
	f.load(f.this, y)
	kind := f.choose()
	dst[0] = kind
	f.apply(dst[1:], kind)
	f.this, f.above, f.y = f.above, f.this, y
}

// rows returns the row itself, the row shifted by one pixel, and the row above,
// each with room for a whole word at its last byte.
func (f *filter) rows() (x, left, up []uint8) {
	n := f.bytes + 7
	return f.this[margin:][:n], f.this[margin-f.m.channels:][:n], f.above[margin:][:n]
}

func word(s []uint8, i int) uint64 { return binary.LittleEndian.Uint64(s[i : i+8 : i+8]) }

// choose takes the filter that leaves the smallest numbers on a sample.
func (f *filter) choose() uint8 {
	row, left, above := f.rows()
	var sub, up, average int
	for i := 0; i < f.bytes; i += 64 {
		x, l, u := word(row, i), word(left, i), word(above, i)
		sub += size8(sub8(x, l))
		up += size8(sub8(x, u))
		average += size8(sub8(x, average8(l, u)))
	}
	switch {
	case up <= sub && up <= average:
		return filterUp
	case average <= sub:
		return filterAverage
	default:
		return filterSub
	}
}

// apply writes the filtered row, which is as long as dst.
func (f *filter) apply(dst []uint8, kind uint8) {
	row, left, above := f.rows()
	i := 0
	switch kind {
	case filterSub:
		for ; i+8 <= len(dst); i += 8 {
			binary.LittleEndian.PutUint64(dst[i:], sub8(word(row, i), word(left, i)))
		}
	case filterUp:
		for ; i+8 <= len(dst); i += 8 {
			binary.LittleEndian.PutUint64(dst[i:], sub8(word(row, i), word(above, i)))
		}
	default:
		for ; i+8 <= len(dst); i += 8 {
			binary.LittleEndian.PutUint64(dst[i:], sub8(word(row, i), average8(word(left, i), word(above, i))))
		}
	}
	for ; i < len(dst); i++ {
		switch kind {
		case filterSub:
			dst[i] = row[i] - left[i]
		case filterUp:
			dst[i] = row[i] - above[i]
		default:
			dst[i] = row[i] - uint8((int(left[i])+int(above[i]))/2)
		}
	}
}
