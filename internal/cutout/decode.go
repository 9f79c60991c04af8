package cutout

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"

	photo "github.com/bgremover/bgremover/domain/image"
	libjpeg "github.com/bgremover/bgremover/internal/cutout/jpeg"
	"golang.org/x/image/webp"
)

// Picture is a decoded photo: straight (not premultiplied) sRGB, 8 bits a
// channel, upright, without any metadata.
//
// Whoever decodes it owns it, and MUST call Release once, after which its
// memory belongs to the next picture.
type Picture struct {
	Width, Height int
	Format        Format

	pix    []uint8 // R, G, B, A per pixel, rows without gaps
	opaque bool    // every A is 255
}

// Release gives the picture's memory back.
func (p *Picture) Release() {
	bytesPool.put(p.pix)
	p.pix = nil
}

// Image returns the picture's own pixels, valid until Release.
func (p *Picture) Image() *image.NRGBA {
	return &image.NRGBA{Pix: p.pix, Stride: 4 * p.Width, Rect: image.Rect(0, 0, p.Width, p.Height)}
}

// Decode reads a JPEG, PNG, WebP or the first frame of a GIF with up to workers
// goroutines. EXIF orientation is applied. An embedded matrix colour profile
// (Display P3, Adobe RGB and the like) is converted to sRGB; profiles made of
// tables, and those of CMYK and grey pictures, are not honoured.
//
// It refuses what Inspect refuses, and image.truncated for whatever turns out
// to be incomplete or damaged on the way. No input makes it panic.
func Decode(data []byte, limits Limits, workers int) (*Picture, error) {
	info, err := Inspect(data, limits)
	if err != nil {
		return nil, err
	}
	p, err := decodePixels(data, info, workers)
	if err != nil {
		return nil, refuse(err)
	}
	meta := readMetadata(data, info.Format)
	if t := conversionToSRGB(meta.profile); t != nil {
		t.apply(p.pix, workers)
	}
	p.turn(meta.orientation, workers)
	return p, nil
}

func decodePixels(data []byte, info Info, workers int) (p *Picture, err error) {
	defer recoverDecoder(&err)
	var (
		m image.Image
		r = bytes.NewReader(data)
		t = jfif
	)
	switch info.Format {
	case JPEG:
		m, err = libjpeg.Decode(data, libjpeg.Options{Workers: workers, Alloc: bytesPool.get})
		defer recyclePlanes(m)
		if errors.Is(err, libjpeg.ErrUnsupported) {
			m, err = jpeg.Decode(r) // CMYK, RGB, rare sampling; or it knows why not
		}
	case PNG:
		m, err = png.Decode(r)
	case WebP:
		if animatedWebP(data) {
			return nil, reworded(photo.ErrUnsupportedFormat, "Animated WebP cannot be read here.")
		}
		m, err = webp.Decode(r)
		t = vp8
	case GIF:
		m, err = gif.Decode(r) // the first frame; the others are not even read
	}
	if err != nil {
		return nil, err
	}
	p = &Picture{Width: info.Width, Height: info.Height, Format: info.Format}
	if err := p.fill(m, t, workers); err != nil {
		return nil, err
	}
	return p, nil
}

// recyclePlanes takes back what package jpeg allocated.
func recyclePlanes(m image.Image) {
	switch m := m.(type) {
	case *image.YCbCr:
		bytesPool.put(m.Y)
		bytesPool.put(m.Cb)
		bytesPool.put(m.Cr)
	case *image.Gray:
		bytesPool.put(m.Pix)
	}
}

// fill takes over the pixels of m. A frame smaller than the picture (GIF) is
// placed where it belongs, on nothing.
func (p *Picture) fill(m image.Image, t *yccTables, workers int) error {
	whole := image.Rect(0, 0, p.Width, p.Height)
	if b := m.Bounds(); b != whole {
		if _, gif := m.(*image.Paletted); !gif || !b.In(whole) {
			return photo.ErrTruncated
		}
	}
	if n, ok := m.(*image.NRGBA); ok && n.Stride == 4*p.Width {
		p.pix = n.Pix
	} else {
		p.pix = bytesPool.get(4 * p.Width * p.Height)
	}
	p.opaque = true
	switch m := m.(type) {
	case *image.YCbCr:
		fromYCbCr(p.pix, m, t, workers)
	case *image.NYCbCrA:
		fromYCbCr(p.pix, &m.YCbCr, t, workers)
		p.eachRow(workers, func(y int, row []uint8) {
			for x, a := range m.A[y*m.AStride:][:p.Width] {
				row[4*x+3] = a
			}
		})
		p.opaque = m.Opaque()
	case *image.Paletted:
		if m.Rect != whole {
			clear(p.pix)
		}
		p.fromPaletted(m)
		p.opaque = m.Rect == whole && m.Opaque()
	case *image.Gray:
		p.eachRow(workers, func(y int, row []uint8) { fromGrey(row, m.Pix[y*m.Stride:], 1) })
	case *image.Gray16:
		p.eachRow(workers, func(y int, row []uint8) { fromGrey(row, m.Pix[y*m.Stride:], 2) })
	case *image.RGBA: // from these decoders always opaque
		p.eachRow(workers, func(y int, row []uint8) { copy(row, m.Pix[y*m.Stride:]) })
	case *image.NRGBA:
		p.eachRow(workers, func(y int, row []uint8) { copy(row, m.Pix[y*m.Stride:]) })
		p.opaque = m.Opaque()
	case *image.RGBA64:
		p.eachRow(workers, func(y int, row []uint8) { fromWide(row, m.Pix[y*m.Stride:]) })
	case *image.NRGBA64:
		p.eachRow(workers, func(y int, row []uint8) { fromWide(row, m.Pix[y*m.Stride:]) })
		p.opaque = m.Opaque()
	case *image.CMYK:
		p.eachRow(workers, func(y int, row []uint8) { fromCMYK(row, m.Pix[y*m.Stride:]) })
	default:
		p.Release()
		return fmt.Errorf("cutout: decoder returned %T", m)
	}
	return nil
}

// eachRow calls f with every row of the picture, several rows at a time.
func (p *Picture) eachRow(workers int, f func(y int, row []uint8)) {
	stride := 4 * p.Width
	split(workers, p.Height, 64, func(lo, hi int) {
		for y := lo; y < hi; y++ {
			f(y, p.pix[y*stride:][:stride])
		}
	})
}

func (p *Picture) fromPaletted(m *image.Paletted) {
	var table [256][4]uint8
	for i, c := range m.Palette {
		n, ok := color.NRGBAModel.Convert(c).(color.NRGBA)
		if !ok || i > 255 {
			break
		}
		table[i] = [4]uint8{n.R, n.G, n.B, n.A}
	}
	b := m.Rect
	for y := b.Min.Y; y < b.Max.Y; y++ {
		row := p.pix[4*(y*p.Width+b.Min.X):]
		for x, i := range m.Pix[(y-b.Min.Y)*m.Stride:][:b.Dx()] {
			*(*[4]uint8)(row[4*x:]) = table[i]
		}
	}
}

// fromGrey spreads grey samples of the given number of bytes, of which it takes
// the first.
func fromGrey(row, src []uint8, bytes int) {
	for x := range len(row) / 4 {
		v := src[x*bytes]
		*(*[4]uint8)(row[4*x:]) = [4]uint8{v, v, v, 255}
	}
}

// fromWide takes the high byte of 16-bit samples.
func fromWide(row, src []uint8) {
	for i := range row {
		row[i] = src[2*i]
	}
}

// fromCMYK converts as libjpeg's users do, without a profile. The decoder has
// already undone Adobe's inversion.
func fromCMYK(row, src []uint8) {
	for i := 0; i < len(row); i += 4 {
		r, g, b := color.CMYKToRGB(src[i], src[i+1], src[i+2], src[i+3])
		*(*[4]uint8)(row[i:]) = [4]uint8{r, g, b, 255}
	}
}
