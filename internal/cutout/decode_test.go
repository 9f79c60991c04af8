package cutout

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	photo "github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/internal/testphotos"
)

// readImage decodes a PNG of ours or of the peer's.
func readImage(t testing.TB, data []byte) image.Image {
	t.Helper()
	m, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func readFile(t testing.TB, path ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func encodePNG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := png.Encode(&out, m); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func encodeJPEG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := jpeg.Encode(&out, m, nil); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// difference is the largest difference of any channel of two pictures of the
// same size, with colours as they are stored.
func difference(t testing.TB, a, b image.Image) int {
	t.Helper()
	if a.Bounds() != b.Bounds() {
		t.Fatalf("sizes differ: %v, %v", a.Bounds(), b.Bounds())
	}
	most := 0
	for y := a.Bounds().Min.Y; y < a.Bounds().Max.Y; y++ {
		for x := a.Bounds().Min.X; x < a.Bounds().Max.X; x++ {
			p, _ := color.NRGBAModel.Convert(a.At(x, y)).(color.NRGBA)
			q, _ := color.NRGBAModel.Convert(b.At(x, y)).(color.NRGBA)
			for _, d := range []int{int(p.R) - int(q.R), int(p.G) - int(q.G), int(p.B) - int(q.B), int(p.A) - int(q.A)} {
				most = max(most, d, -d)
			}
		}
	}
	return most
}

// Every kind of file comes out as Pillow reads it; the exceptions say why.
func TestDecodeReadsWhatPillowReads(t *testing.T) {
	tolerance := map[string]int{
		"cmyk.jpg":        2, // standard library's inverse transform
		"rgb.jpg":         1,
		"lossy.webp":      2, // libwebp rounds the upsampling differently
		"lossyalpha.webp": 2,
	}
	files, err := filepath.Glob("testdata/decode/*.expected.png")
	if err != nil || len(files) < 30 {
		t.Fatalf("found %d files, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".expected.png")
		t.Run(name, func(t *testing.T) {
			for _, workers := range []int{1, 3} {
				p, err := Decode(readFile(t, "testdata/decode", name), Limits{}, workers)
				if err != nil {
					t.Fatal(err)
				}
				if d := difference(t, p.Image(), readImage(t, readFile(t, file))); d > tolerance[name] {
					t.Errorf("workers %d: differs by %d", workers, d)
				}
				p.Release()
			}
		})
	}
}

func TestDecodeConvertsEveryKindOfPixel(t *testing.T) {
	grey16 := image.NewGray16(image.Rect(0, 0, 3, 2))
	grey16.SetGray16(1, 1, color.Gray16{Y: 0xab12})
	rgba64 := image.NewNRGBA64(image.Rect(0, 0, 3, 2))
	rgba64.SetNRGBA64(1, 1, color.NRGBA64{R: 0x1234, G: 0x5678, B: 0x9abc, A: 0x8000})
	opaque64 := image.NewRGBA64(image.Rect(0, 0, 3, 2))
	for i := range opaque64.Pix {
		opaque64.Pix[i] = 0xff
	}
	opaque64.SetRGBA64(1, 1, color.RGBA64{R: 0x1234, G: 0x5678, B: 0x9abc, A: 0xffff})
	grey := image.NewGray(image.Rect(0, 0, 3, 2))
	grey.SetGray(1, 1, color.Gray{Y: 77})
	palette := image.NewPaletted(image.Rect(0, 0, 3, 2), color.Palette{color.NRGBA{A: 255}, color.NRGBA{R: 9, G: 8, B: 7, A: 6}})
	palette.SetColorIndex(1, 1, 1)

	tests := map[string]struct {
		given image.Image
		then  color.NRGBA // at (1, 1)
	}{
		"16-bit grey":          {grey16, color.NRGBA{0xab, 0xab, 0xab, 0xff}},
		"16-bit with alpha":    {rgba64, color.NRGBA{0x12, 0x56, 0x9a, 0x80}},
		"16-bit without alpha": {opaque64, color.NRGBA{0x12, 0x56, 0x9a, 0xff}},
		"8-bit grey":           {grey, color.NRGBA{77, 77, 77, 255}},
		"palette with alpha":   {palette, color.NRGBA{9, 8, 7, 6}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := Decode(encodePNG(t, tt.given), Limits{}, 1)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Release()
			if got := p.Image().NRGBAAt(1, 1); got != tt.then {
				t.Errorf("got %v, want %v", got, tt.then)
			}
		})
	}
}

// animation is a GIF whose first frame covers a part of the picture; what
// follows it is replaced by rubbish.
func animation(t testing.TB) []byte {
	t.Helper()
	palette := color.Palette{color.Transparent, color.NRGBA{R: 200, A: 255}, color.NRGBA{G: 200, A: 255}}
	first := image.NewPaletted(image.Rect(2, 1, 5, 4), palette)
	second := image.NewPaletted(image.Rect(0, 0, 8, 6), palette)
	for i := range first.Pix {
		first.Pix[i] = 1
	}
	for i := range second.Pix {
		second.Pix[i] = 2
	}
	var out bytes.Buffer
	err := gif.EncodeAll(&out, &gif.GIF{
		Image: []*image.Paletted{first, second}, Delay: []int{1, 1},
		Config: image.Config{ColorModel: palette, Width: 8, Height: 6},
	})
	if err != nil {
		t.Fatal(err)
	}
	data := out.Bytes()
	return append(data[:len(data)-8], "rubbish!"...)
}

func TestDecodeTakesTheFirstFrameOnly(t *testing.T) {
	p, err := Decode(animation(t), Limits{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Release()
	m := p.Image()
	if m.Rect != image.Rect(0, 0, 8, 6) || p.opaque {
		t.Errorf("size %v, opaque %v", m.Rect, p.opaque)
	}
	if inside, outside := m.NRGBAAt(3, 2), m.NRGBAAt(0, 0); inside != (color.NRGBA{R: 200, A: 255}) || outside != (color.NRGBA{}) {
		t.Errorf("frame is %v, around it %v", inside, outside)
	}
}

// pngHeader is a PNG that ends after claiming a size.
func pngHeader(w, h uint32) []byte {
	chunk := []byte("IHDR")
	chunk = binary.BigEndian.AppendUint32(chunk, w)
	chunk = binary.BigEndian.AppendUint32(chunk, h)
	chunk = append(chunk, 8, 6, 0, 0, 0)
	out := binary.BigEndian.AppendUint32([]byte("\x89PNG\r\n\x1a\n"), 13)
	out = append(out, chunk...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(chunk))
}

func TestBadInput(t *testing.T) {
	jpg, small := testphotos.Original("chelsea"), Limits{MaxBytes: 1000, MaxPixels: 100}
	jpegHeader := func(w, h uint16) []byte {
		out := []byte("\xff\xd8\xff\xc0\x00\x11\x08")
		out = binary.BigEndian.AppendUint16(out, h)
		out = binary.BigEndian.AppendUint16(out, w)
		out = append(out, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1)
		return append(out, "\xff\xda\x00\x0c\x03\x01\x00\x02\x11\x03\x11\x00\x3f\x00"...)
	}
	brokenPNG := encodePNG(t, testphotos.Gradient(50, 40))
	brokenPNG[len(brokenPNG)/2] ^= 0xff
	animated := append([]byte("RIFF\x34\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x02\x00\x00\x00\x07\x00\x00\x07\x00\x00"),
		"ANIM\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00ANMF\x00\x00\x00\x00"...)

	tests := map[string]struct {
		given  []byte
		limits Limits
		then   *refusal.Error
		says   string // part of the text
	}{
		"nothing":               {nil, Limits{}, photo.ErrEmpty, ""},
		"text named .jpg":       {[]byte("Dear Sir or Madam,\n"), Limits{}, photo.ErrNotAnImage, ""},
		"one byte":              {[]byte{0xff}, Limits{}, photo.ErrNotAnImage, ""},
		"truncated JPEG":        {jpg[:len(jpg)/2], Limits{}, photo.ErrTruncated, ""},
		"JPEG without its end":  {jpg[:len(jpg)-2], Limits{}, photo.ErrTruncated, ""},
		"JPEG header only":      {jpg[:20], Limits{}, photo.ErrTruncated, ""},
		"truncated PNG":         {encodePNG(t, testphotos.Gradient(50, 40))[:200], Limits{}, photo.ErrTruncated, ""},
		"damaged PNG":           {brokenPNG, Limits{}, photo.ErrTruncated, ""},
		"truncated WebP":        {readFile(t, "testdata/decode/lossy.webp")[:300], Limits{}, photo.ErrTruncated, ""},
		"truncated GIF":         {readFile(t, "testdata/decode/still.gif")[:300], Limits{}, photo.ErrTruncated, ""},
		"60000 × 60000 PNG":     {pngHeader(60000, 60000), Limits{}, photo.ErrTooManyPixels, "60000 × 60000"},
		"65535 × 65535 JPEG":    {jpegHeader(65535, 65535), Limits{}, photo.ErrTooManyPixels, "65535 × 65535"},
		"one endless row":       {pngHeader(40_000_000, 1), Limits{}, photo.ErrTooManyPixels, "65535 are accepted on a side"},
		"no height":             {jpegHeader(10, 0), Limits{}, photo.ErrTruncated, ""},
		"over the byte limit":   {make([]byte, 1001), small, photo.ErrTooLarge, ""},
		"over the pixel limit":  {readFile(t, "testdata/decode/palette.png"), small, photo.ErrTooManyPixels, "at most 0.0001 megapixels"},
		"HEIC":                  {[]byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00"), Limits{}, photo.ErrUnsupportedFormat, "HEIC"},
		"AVIF":                  {[]byte("\x00\x00\x00\x18ftypavif\x00\x00\x00\x00"), Limits{}, photo.ErrUnsupportedFormat, "AVIF"},
		"TIFF":                  {[]byte("II*\x00\x08\x00\x00\x00"), Limits{}, photo.ErrUnsupportedFormat, "TIFF"},
		"BMP":                   {[]byte("BM\x00\x00\x00\x00"), Limits{}, photo.ErrUnsupportedFormat, "BMP"},
		"PDF":                   {[]byte("%PDF-1.7"), Limits{}, photo.ErrUnsupportedFormat, "PDF"},
		"video":                 {[]byte("\x00\x00\x00\x18ftypisom\x00\x00\x00\x00"), Limits{}, photo.ErrUnsupportedFormat, "video"},
		"animated WebP":         {animated, Limits{}, photo.ErrUnsupportedFormat, "Animated WebP"},
		"12-bit JPEG":           {append([]byte("\xff\xd8\xff\xc1\x00\x0b\x0c"), 0, 8, 0, 8, 1, 1, 0x11, 0), Limits{}, photo.ErrUnsupportedFormat, "precision"},
		"arithmetic-coded JPEG": {append([]byte("\xff\xd8\xff\xc9\x00\x0b\x08"), 0, 8, 0, 8, 1, 1, 0x11, 0), Limits{}, photo.ErrUnsupportedFormat, "JPEG"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Decode(tt.given, tt.limits, 2)
			r, ok := refusal.As(err)
			if !ok || r.Code != tt.then.Code || r.Kind != tt.then.Kind {
				t.Fatalf("got %v, want %s", err, tt.then.Code)
			}
			if !strings.Contains(r.Text, tt.says) || r.Help == "" {
				t.Errorf("says %q and helps %q; want %q in it", r.Text, r.Help, tt.says)
			}
		})
	}
}

// Wherever a file breaks off, that is a refusal.
func TestPrefixesAreRefused(t *testing.T) {
	for _, name := range []string{"baseline420.jpg", "progressive420.jpg", "restart.jpg", "cmyk.jpg", "rgba.png", "lossyalpha.webp"} {
		data := readFile(t, "testdata/decode", name)
		end := len(data)
		if strings.HasSuffix(name, ".png") {
			end -= 12 // the pixels are complete without IEND
		}
		for n := 0; n < end; n += 1 + n%3 {
			p, err := Decode(data[:n], Limits{}, 1)
			if _, ok := refusal.As(err); !ok {
				t.Fatalf("%s, first %d of %d bytes: %v, %v", name, n, len(data), p, err)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/decode/*.*g*")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		f.Add(readFile(f, file))
	}
	f.Add(animation(f))
	f.Add(pngHeader(60000, 60000))
	f.Add(withProfile(f, encodeJPEG(f, testphotos.Gradient(9, 9)), displayP3()))
	limits := Limits{MaxBytes: 1 << 16, MaxPixels: 1 << 16}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Decode(data, limits, 2)
		if err != nil {
			if _, ok := refusal.As(err); !ok {
				t.Fatalf("not a refusal: %v", err)
			}
			return
		}
		if p.Width <= 0 || p.Height <= 0 || int64(p.Width)*int64(p.Height) > limits.MaxPixels || len(p.pix) != 4*p.Width*p.Height {
			t.Fatalf("%d × %d pixels in %d bytes", p.Width, p.Height, len(p.pix))
		}
		p.Release()
	})
}
