package jpeg

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/bgremover/bgremover/internal/testphotos"
)

// That files decode to libjpeg's very values is tested in package cutout, whose
// testdata holds what Pillow reads.

func samples(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("../testdata/decode/*.jpg")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	found := map[string][]byte{}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		found[filepath.Base(f)] = data
	}
	for _, name := range testphotos.Names() {
		found[name] = testphotos.Original(name)
	}
	return found
}

// distance is the largest difference of any sample of the planes.
func distance(t testing.TB, a, b image.Image) int {
	t.Helper()
	if a.Bounds() != b.Bounds() {
		t.Fatalf("sizes %v and %v", a.Bounds(), b.Bounds())
	}
	most := 0
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			p, _ := color.YCbCrModel.Convert(a.At(x, y)).(color.YCbCr)
			q, _ := color.YCbCrModel.Convert(b.At(x, y)).(color.YCbCr)
			for _, d := range []int{int(p.Y) - int(q.Y), int(p.Cb) - int(q.Cb), int(p.Cr) - int(q.Cr)} {
				most = max(most, d, -d)
			}
		}
	}
	return most
}

func TestDecodeAgreesWithTheStandardLibrary(t *testing.T) {
	for name, data := range samples(t) {
		t.Run(name, func(t *testing.T) {
			for _, workers := range []int{0, 1, 4} {
				got, err := Decode(data, Options{Workers: workers})
				if name == "cmyk.jpg" || name == "rgb.jpg" {
					if !errors.Is(err, ErrUnsupported) {
						t.Errorf("got %v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				want, err := jpeg.Decode(bytes.NewReader(data))
				if err != nil {
					t.Fatal(err)
				}
				if d := distance(t, got, want); d > 2 {
					t.Errorf("differs by %d", d)
				}
			}
		})
	}
}

// The integer transform is within a rounding error of the real one (A.3.3).
func TestTransformIsTheCosineTransform(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	quant := new([64]uint16)
	for i := range quant {
		quant[i] = uint16(1 + rng.IntN(4))
	}
	for range 500 {
		var b [64]int16
		last := rng.IntN(64)
		for k := range last + 1 {
			b[natural[k]] = int16(rng.IntN(61) - 30)
		}
		b[natural[last]] = 5
		got := make([]uint8, 64)
		transform(got, 8, &b, quant, last)
		for i, want := range plainTransform(&b, quant) {
			if d := float64(got[i]) - min(max(want, 0), 255); math.Abs(d) > 1 {
				t.Fatalf("sample %d: got %d, want %.2f", i, got[i], want)
			}
		}
	}
}

func plainTransform(b *[64]int16, q *[64]uint16) (out [64]float64) {
	scale := func(u int) float64 {
		if u == 0 {
			return math.Sqrt2 / 2
		}
		return 1
	}
	for y := range 8 {
		for x := range 8 {
			sum := 0.0
			for v := range 8 {
				for u := range 8 {
					c := float64(b[8*v+u]) * float64(q[8*v+u])
					sum += scale(u) * scale(v) * c *
						math.Cos(float64((2*x+1)*u)*math.Pi/16) * math.Cos(float64((2*y+1)*v)*math.Pi/16)
				}
			}
			out[8*y+x] = sum/4 + 128
		}
	}
	return out
}

// The memory that planes are made of is never seen, whatever the file omits.
func TestNoMemoryShinesThrough(t *testing.T) {
	dirty := func(v uint8) func(int) []uint8 {
		return func(n int) []uint8 { return bytes.Repeat([]byte{v}, n) }
	}
	for name, data := range samples(t) {
		if len(data) > 10_000 {
			continue // the small ones have every kind
		}
		for n := len(data); n > 0; n -= 1 + len(data)/100 {
			// A file that is cut off but has an end marker is the likeliest to pass.
			cut := append(bytes.Clone(data[:n]), 0xff, markerEOI)
			a, errA := Decode(cut, Options{Alloc: dirty(0)})
			b, errB := Decode(cut, Options{Alloc: dirty(255)})
			if (errA == nil) != (errB == nil) {
				t.Fatalf("%s, %d bytes: %v and %v", name, n, errA, errB)
			}
			if errA == nil && distance(t, a, b) != 0 {
				t.Fatalf("%s, %d bytes: the memory shines through", name, n)
			}
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	fine := testphotos.Original("coffee")
	with := func(old, new string) []byte { return bytes.Replace(fine, []byte(old), []byte(new), 1) }
	tests := map[string]struct {
		given []byte
		limit int64
		then  error
	}{
		"nothing":            {nil, 0, ErrDamaged},
		"no JPEG":            {[]byte("hello"), 0, ErrDamaged},
		"start and end only": {[]byte("\xff\xd8\xff\xd9"), 0, ErrDamaged},
		"too many pixels":    {fine, 1000, ErrUnsupported},
		"lossless":           {with("\xff\xc0", "\xff\xc3"), 0, ErrUnsupported},
		"no quantisation":    {bytes.ReplaceAll(fine, []byte("\xff\xdb"), []byte("\xff\xfe")), 0, ErrDamaged},
		"no Huffman tables":  {bytes.ReplaceAll(fine, []byte("\xff\xc4"), []byte("\xff\xfe")), 0, ErrDamaged},
		"two frames":         {with("\xff\xc4", "\xff\xc0"), 0, ErrDamaged},
		"too many scans":     {manyScans(t), 0, ErrDamaged},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := Decode(tt.given, Options{MaxPixels: tt.limit}); !errors.Is(err, tt.then) {
				t.Errorf("got %v, want %v", err, tt.then)
			}
		})
	}
}

// manyScans repeats the last scan of a progressive file.
func manyScans(t *testing.T) []byte {
	t.Helper()
	data := samples(t)["progressive420.jpg"]
	at := bytes.LastIndex(data, []byte("\xff\xda"))
	out := bytes.Clone(data[:len(data)-2])
	for range maxScans {
		out = append(out, data[at:len(data)-2]...)
	}
	return append(out, 0xff, markerEOI)
}

func FuzzDecode(f *testing.F) {
	for _, data := range samples(f) {
		if len(data) < 5000 {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		limit := Options{MaxPixels: 1 << 14, Workers: 2}
		got, err := Decode(data, limit)
		if err != nil {
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrUnsupported) {
				t.Fatal(err)
			}
			return
		}
		limit.Workers = 1
		again, err := Decode(data, limit)
		if err != nil || distance(t, got, again) != 0 {
			t.Fatalf("one worker says %v, two something else", err)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	data := testphotos.JPEG("astronaut", 1.3)
	b.Run("standard library", func(b *testing.B) {
		for b.Loop() {
			if _, err := jpeg.Decode(bytes.NewReader(data)); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, workers := range []int{1, 2} {
		b.Run("here", func(b *testing.B) {
			for b.Loop() {
				if _, err := Decode(data, Options{Workers: workers}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
