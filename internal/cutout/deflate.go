package cutout

import (
	"encoding/binary"
	"hash/adler32"
	"math/bits"
	"slices"
	"sync"
)

// A cutout is two kinds of data: large areas without anything, which filter to
// zeros, and photographic noise, in which searching for repetitions finds next
// to nothing and takes nearly all the time of a general compressor. So this one
// knows only what pays: runs of one byte, and a Huffman code made for the piece
// (zlib calls it Z_RLE). Results are as small as zlib's at its fast levels, and
// several times sooner. Format: RFC 1951.

const (
	endOfBlock  = 256
	longest     = 258 // bytes in one match
	symbols     = 286 // literals, end of block, lengths
	maxCodeBits = 12  // RFC 1951 allows 15; with 12, four literals fit a word with the rest
	shortestRun = 16  // looked for in words, so that photographic data costs little
)

// deflater compresses pieces; it keeps its tables between them.
type deflater struct {
	runs  []run
	count [symbols]uint32
	codes [symbols]code
	w     bitWriter
}

// adler is the checksum of what deflate was last given. Runs, of which a cutout
// has millions of bytes, are not read again for it.
func (d *deflater) adler(src []byte) uint32 {
	const worthwhile = 256
	sum, at := uint32(1), 0
	for _, r := range d.runs {
		if r.n < worthwhile {
			continue
		}
		sum = combineAdler(sum, adler32.Checksum(src[at:r.at]), r.at-at)
		sum = combineAdler(sum, adlerOfRun(src[r.at], r.n), r.n)
		at = r.at + r.n
	}
	return combineAdler(sum, adler32.Checksum(src[at:]), len(src)-at)
}

// run is a stretch of equal bytes; the first of them is a literal before it.
// deflaters keeps compressors, whose tables are worth keeping.
var deflaters = sync.Pool{New: func() any { return new(deflater) }}

type run struct{ at, n int }

// code is a Huffman code, its bits in the order in which they are written.
type code struct {
	bits uint16
	n    uint8
}

// deflate appends src as one block of a deflate stream, and ends on a byte's
// edge: blocks can follow one another, and the last one ends the stream.
func (d *deflater) deflate(dst, src []byte, last bool) []byte {
	d.findRuns(src)
	d.countSymbols(src)
	makeCode(d.codes[:], d.count[:], maxCodeBits)

	d.w = bitWriter{out: slices.Grow(dst, len(src)+len(src)/8+1024)}
	d.w.bits(boolBit(last)|2<<1, 3) // dynamic Huffman codes
	d.writeTables()
	d.writeSymbols(src)
	if !last {
		d.w.bits(0, 3) // an empty stored block ends on the edge
		d.w.align()
		return append(d.w.out, 0x00, 0x00, 0xff, 0xff)
	}
	d.w.align()
	return d.w.out
}

func boolBit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// findRuns lists the runs of at least shortestRun, more or less: it looks at
// every eighth byte only.
func (d *deflater) findRuns(src []byte) {
	d.runs = d.runs[:0]
	for i := 1; i+8 <= len(src); i += 8 {
		if binary.LittleEndian.Uint64(src[i:]) != binary.LittleEndian.Uint64(src[i-1:]) {
			continue
		}
		from, to := i, i+8
		for to+8 <= len(src) && binary.LittleEndian.Uint64(src[to:]) == binary.LittleEndian.Uint64(src[to-1:]) {
			to += 8
		}
		for to < len(src) && src[to] == src[to-1] {
			to++
		}
		start := 0
		if n := len(d.runs); n > 0 {
			start = d.runs[n-1].at + d.runs[n-1].n
		}
		for from-1 > start && src[from-1] == src[from-2] {
			from--
		}
		if to-from >= shortestRun {
			d.runs = append(d.runs, run{from, to - from})
			i = to - 7 // goes on one byte after the run
		}
	}
}

// split cuts a run into lengths that one match can have: none is under 3.
func (r run) split(f func(n int)) {
	for n := r.n; n > 0; {
		take := min(n, longest)
		if rest := n - take; rest > 0 && rest < 3 {
			take -= 3
		}
		f(take)
		n -= take
	}
}

func (d *deflater) countSymbols(src []byte) {
	var a, b, c, e [256]uint32 // four, so that equal bytes do not wait for each other
	literals := func(s []byte) {
		for len(s) >= 4 {
			a[s[0]]++
			b[s[1]]++
			c[s[2]]++
			e[s[3]]++
			s = s[4:]
		}
		for _, v := range s {
			a[v]++
		}
	}
	d.count = [symbols]uint32{endOfBlock: 1}
	at := 0
	for _, r := range d.runs {
		literals(src[at:r.at])
		r.split(func(n int) { d.count[lengthCodes[n].symbol]++ })
		at = r.at + r.n
	}
	literals(src[at:])
	for i := range a {
		d.count[i] = a[i] + b[i] + c[i] + e[i]
	}
}

func (d *deflater) writeSymbols(src []byte) {
	at := 0
	for _, r := range d.runs {
		d.w.literals(src[at:r.at], &d.codes)
		r.split(func(n int) {
			l := lengthCodes[n]
			d.w.code(d.codes[l.symbol])
			d.w.bits(uint64(l.extra), uint(l.extraBits))
			d.w.bits(0, 1) // distance 1: the only distance code there is
		})
		at = r.at + r.n
	}
	d.w.literals(src[at:], &d.codes)
	d.w.code(d.codes[endOfBlock])
}

// lengthCode is how RFC 1951 (3.2.5) writes the length of a match.
type lengthCode struct {
	symbol    uint16
	extra     uint8
	extraBits uint8
}

var lengthCodes = func() (t [longest + 1]lengthCode) {
	symbol, base := uint16(257), 3
	for extraBits := uint8(0); extraBits <= 5; extraBits++ {
		groups := 4
		if extraBits == 0 {
			groups = 8
		}
		for range groups {
			for extra := range 1 << extraBits {
				if base+extra < longest {
					t[base+extra] = lengthCode{symbol, uint8(extra), extraBits}
				}
			}
			symbol++
			base += 1 << extraBits
		}
	}
	t[longest] = lengthCode{symbol: 285}
	return t
}()

// writeTables writes the code lengths (RFC 1951, 3.2.7), themselves in a
// Huffman code over 0…15, 17 and 18 (runs of zeros).
func (d *deflater) writeTables() {
	lengths := make([]uint8, 0, symbols+1)
	for _, c := range d.codes {
		lengths = append(lengths, c.n)
	}
	lengths = append(lengths, 1) // one distance code, of one bit

	type item struct{ symbol, extra, extraBits uint8 }
	var items []item
	var count [19]uint32
	for i := 0; i < len(lengths); {
		zeros := 0
		for i+zeros < len(lengths) && lengths[i+zeros] == 0 && zeros < 138 {
			zeros++
		}
		next := item{symbol: lengths[i]}
		switch {
		case zeros >= 11:
			next = item{18, uint8(zeros - 11), 7}
		case zeros >= 3:
			next = item{17, uint8(zeros - 3), 3}
		default:
			zeros = 1
		}
		items = append(items, next)
		count[next.symbol]++
		i += zeros
	}
	var codes [19]code
	makeCode(codes[:], count[:], 7)

	d.w.bits(symbols-257, 5)
	d.w.bits(0, 5) // one distance code
	d.w.bits(19-4, 4)
	for _, symbol := range [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15} {
		d.w.bits(uint64(codes[symbol].n), 3)
	}
	for _, it := range items {
		d.w.code(codes[it.symbol])
		d.w.bits(uint64(it.extra), uint(it.extraBits))
	}
}

// makeCode makes an optimal prefix code of at most limit bits, near enough:
// codes that are too long are shortened, and others lengthened to make room.
func makeCode(codes []code, count []uint32, limit int) {
	lengths := codeLengths(count, limit)
	var perLength [16]uint16
	for i, n := range lengths {
		codes[i] = code{n: n}
		if n > 0 {
			perLength[n]++
		}
	}
	var next [17]uint16
	for n := 1; n <= limit; n++ {
		next[n+1] = (next[n] + perLength[n]) << 1
	}
	for i, n := range lengths {
		if n > 0 {
			codes[i].bits = bits.Reverse16(next[n]) >> (16 - n)
			next[n]++
		}
	}
}

// codeLengths is Huffman's algorithm over the symbols that occur. A lone symbol
// gets a second one beside it, because a decoder wants a full tree.
func codeLengths(count []uint32, limit int) []uint8 {
	type node struct {
		weight uint64
		parent int
		symbol int
	}
	nodes := make([]node, 0, 2*len(count))
	for i, n := range count {
		if n > 0 {
			nodes = append(nodes, node{weight: uint64(n), symbol: i})
		}
	}
	lengths := make([]uint8, len(count))
	if len(nodes) == 1 {
		lengths[nodes[0].symbol] = 1
		lengths[(nodes[0].symbol+1)%len(count)] = 1
		return lengths
	}
	slices.SortStableFunc(nodes, func(a, b node) int { return int(int64(a.weight) - int64(b.weight)) })
	leaves := len(nodes)
	// Two queues: leaves by weight, and the nodes made so far, which come by weight.
	leaf, inner := 0, leaves
	least := func() int {
		if inner >= len(nodes) || leaf < leaves && nodes[leaf].weight <= nodes[inner].weight {
			leaf++
			return leaf - 1
		}
		inner++
		return inner - 1
	}
	for range leaves - 1 {
		a, b := least(), least()
		nodes[a].parent, nodes[b].parent = len(nodes), len(nodes)
		nodes = append(nodes, node{weight: nodes[a].weight + nodes[b].weight})
	}
	depth := make([]int, len(nodes))
	for i := len(nodes) - 2; i >= 0; i-- {
		depth[i] = depth[nodes[i].parent] + 1
	}
	shorten(depth[:leaves], limit)
	for i := range leaves {
		lengths[nodes[i].symbol] = uint8(depth[i])
	}
	return lengths
}

// shorten cuts depths, which fall from the rarest leaf to the most frequent,
// to a limit, and restores Kraft's sum by deepening the rarest others.
func shorten(depth []int, limit int) {
	sum := 0 // in units of 2^-limit
	for i := range depth {
		depth[i] = min(depth[i], limit)
		sum += 1 << (limit - depth[i])
	}
	for i := 0; sum > 1<<limit; {
		if depth[i] == limit {
			i++
			continue
		}
		depth[i]++
		sum -= 1 << (limit - depth[i])
	}
	for i := len(depth) - 1; i >= 0; i-- {
		for depth[i] > 1 && sum+1<<(limit-depth[i]) <= 1<<limit {
			sum += 1 << (limit - depth[i])
			depth[i]--
		}
	}
}

// bitWriter appends bits, lowest first.
type bitWriter struct {
	out  []byte
	hold uint64 // not yet written
	n    uint   // how many; under 8 between calls
}

// bits writes up to 32 bits.
func (w *bitWriter) bits(v uint64, n uint) {
	w.hold |= v << w.n
	w.n += n
	w.flush()
}

func (w *bitWriter) code(c code) { w.bits(uint64(c.bits), uint(c.n)) }

func (w *bitWriter) flush() {
	w.out = binary.LittleEndian.AppendUint64(w.out, w.hold)
	whole := w.n / 8
	w.out = w.out[:len(w.out)-8+int(whole)]
	w.hold >>= 8 * whole
	w.n &= 7
}

// align fills the last byte with zeros.
func (w *bitWriter) align() {
	if w.n > 0 {
		w.out = append(w.out, byte(w.hold))
	}
	w.hold, w.n = 0, 0
}

// literals writes the code of every byte of src.
func (w *bitWriter) literals(src []byte, codes *[symbols]code) {
	out, hold, n := w.out, w.hold, w.n
	for len(src) >= 4 {
		a, b, c, d := codes[src[0]], codes[src[1]], codes[src[2]], codes[src[3]]
		hold |= uint64(a.bits) << (n & 63)
		n += uint(a.n)
		hold |= uint64(b.bits) << (n & 63)
		n += uint(b.n)
		hold |= uint64(c.bits) << (n & 63)
		n += uint(c.n)
		hold |= uint64(d.bits) << (n & 63)
		n += uint(d.n)
		out = binary.LittleEndian.AppendUint64(out, hold)
		whole := n / 8
		out = out[:len(out)-8+int(whole)]
		hold >>= 8 * whole
		n &= 7
		src = src[4:]
	}
	w.out, w.hold, w.n = out, hold, n
	for _, v := range src {
		w.code(codes[v])
	}
}
