package cutout

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/adler32"
	"hash/crc32"
	"image"
	"image/color"
	"io"
	"testing"

	"pgregory.net/rapid"
)

// checkPNG is as strict as pngcheck: signature, chunk order and checksums, one
// zlib stream of exactly the right length, nothing but what is needed, nothing
// behind the end.
func checkPNG(data []byte, width, height, channels int) error {
	if !bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")) {
		return errors.New("no signature")
	}
	data = data[8:]
	var idat []byte
	var order string
	for len(data) > 0 {
		if len(data) < 12 {
			return errors.New("trailing bytes")
		}
		n := int(binary.BigEndian.Uint32(data))
		if n > len(data)-12 {
			return errors.New("chunk too long")
		}
		kind, body := string(data[4:8]), data[8:8+n]
		if crc32.ChecksumIEEE(data[4:8+n]) != binary.BigEndian.Uint32(data[8+n:]) {
			return fmt.Errorf("checksum of %s", kind)
		}
		switch kind {
		case "IHDR":
			want := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(width)), uint32(height))
			want = append(want, 8, map[int]byte{1: 0, 3: 2, 4: 6}[channels], 0, 0, 0)
			if !bytes.Equal(body, want) {
				return fmt.Errorf("header is %v", body)
			}
			order += "h"
		case "IDAT":
			idat = append(idat, body...)
			if order != "h" && order != "hd" {
				return errors.New("IDAT out of order")
			}
			order = "hd"
			if n > 2*pieceSize+width*channels*2 {
				return fmt.Errorf("IDAT of %d bytes", n)
			}
		case "IEND":
			order += "e"
		default:
			return fmt.Errorf("chunk %s", kind)
		}
		data = data[12+n:]
	}
	if order != "hde" {
		return fmt.Errorf("chunks are %q", order)
	}
	r := bytes.NewReader(idat)
	z, err := zlib.NewReader(r)
	if err != nil {
		return err
	}
	rows, err := io.ReadAll(z)
	if err != nil {
		return err
	}
	if r.Len() > 0 {
		return fmt.Errorf("%d bytes behind the zlib stream", r.Len())
	}
	if len(rows) != height*(width*channels+1) {
		return fmt.Errorf("%d bytes of rows", len(rows))
	}
	return nil
}

// Every size, with any number of workers, is a valid PNG of the same pixels.
func TestEncodedPNGsAreValidAndTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, h := rapid.IntRange(1, 70).Draw(t, "w"), rapid.IntRange(1, 70).Draw(t, "h")
		if rapid.Bool().Draw(t, "tall") {
			h *= 40 // several pieces
		}
		channels := rapid.SampledFrom([]Channels{RGBA, Opaque, AlphaOnly}).Draw(t, "channels")
		m := &image.NRGBA{Pix: drawPixels(t, 4*w*h), Stride: 4 * w, Rect: image.Rect(0, 0, w, h)}
		var out bytes.Buffer
		if err := EncodePNG(&out, m, channels, rapid.IntRange(1, 4).Draw(t, "workers")); err != nil {
			t.Fatal(err)
		}
		if err := checkPNG(out.Bytes(), w, h, int(channels)); err != nil {
			t.Fatal(err)
		}
		got, err := pngDecode(out.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		for y := range h {
			for x := range w {
				want := m.NRGBAAt(x, y)
				switch channels {
				case Opaque:
					want.A = 255
				case AlphaOnly:
					want = color.NRGBA{want.A, want.A, want.A, 255}
				case RGBA:
				}
				if c := color.NRGBAModel.Convert(got.At(x, y)); want.A > 0 && c != want {
					t.Fatalf("(%d, %d): got %v, want %v", x, y, c, want)
				}
			}
		}
	})
}

func pngDecode(data []byte) (image.Image, error) {
	m, _, err := image.Decode(bytes.NewReader(data))
	return m, err
}

func TestEncodingPartOfAPicture(t *testing.T) {
	whole := image.NewNRGBA(image.Rect(0, 0, 20, 20))
	for i := range whole.Pix {
		whole.Pix[i] = uint8(i)
	}
	part, ok := whole.SubImage(image.Rect(5, 6, 17, 11)).(*image.NRGBA)
	if !ok {
		t.Fatal("no part")
	}
	var out bytes.Buffer
	if err := EncodePNG(&out, part, RGBA, 2); err != nil {
		t.Fatal(err)
	}
	got := readImage(t, out.Bytes())
	for y := range 5 {
		for x := range 12 {
			if c := color.NRGBAModel.Convert(got.At(x, y)); c != part.NRGBAAt(x+5, y+6) {
				t.Fatalf("(%d, %d): %v", x, y, c)
			}
		}
	}
}

type failingWriter struct{ left int }

func (w *failingWriter) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		return 0, io.ErrClosedPipe
	}
	return len(p), nil
}

func TestEncodingEndsWithTheWriter(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 600, 900))
	for i := range m.Pix {
		m.Pix[i] = uint8(i * i >> 5)
	}
	for left := 1; left < 400_000; left *= 5 {
		if err := EncodePNG(&failingWriter{left}, m, RGBA, 3); !errors.Is(err, io.ErrClosedPipe) {
			t.Fatalf("after %d bytes: %v", left, err)
		}
	}
}

func TestDeflateRoundTrip(t *testing.T) {
	var d deflater
	rapid.Check(t, func(t *rapid.T) {
		var stream, want []byte
		sum := uint32(1)
		n := rapid.IntRange(1, 4).Draw(t, "pieces")
		for i := range n {
			src := drawPixels(t, rapid.IntRange(1, 3000).Draw(t, "size"))
			stream = d.deflate(stream, src, i == n-1)
			sum = combineAdler(sum, d.adler(src), len(src))
			want = append(want, src...)
		}
		r := bytes.NewReader(stream)
		got, err := io.ReadAll(flate.NewReader(r))
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%d bytes come back as %d: %v", len(want), len(got), err)
		}
		if r.Len() > 0 {
			t.Fatalf("%d bytes behind the end", r.Len())
		}
		if sum != adler32.Checksum(want) {
			t.Fatalf("checksum is %x, want %x", sum, adler32.Checksum(want))
		}
	})
}

// However uneven the counts, a code is complete (Kraft's sum is 1) and short enough.
func TestCodesAreCompleteAndShort(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.SampledFrom([]int{7, 12}).Draw(t, "limit")
		n := 286
		if limit == 7 {
			n = 19
		}
		count := make([]uint32, n)
		for i := range count {
			if rapid.IntRange(0, 3).Draw(t, "used") > 0 {
				count[i] = 1 << rapid.IntRange(0, 30).Draw(t, "magnitude")
			}
		}
		count[0]++
		codes := make([]code, n)
		makeCode(codes, count, limit)
		sum := 0
		for i, c := range codes {
			if c.n > 0 {
				sum += 1 << (limit - int(c.n))
			}
			if int(c.n) > limit || count[i] > 0 && c.n == 0 {
				t.Fatalf("symbol %d, seen %d times, has %d bits", i, count[i], c.n)
			}
		}
		if sum != 1<<limit {
			t.Fatalf("Kraft's sum is %d/%d", sum, 1<<limit)
		}
	})
}

func TestSumOfARun(t *testing.T) {
	for _, n := range []int{1, 255, 65521, 1 << 20} {
		for _, v := range []uint8{0, 1, 255} {
			if got, want := adlerOfRun(v, n), adler32.Checksum(bytes.Repeat([]byte{v}, n)); got != want {
				t.Errorf("%d times %d: got %x, want %x", n, v, got, want)
			}
		}
	}
}

func TestPreview(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 300, 100))
	for y := range 100 {
		for x := range 300 {
			if x < 150 { // half green, half invisible red
				m.SetNRGBA(x, y, color.NRGBA{G: 200, A: 255})
			} else {
				m.SetNRGBA(x, y, color.NRGBA{R: 200, A: 0})
			}
		}
	}
	tests := map[string]struct {
		maxSide int
		then    image.Rectangle
	}{
		"large enough": {300, image.Rect(0, 0, 300, 100)},
		"smaller":      {101, image.Rect(0, 0, 101, 33)},
		"tiny":         {1, image.Rect(0, 0, 1, 1)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := encodePreview(&out, m, tt.maxSide, 2); err != nil {
				t.Fatal(err)
			}
			got := readImage(t, out.Bytes())
			if got.Bounds() != tt.then {
				t.Fatalf("size %v", got.Bounds())
			}
			for y := range tt.then.Dy() {
				for x := range tt.then.Dx() {
					c, ok := color.NRGBAModel.Convert(got.At(x, y)).(color.NRGBA)
					if !ok || c.A > 0 && tt.maxSide < 300 && (c.R != 0 || c.G != 200) {
						t.Fatalf("(%d, %d) is %v: the invisible red shines through", x, y, c)
					}
				}
			}
		})
	}
}

// Averages are exact, whatever the ratio.
func TestReduceKeepsConstants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, h := rapid.IntRange(1, 60).Draw(t, "w"), rapid.IntRange(1, 60).Draw(t, "h")
		c := color.NRGBA{rapid.Uint8().Draw(t, "r"), 2, 3, rapid.Uint8Min(1).Draw(t, "a")}
		m := image.NewNRGBA(image.Rect(0, 0, w, h))
		for i := range w * h {
			m.SetNRGBA(i%w, i/w, c)
		}
		small := reduce(m, rapid.IntRange(1, w).Draw(t, "ow"), rapid.IntRange(1, h).Draw(t, "oh"), 2)
		for y := range small.Rect.Dy() {
			for x := range small.Rect.Dx() {
				if got := small.NRGBAAt(x, y); got != c {
					t.Fatalf("(%d, %d): %v, want %v", x, y, got, c)
				}
			}
		}
	})
}

// A result may have more bytes than an upload.
func TestReduceTakesLargeResults(t *testing.T) {
	small := encodePNG(t, image.NewNRGBA(image.Rect(0, 0, 30, 20)))
	filler := make([]byte, 26<<20)
	sealChunk(filler, "fiLl") // ancillary: readers pass over it
	const header = 8 + 25
	large := append(append(append([]byte(nil), small[:header]...), filler...), small[header:]...)
	if w, h, err := Reduce(io.Discard, large, 150, RGBA, 2); err != nil || w != 15 || h != 10 {
		t.Errorf("%d × %d, %v", w, h, err)
	}
}
