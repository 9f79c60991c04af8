package cutout

import (
	"encoding/binary"
	"hash/crc32"
	"image"
	"io"
)

// A PNG holds one zlib stream (RFC 1950) of filtered rows. Here it is made of
// pieces of rows that are compressed independently of each other, so that all
// cores can work and the first bytes leave early; their checksums are combined.
// Every piece is an IDAT chunk, and no more than a few pieces are in memory.
// Format: W3C PNG, third edition.

// Channels says which channels a PNG has.
type Channels int

// The choices; their values are the samples per pixel of the PNG.
const (
	RGBA      Channels = 4
	Opaque    Channels = 3 // colours without alpha
	AlphaOnly Channels = 1 // alpha as grey
)

// EncodePNG writes m as PNG while it is being compressed, on up to workers
// goroutines. An error is the writer's.
func EncodePNG(w io.Writer, m *image.NRGBA, channels Channels, workers int) error {
	img := pngImage{
		width: m.Rect.Dx(), height: m.Rect.Dy(), pix: m.Pix, stride: m.Stride,
		stored: 4, channels: int(channels),
	}
	if channels == AlphaOnly {
		img.pix = m.Pix[3:]
	}
	return img.encode(w, workers)
}

// pngImage is what is to be encoded: 8-bit samples, of which stored lie in
// memory per pixel and the first channels are written.
type pngImage struct {
	width, height int
	channels      int // 1 grey, 3 RGB, 4 RGBA
	stored        int
	stride        int // bytes from row to row
	pix           []uint8
}

// pieceSize is about how many bytes of filtered rows are compressed at once.
const pieceSize = 1 << 18

// piece is some rows, compressed.
type piece struct {
	idat  []byte // a whole IDAT chunk
	adler uint32 // of the filtered rows
	size  int    // of the filtered rows
}

var pngColourTypes = map[int]byte{1: 0, 3: 2, 4: 6}

// encode writes the PNG. An error is the writer's.
func (m *pngImage) encode(w io.Writer, workers int) error {
	header := append([]byte("\x89PNG\r\n\x1a\n"), make([]byte, 25)...)
	ihdr := binary.BigEndian.AppendUint32(nil, uint32(m.width))
	ihdr = binary.BigEndian.AppendUint32(ihdr, uint32(m.height))
	ihdr = append(ihdr, 8, pngColourTypes[m.channels], 0, 0, 0)
	copy(header[16:], ihdr)
	sealChunk(header[8:], "IHDR")
	if _, err := w.Write(header); err != nil {
		return err
	}
	rows := max(pieceSize/(m.width*m.channels+1), 1)
	pieces := (m.height + rows - 1) / rows
	adler := uint32(1)
	err := ordered(workers, pieces,
		func(i int) piece { return m.compress(i*rows, min((i+1)*rows, m.height), i == 0, i == pieces-1) },
		func(p piece) error {
			adler = combineAdler(adler, p.adler, p.size)
			_, err := w.Write(p.idat)
			bytesPool.put(p.idat)
			return err
		})
	if err != nil {
		return err
	}
	tail := make([]byte, 28)
	binary.BigEndian.PutUint32(tail[8:], adler)
	sealChunk(tail[:16], "IDAT")
	sealChunk(tail[16:], "IEND")
	_, err = w.Write(tail)
	return err
}

// compress makes the IDAT chunk of rows lo to hi.
func (m *pngImage) compress(lo, hi int, first, last bool) piece {
	f := newFilter(m)
	defer f.release()
	filtered := bytesPool.get((hi - lo) * (f.bytes + 1))
	defer bytesPool.put(filtered)
	for y := lo; y < hi; y++ {
		f.row(filtered[(y-lo)*(f.bytes+1):][:f.bytes+1], y)
	}
	p := piece{size: len(filtered)}
	p.idat = bytesPool.get(len(filtered) + len(filtered)/8 + 2048)[:8]
	if first {
		p.idat = append(p.idat, 0x78, 0x01) // deflate, 32 KB window, fastest
	}
	d := deflaters.Get().(*deflater)
	defer deflaters.Put(d)
	p.idat = d.deflate(p.idat, filtered, last)
	p.adler = d.adler(filtered)
	p.idat = append(p.idat, 0, 0, 0, 0)
	sealChunk(p.idat, "IDAT")
	return p
}

// sealChunk fills in length, type and checksum around the data of a chunk.
func sealChunk(chunk []byte, kind string) {
	n := len(chunk)
	binary.BigEndian.PutUint32(chunk, uint32(n-12))
	copy(chunk[4:], kind)
	binary.BigEndian.PutUint32(chunk[n-4:], crc32.ChecksumIEEE(chunk[4:n-4]))
}

// adlerOfRun is the checksum of n bytes of v: 1 + v + v + …, and the sum of
// those sums.
func adlerOfRun(v uint8, n int) uint32 {
	const mod = 65521
	c, k := uint64(v), uint64(n)
	return uint32((k+c*(k*(k+1)/2%mod))%mod<<16 | (1+c*k)%mod)
}

// combineAdler returns the checksum of two stretches, the second of n bytes,
// from theirs (zlib's adler32_combine).
func combineAdler(a, b uint32, n int) uint32 {
	const mod = 65521
	a1, a2, b1, b2 := uint64(a&0xffff), uint64(a>>16), uint64(b&0xffff), uint64(b>>16)
	s1 := (a1 + b1 + mod - 1) % mod
	s2 := (a2 + b2 + uint64(n)%mod*(a1+mod-1)) % mod
	return uint32(s2<<16 | s1)
}
