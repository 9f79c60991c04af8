package cutout

import (
	"encoding/binary"
	"image"
)

// A YCbCr picture stores colour at a lower resolution than brightness. The
// standard library repeats each colour sample; every other decoder that people
// compare us with, the peer's libjpeg-turbo among them, interpolates. So do we,
// with libjpeg's own weights ("fancy upsampling", jdsample.c) and its
// fixed-point conversion (jdcolor.c): it removes coloured steps along edges,
// and only so do masks come out identical.

// yccTables turn a brightness and two colour samples into RGB. The sum of the
// three entries holds blue, red and green, each with an offset of 256 so that
// none is negative, at the bits named below.
type yccTables struct{ y, cb, cr [256]uint64 }

const (
	blueAt, redAt, greenAt = 6, 24, 52 // where the integer parts begin; 6, 6 and 16 fraction bits below each
	byteRange              = 1<<10 - 1 // an integer part has 10 bits
)

// entry packs the parts of an entry, in 1/65536.
func entry(r, g, b int64) uint64 {
	return uint64(r>>10)<<(redAt-6) + uint64(g)<<(greenAt-16) + uint64(b>>10)<<(blueAt-6)
}

// jfif is full-range BT.601 as in JPEG files.
var jfif = func() *yccTables {
	t := new(yccTables)
	const (
		one       = 1 << 16
		roundHalf = one / 2
		offset    = 256 * one
	)
	whole := func(v int64) int64 { return v >> 16 << 16 }
	for i := range int64(256) {
		c := i - 128
		t.y[i] = entry(i*one, i*one, i*one)
		t.cr[i] = entry(whole(91881*c+roundHalf)+offset, -46802*c+roundHalf+offset/2, 0) // 1.40200, 0.71414
		t.cb[i] = entry(0, -22554*c+offset/2, whole(116130*c+roundHalf)+offset)          // 0.34414, 1.77200
	}
	return t
}()

// vp8 is limited-range BT.601 as in lossy WebP, with libwebp's rounding
// (src/dsp/yuv.h). golang.org/x/image returns such pictures as if they were
// JPEG's, which makes them pale.
var vp8 = func() *yccTables {
	t := new(yccTables)
	const (
		unit   = 1 << 10 // libwebp has 6 fraction bits
		offset = 256 << 16
	)
	for i := range int64(256) {
		y := i * 19077 >> 8 * unit
		t.y[i] = entry(y, y, y)
		t.cr[i] = entry((i*26149>>8-14234)*unit+offset, (8708-i*13320>>8)*unit+offset/2, 0)
		t.cb[i] = entry(0, -(i*6419>>8)*unit+offset/2, (i*33050>>8-17685)*unit+offset)
	}
	return t
}()

// clamp8 maps an integer part, which is 256 too large, to a byte; opaque8 does
// the same and adds an alpha of 255, four bytes up.
var clamp8, opaque8 = func() (t [byteRange + 1]uint8, o [byteRange + 1]uint32) {
	for i := range t {
		t[i] = uint8(min(max(i-256, 0), 255))
		o[i] = uint32(t[i]) | 255<<24
	}
	return t, o
}()

// fromYCbCr writes m as NRGBA, 4 bytes a pixel, alpha 255.
func fromYCbCr(pix []uint8, m *image.YCbCr, t *yccTables, workers int) {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	split(workers, h, 32, func(lo, hi int) {
		c := newChroma(m)
		defer c.release()
		for y := lo; y < hi; y++ {
			cb, cr := c.row(y)
			convertRow(pix[y*w*4:][:w*4], m.Y[y*m.YStride:][:w], cb, cr, t)
		}
	})
}

func convertRow(dst, luma, cb, cr []uint8, t *yccTables) {
	cb, cr = cb[:len(luma)], cr[:len(luma)]
	dst = dst[:4*len(luma)]
	for x, l := range luma {
		v := t.y[l] + t.cb[cb[x]] + t.cr[cr[x]]
		binary.LittleEndian.PutUint32(dst[4*x:4*x+4:4*x+4],
			opaque8[v>>redAt&byteRange]+
				uint32(clamp8[v>>greenAt&byteRange])<<8+
				uint32(clamp8[v>>blueAt&byteRange])<<16)
	}
}

// chroma widens and mixes the rows of both colour planes.
type chroma struct {
	m      *image.YCbCr
	w, h   int
	cb, cr []uint8 // a row at full width
	sums   []uint8 // 16-bit sums of two rows, one sample more at either end
}

func newChroma(m *image.YCbCr) *chroma {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	room := (w+7)/8*8 + 8
	return &chroma{m: m, w: w, h: h, cb: bytesPool.get(room), cr: bytesPool.get(room), sums: bytesPool.get(room + 16)}
}

func (c *chroma) release() {
	bytesPool.put(c.cb)
	bytesPool.put(c.cr)
	bytesPool.put(c.sums)
}

// row returns row y of both planes at full width, valid until the next call.
func (c *chroma) row(y int) (cb, cr []uint8) {
	if c.m.SubsampleRatio == image.YCbCrSubsampleRatio444 {
		at := y * c.m.CStride
		return c.m.Cb[at:][:c.w], c.m.Cr[at:][:c.w]
	}
	c.widen(c.cb, c.m.Cb, y)
	c.widen(c.cr, c.m.Cr, y)
	return c.cb, c.cr
}

func (c *chroma) widen(dst, plane []uint8, y int) {
	samples := func(cy, n int) []uint8 { return plane[cy*c.m.CStride:][:n] }
	halfWidth := (c.w + 1) / 2
	near, far := y/2, min(y/2+1, (c.h-1)/2)
	if y&1 == 0 {
		far = max(near-1, 0)
	}
	switch c.m.SubsampleRatio {
	case image.YCbCrSubsampleRatio420:
		if halfWidth <= 2 { // libjpeg's own exception
			repeat(dst[:c.w], samples(near, halfWidth), 2)
			return
		}
		c.mix(samples(near, halfWidth), samples(far, halfWidth))
		c.double(dst, halfWidth, 8, 7)
	case image.YCbCrSubsampleRatio422:
		if halfWidth <= 2 {
			repeat(dst[:c.w], samples(y, halfWidth), 2)
			return
		}
		row := samples(y, halfWidth)
		c.mix(row, row)
		c.double(dst, halfWidth, 4, 8)
	case image.YCbCrSubsampleRatio440:
		bias := uint16(1 + y&1)
		farRow := samples(far, c.w)
		for x, n := range samples(near, c.w) {
			dst[x] = uint8((3*uint16(n) + uint16(farRow[x]) + bias) >> 2)
		}
	case image.YCbCrSubsampleRatio411:
		repeat(dst[:c.w], samples(y, (c.w+3)/4), 4)
	case image.YCbCrSubsampleRatio410:
		repeat(dst[:c.w], samples(near, (c.w+3)/4), 4)
	case image.YCbCrSubsampleRatio444: // row has returned it
	}
}

func repeat(dst, src []uint8, times int) {
	for x := range dst {
		dst[x] = src[x/times]
	}
}

// mix leaves 3·near + far in sums, with the first and last sample twice.
func (c *chroma) mix(near, far []uint8) {
	n := len(near)
	far = far[:n]
	s := c.sums[2:]
	i := 0
	for ; i+4 <= n; i += 4 {
		sum := 3*spread(binary.LittleEndian.Uint32(near[i:])) + spread(binary.LittleEndian.Uint32(far[i:]))
		binary.LittleEndian.PutUint64(s[2*i:], sum)
	}
	for ; i < n; i++ {
		binary.LittleEndian.PutUint16(s[2*i:], 3*uint16(near[i])+uint16(far[i]))
	}
	copy(c.sums[:2], s[:2])
	copy(s[2*n:2*n+2], s[2*n-2:2*n])
}

// spread puts four bytes into the 16-bit lanes of a word.
func spread(v uint32) uint64 {
	w := (uint64(v) | uint64(v)<<16) & 0x0000_ffff_0000_ffff
	return (w | w<<8) & 0x00ff_00ff_00ff_00ff
}

// double weighs every one of n sums 3:1 with either neighbour, rounds with the
// given sixteenths, and so makes two samples of each: four sums at a time in
// the 16-bit lanes of a word.
func (c *chroma) double(dst []uint8, n int, even, odd uint64) {
	const lane = 0x0001_0001_0001_0001
	even, odd = even*lane, odd*lane
	s := c.sums
	for i := 0; i < n; i += 4 {
		from := s[2*i : 2*i+12 : 2*i+12]
		last := binary.LittleEndian.Uint64(from)
		this := 3 * binary.LittleEndian.Uint64(from[2:])
		next := binary.LittleEndian.Uint64(from[4:])
		e := (this + last + even) >> 4 & (255 * lane)
		o := (this + next + odd) >> 4 & (255 * lane)
		binary.LittleEndian.PutUint64(dst[2*i:], e|o<<8)
	}
}
