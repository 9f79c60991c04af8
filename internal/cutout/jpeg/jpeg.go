// Package jpeg decodes the JPEG files that cameras and the web make, to the
// same values as libjpeg: baseline and progressive, Huffman-coded, 8 bits, grey
// or YCbCr.
//
// It exists beside the standard library's decoder for two reasons. A network
// answers to the last bit of a picture, and libjpeg's inverse transform, which
// everybody trains and compares with, rounds differently. And this one is
// faster, uses several cores, and takes its memory from the caller, so that
// hundreds of pictures leave nothing for the garbage collector.
//
// Order to read: jpeg.go (the file), huffman.go (bits), scan.go (coefficients),
// idct.go (samples). Paragraph numbers are those of ITU-T T.81.
//
// It never guesses: what it does not know is ErrUnsupported, for the standard
// library to try, and what is missing or contradictory is ErrDamaged.
package jpeg

import (
	"errors"
	"image"
)

// Errors of Decode.
var (
	// ErrUnsupported is a JPEG of a kind that is not read here.
	ErrUnsupported = errors.New("jpeg: kind not supported")
	// ErrDamaged is a JPEG that ends early or contradicts itself.
	ErrDamaged = errors.New("jpeg: incomplete or damaged")
)

// Options for Decode.
type Options struct {
	// MaxPixels refuses larger pictures as ErrUnsupported; 0 means no limit.
	MaxPixels int64
	// Workers is how many goroutines may compute; 0 means one.
	Workers int
	// Alloc returns the memory for a plane, with any content; nil means make.
	Alloc func(n int) []uint8
}

// Decode returns an *image.YCbCr or, for one channel, an *image.Gray. Their
// planes come from o.Alloc, lie at origin (0, 0), and reach beyond the picture
// to whole blocks.
func Decode(data []byte, o Options) (image.Image, error) {
	if o.Alloc == nil {
		o.Alloc = func(n int) []uint8 { return make([]uint8, n) }
	}
	d := &decoder{data: data, options: o}
	if err := d.file(); err != nil {
		return nil, err
	}
	return d.image(), nil
}

// Markers (table B.1).
const (
	markerSOF0 = 0xc0 // baseline
	markerSOF1 = 0xc1 // extended sequential
	markerSOF2 = 0xc2 // progressive
	markerDHT  = 0xc4
	markerRST0 = 0xd0
	markerRST7 = 0xd7
	markerSOI  = 0xd8
	markerEOI  = 0xd9
	markerSOS  = 0xda
	markerDQT  = 0xdb
	markerDRI  = 0xdd
	markerAPP0 = 0xe0
	markerAPPE = 0xee // Adobe's
	markerAPPF = 0xef
	markerCOM  = 0xfe
)

// component is one channel.
type component struct {
	id     uint8
	h, v   int // sampling factors
	quant  *[64]uint16
	table  uint8 // which of quantisation tables
	wide   int   // blocks per row, padded to whole units
	high   int
	usedW  int // blocks that the picture reaches into
	usedH  int
	plane  []uint8
	stride int
	coefs  []int16 // progressive only: 64 per block
	dc, ac *huffman
	pred   int32 // the last DC value
	// scanned is set once there is a value for every block; without, the plane
	// would show what was in its memory before.
	scanned bool
}

type decoder struct {
	data    []byte
	pos     int
	options Options

	width, height int
	progressive   bool
	comps         []*component
	hMax, vMax    int
	unitsX        int // units (MCUs) per row
	unitsY        int
	restart       int // units between restart markers, 0 for none
	quant         [4]*[64]uint16
	huff          [2][4]*huffman // DC, AC
	seenJFIF      bool
	adobe         int // colour transform, -1 if unknown
	scans         int
}

// file reads marker after marker (annex B).
func (d *decoder) file() error {
	d.adobe = -1
	if len(d.data) < 2 || d.data[0] != 0xff || d.data[1] != markerSOI {
		return ErrDamaged
	}
	d.pos = 2
	for {
		marker, err := d.marker()
		if err != nil {
			return err
		}
		switch {
		case marker == markerEOI:
			return d.finish()
		case marker >= markerRST0 && marker <= markerRST7, marker == 0x01:
			continue // left over after a scan; carries nothing
		}
		body, err := d.segment()
		if err != nil {
			return err
		}
		if err := d.apply(marker, body); err != nil {
			return err
		}
	}
}

// marker finds the next marker. Bytes before it are skipped, as all decoders do.
func (d *decoder) marker() (uint8, error) {
	for d.pos+1 < len(d.data) {
		if d.data[d.pos] == 0xff && d.data[d.pos+1] != 0 && d.data[d.pos+1] != 0xff {
			d.pos += 2
			return d.data[d.pos-1], nil
		}
		d.pos++
	}
	return 0, ErrDamaged
}

// segment returns what follows a marker.
func (d *decoder) segment() ([]uint8, error) {
	rest := d.data[d.pos:]
	if len(rest) < 2 {
		return nil, ErrDamaged
	}
	n := int(rest[0])<<8 | int(rest[1])
	if n < 2 || n > len(rest) {
		return nil, ErrDamaged
	}
	d.pos += n
	return rest[2:n], nil
}

func (d *decoder) apply(marker uint8, body []uint8) error {
	switch marker {
	case markerSOF0, markerSOF1, markerSOF2:
		return d.frame(body, marker == markerSOF2)
	case markerDHT:
		return d.huffmanTables(body)
	case markerDQT:
		return d.quantTables(body)
	case markerDRI:
		if len(body) != 2 {
			return ErrDamaged
		}
		d.restart = int(body[0])<<8 | int(body[1])
		return nil
	case markerSOS:
		return d.scan(body)
	case markerAPP0:
		d.seenJFIF = d.seenJFIF || len(body) >= 5 && string(body[:5]) == "JFIF\x00"
		return nil
	case markerAPPE:
		if len(body) >= 12 && string(body[:5]) == "Adobe" {
			d.adobe = int(body[11])
		}
		return nil
	}
	if marker > markerAPP0 && marker <= markerAPPF || marker == markerCOM {
		return nil
	}
	return ErrUnsupported // other kinds of frames, and what belongs to them
}

// frame reads B.2.2.
func (d *decoder) frame(body []uint8, progressive bool) error {
	if d.comps != nil || len(body) < 6 || len(body) != 6+3*int(body[5]) {
		return ErrDamaged
	}
	n := int(body[5])
	d.height, d.width = int(body[1])<<8|int(body[2]), int(body[3])<<8|int(body[4])
	if body[0] != 8 || n != 1 && n != 3 || d.width == 0 || d.height == 0 {
		return ErrUnsupported
	}
	if limit := d.options.MaxPixels; limit > 0 && int64(d.width)*int64(d.height) > limit {
		return ErrUnsupported
	}
	d.progressive = progressive
	for i := range n {
		spec := body[6+3*i:]
		c := &component{id: spec[0], h: int(spec[1] >> 4), v: int(spec[1] & 15), table: spec[2]}
		if c.table > 3 {
			return ErrDamaged
		}
		d.comps = append(d.comps, c)
	}
	if !d.knownSampling() || !d.knownColours() {
		return ErrUnsupported
	}
	d.layOut()
	return nil
}

// knownSampling accepts brightness at up to twice the resolution of colour.
func (d *decoder) knownSampling() bool {
	if len(d.comps) == 1 {
		d.comps[0].h, d.comps[0].v = 1, 1 // a lone component is not interleaved (A.2.2)
		return true
	}
	for _, c := range d.comps[1:] {
		if c.h != 1 || c.v != 1 {
			return false
		}
	}
	y := d.comps[0]
	return (y.h == 1 || y.h == 2) && (y.v == 1 || y.v == 2)
}

// knownColours tells whether three components are YCbCr, by libjpeg's rules
// (jdapimin.c, default_decompress_parms).
func (d *decoder) knownColours() bool {
	switch {
	case len(d.comps) == 1, d.seenJFIF:
		return true
	case d.adobe >= 0:
		return d.adobe != 0
	default:
		return d.comps[0].id != 'R' || d.comps[1].id != 'G' || d.comps[2].id != 'B'
	}
}

// layOut computes how many blocks there are, and makes the planes.
func (d *decoder) layOut() {
	d.hMax, d.vMax = d.comps[0].h, d.comps[0].v
	d.unitsX = ceil(d.width, 8*d.hMax)
	d.unitsY = ceil(d.height, 8*d.vMax)
	for _, c := range d.comps {
		c.wide, c.high = d.unitsX*c.h, d.unitsY*c.v
		c.usedW = ceil(ceil(d.width*c.h, d.hMax), 8)
		c.usedH = ceil(ceil(d.height*c.v, d.vMax), 8)
		c.stride = 8 * c.wide
		c.plane = d.options.Alloc(c.stride * 8 * c.high)[:c.stride*8*c.high]
		if d.progressive {
			c.coefs = make([]int16, 64*c.wide*c.high)
		}
	}
}

func ceil(a, b int) int { return (a + b - 1) / b }

// quantTables reads B.2.4.1; the tables are kept in natural order.
func (d *decoder) quantTables(body []uint8) error {
	for len(body) > 0 {
		wide, id := body[0]>>4, body[0]&15
		size := 64 * (1 + int(wide))
		if wide > 1 || id > 3 || len(body) < 1+size {
			return ErrDamaged
		}
		t := new([64]uint16)
		for i, at := range natural[:64] {
			if wide == 0 {
				t[at] = uint16(body[1+i])
			} else {
				t[at] = uint16(body[1+2*i])<<8 | uint16(body[2+2*i])
			}
		}
		d.quant[id] = t
		body = body[1+size:]
	}
	return nil
}

// huffmanTables reads B.2.4.2.
func (d *decoder) huffmanTables(body []uint8) error {
	for len(body) > 0 {
		if len(body) < 17 {
			return ErrDamaged
		}
		class, id := body[0]>>4, body[0]&15
		if class > 1 || id > 3 {
			return ErrDamaged
		}
		n := 0
		for _, count := range body[1:17] {
			n += int(count)
		}
		if len(body) < 17+n {
			return ErrDamaged
		}
		t, err := newHuffman([16]uint8(body[1:17]), body[17:17+n], class == 1)
		if err != nil {
			return err
		}
		d.huff[class][id] = t
		body = body[17+n:]
	}
	return nil
}

// image wraps the planes.
func (d *decoder) image() image.Image {
	rect := image.Rect(0, 0, d.width, d.height)
	y := d.comps[0]
	if len(d.comps) == 1 {
		return &image.Gray{Pix: y.plane, Stride: y.stride, Rect: rect}
	}
	ratio := map[[2]int]image.YCbCrSubsampleRatio{
		{1, 1}: image.YCbCrSubsampleRatio444, {2, 1}: image.YCbCrSubsampleRatio422,
		{1, 2}: image.YCbCrSubsampleRatio440, {2, 2}: image.YCbCrSubsampleRatio420,
	}[[2]int{y.h, y.v}]
	return &image.YCbCr{
		Y: y.plane, Cb: d.comps[1].plane, Cr: d.comps[2].plane,
		YStride: y.stride, CStride: d.comps[1].stride, SubsampleRatio: ratio, Rect: rect,
	}
}

// natural is the zig-zag sequence (figure A.6): where in a block, row by row,
// the k-th coefficient belongs. Past its end it points at the last one, so that
// a run that leads there is noticed afterwards and not on the way.
var natural = [64 + 16]uint8{
	0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
	63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63,
}
