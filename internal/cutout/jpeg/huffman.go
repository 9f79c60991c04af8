package jpeg

import "encoding/binary"

// lookBits is how many bits the first look at a code covers. With 10, nearly all
// small coefficients of a photo are found at once, code and value.
const lookBits = 10

// huffman decodes one table of annex C.
type huffman struct {
	// look says, for the next lookBits bits, what they begin with; see entry.
	look [1 << lookBits]entry
	// For longer codes (F.2.2.3): the largest code of each length, aligned to 16
	// bits and exclusive, and what leads from a code to its symbol.
	limit  [18]uint32
	offset [17]int32
	values []uint8
}

// entry packs what a look finds, 0 for a code longer than lookBits:
// bits 0–7: how many bits it uses up; bits 8–15: the symbol;
// bit 16: set if the value of the coefficient was among the bits too, which then
// is in bits 24–31, signed; bits 17–20: how many bits the code alone has.
type entry uint32

const hasValue entry = 1 << 16

func (e entry) used() int     { return int(e & 0xff) }
func (e entry) symbol() uint8 { return uint8(e >> 8) }
func (e entry) value() int16  { return int16(int32(e) >> 24) }
func (e entry) codeBits() int { return int(e >> 17 & 15) }

func newHuffman(counts [16]uint8, values []uint8, ac bool) (*huffman, error) {
	t := &huffman{values: append([]uint8(nil), values...)}
	code, k := uint32(0), int32(0)
	for n := 1; n <= 16; n++ {
		t.offset[n] = k - int32(code)
		for range counts[n-1] {
			if code >= 1<<n {
				return nil, ErrDamaged
			}
			if n <= lookBits {
				first := code << (lookBits - n)
				for i := range uint32(1) << (lookBits - n) {
					t.look[first+i] = newEntry(values[k], n, first+i, ac)
				}
			}
			code++
			k++
		}
		t.limit[n] = code << (16 - n)
		code <<= 1
	}
	t.limit[17] = 1 << 17
	return t, nil
}

// newEntry describes a code of n bits at the start of the given look.
func newEntry(symbol uint8, n int, look uint32, ac bool) entry {
	e := entry(n) | entry(symbol)<<8 | entry(n)<<17
	size := int(symbol & 15)
	if !ac || size == 0 || n+size > lookBits {
		return e
	}
	v := extend(look>>(lookBits-n-size)&(1<<size-1), uint(size))
	if v < -128 || v > 127 {
		return e
	}
	return e + entry(size) | hasValue | entry(uint8(int8(v)))<<24
}

// extend is F.2.2.1: the value that size bits stand for.
func extend(v uint32, size uint) int32 {
	if size == 0 {
		return 0
	}
	if v>>(size-1) == 0 {
		return int32(v) - 1<<size + 1
	}
	return int32(v)
}

// bitReader reads the entropy-coded bits of one scan up to a marker (F.2.2.5).
// Past the end it gives zeros, and counts them.
type bitReader struct {
	data   []uint8
	pos    int
	hold   uint64 // the next bits, highest first
	n      int    // how many there are
	marker bool   // pos is at a marker, or at the end of the data
	excess int    // zero bits given beyond the end
}

// fill makes sure of at least 32 bits.
func (r *bitReader) fill() {
	if r.n >= 32 {
		return
	}
	if r.pos+4 <= len(r.data) && !r.marker {
		w := binary.BigEndian.Uint32(r.data[r.pos:])
		if v := ^w; (v-0x01010101)&^v&0x80808080 == 0 { // no byte is 0xff
			r.hold |= uint64(w) << (32 - r.n)
			r.n += 32
			r.pos += 4
			return
		}
	}
	r.fillSlowly()
}

func (r *bitReader) fillSlowly() {
	for r.n <= 56 {
		b := uint8(0)
		switch {
		case r.marker || r.pos >= len(r.data):
			r.marker = true
			r.excess += 8
		case r.data[r.pos] != 0xff:
			b = r.data[r.pos]
			r.pos++
		case r.pos+1 < len(r.data) && r.data[r.pos+1] == 0:
			b = 0xff
			r.pos += 2
		default:
			r.marker = true
			r.excess += 8
		}
		r.hold |= uint64(b) << (56 - r.n)
		r.n += 8
	}
}

func (r *bitReader) skip(n int) {
	r.hold <<= uint(n) & 63
	r.n -= n
}

// take returns the next n ≤ 16 bits; fill MUST have been called for them.
func (r *bitReader) take(n uint) uint32 {
	v := uint32(r.hold >> 48 >> (16 - n))
	r.skip(int(n))
	return v
}

// exhausted tells whether bits were used that are not there.
func (r *bitReader) exhausted() bool { return r.excess > r.n }

// symbol decodes one symbol; fill MUST have been called before.
func (r *bitReader) symbol(t *huffman) (uint8, bool) {
	if e := t.look[r.hold>>(64-lookBits)]; e != 0 {
		r.skip(e.codeBits())
		return e.symbol(), true
	}
	return r.longSymbol(t)
}

// longSymbol decodes a symbol bit length by bit length.
func (r *bitReader) longSymbol(t *huffman) (uint8, bool) {
	code := uint32(r.hold >> 48)
	n := 1
	for code >= t.limit[n] {
		n++
	}
	if n > 16 {
		return 0, false
	}
	i := int32(code>>(16-n)) + t.offset[n]
	if i < 0 || int(i) >= len(t.values) {
		return 0, false
	}
	r.skip(n)
	return t.values[i], true
}
