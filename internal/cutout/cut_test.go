package cutout

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"io"
	"math"
	"slices"
	"testing"
	"time"

	photo "github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/internal/testphotos"
)

// network is a small working segmenter: what is brighter than the middle is
// foreground. It needs no model.
type network struct {
	spec    Spec
	workers int
	during  func() // called by Run
	answer  []float32
	input   []float32 // what Run was given
}

func bright() *network {
	return &network{workers: 2, spec: Spec{
		Width: 32, Height: 32, Std: [3]float64{1, 1, 1}, Scale: By255, Order: RGB,
		Activation: NoActivation, Range: MinMax,
	}}
}

func (n *network) Spec() Spec   { return n.spec }
func (n *network) Workers() int { return n.workers }

func (n *network) Run(ctx context.Context, input []float32) ([]float32, error) {
	n.input = slices.Clone(input)
	if n.during != nil {
		n.during()
	}
	if n.answer != nil {
		return n.answer, ctx.Err()
	}
	plane := n.spec.Width * n.spec.Height
	out := make([]float32, plane)
	for i := range out {
		sum := input[i] + input[plane+i] + input[2*plane+i]
		out[i] = float32(1 / (1 + math.Exp(-20*float64(sum/3-0.5))))
	}
	return out, ctx.Err()
}

// disc is a bright disc on a dark background, larger than the network's picture.
func disc(w, h int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			dx, dy := float64(x)-float64(w)/2, float64(y)-float64(h)/2
			c := color.NRGBA{R: 20, G: 30, B: 60, A: 255}
			if math.Hypot(dx, dy) < float64(min(w, h))/3 {
				c = color.NRGBA{R: 250, G: 200, B: 180, A: 255}
			}
			m.SetNRGBA(x, y, c)
		}
	}
	return m
}

func TestCut(t *testing.T) {
	r, err := Cut(t.Context(), encodePNG(t, disc(200, 150)), Options{}, bright())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	if r.Width != 200 || r.Height != 150 || r.Format != PNG {
		t.Errorf("%d × %d, %s", r.Width, r.Height, r.Format)
	}
	m := r.Image()
	if c := m.NRGBAAt(100, 75); c.R != 250 || c.G != 200 || c.B != 180 || c.A < solid {
		t.Errorf("in the middle: %v", c)
	}
	if c := m.NRGBAAt(0, 0); c != (color.NRGBA{}) {
		t.Errorf("in the corner: %v", c)
	}
	if err := r.Encode(io.Discard, RGBA); err != nil {
		t.Fatal(err)
	}
	for name, took := range map[string]time.Duration{
		"decode": r.Timings.Decode, "resize": r.Timings.Resize, "mask": r.Timings.Mask,
		"foreground": r.Timings.Foreground, "encode": r.Timings.Encode,
	} {
		if took <= 0 {
			t.Errorf("%s took no time", name)
		}
	}
}

// Nothing of the background may be left in the file, visible or not.
func TestInvisiblePixelsAreBlack(t *testing.T) {
	for _, name := range testphotos.Names() {
		r, err := Cut(t.Context(), testphotos.Original(name), Options{}, bright())
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := r.Encode(&out, RGBA); err != nil {
			t.Fatal(err)
		}
		invisible := 0
		m, ok := readImage(t, out.Bytes()).(*image.NRGBA)
		if !ok {
			t.Fatal("not RGBA")
		}
		for i := 0; i < len(m.Pix); i += 4 {
			if m.Pix[i+3] == 0 {
				invisible++
				if m.Pix[i] != 0 || m.Pix[i+1] != 0 || m.Pix[i+2] != 0 {
					t.Fatalf("%s: pixel %d is %v", name, i/4, m.Pix[i:i+4])
				}
			}
		}
		if invisible == 0 {
			t.Errorf("%s: nothing was cut out", name)
		}
		r.Release()
	}
}

// A result has no metadata, whatever the source had.
func TestResultsCarryNoMetadata(t *testing.T) {
	data := readFile(t, "testdata/decode/turned6.jpg")
	data = withProfile(t, data, displayP3())
	r, err := Cut(t.Context(), data, Options{}, bright())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	for _, channels := range []Channels{RGBA, Opaque, AlphaOnly} {
		var out bytes.Buffer
		if err := r.Encode(&out, channels); err != nil {
			t.Fatal(err)
		}
		if err := checkPNG(out.Bytes(), 16, 24, int(channels)); err != nil { // knows three kinds of chunks only
			t.Errorf("%d channels: %v", channels, err)
		}
	}
	var small bytes.Buffer
	if err := encodePreview(&small, r.Image(), 12, 2); err != nil {
		t.Fatal(err)
	}
	if err := checkPNG(small.Bytes(), 8, 12, 4); err != nil {
		t.Error(err)
	}
}

// Where the source was transparent, so is the result; and the network sees grey there.
func TestTransparencyOfTheSourceStays(t *testing.T) {
	m := disc(96, 96)
	for y := range 96 {
		for x := range 48 {
			c := m.NRGBAAt(x, y)
			c.A = uint8(y)
			m.SetNRGBA(x, y, c)
		}
	}
	n := bright()
	n.answer = allForeground(n.spec)
	r, err := Cut(t.Context(), encodePNG(t, m), Options{}, n)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	for y := range 96 {
		for x := range 48 {
			c := r.Image().NRGBAAt(x, y)
			if int(c.A) != y || r.Alpha().GrayAt(x, y).Y != c.A {
				t.Fatalf("(%d, %d): alpha is %d and %d, want %d", x, y, c.A, r.Alpha().GrayAt(x, y).Y, y)
			}
		}
	}
	if got := n.input[0]; math.Abs(float64(got)-128.0/255) > 0.01 {
		t.Errorf("the network sees %v in a transparent corner", got)
	}
}

// allForeground is an answer that is all foreground but for one pixel.
func allForeground(s Spec) []float32 {
	out := make([]float32, s.Width*s.Height)
	for i := range out {
		out[i] = 1
	}
	out[len(out)-1] = 0
	return out
}

func TestCutFails(t *testing.T) {
	fine := encodePNG(t, disc(50, 50))
	broken := errors.New("broken")
	tests := map[string]struct {
		given []byte
		when  func(*network, context.CancelFunc)
		limit Limits
		then  error
	}{
		"no picture":          {given: []byte("hello"), then: photo.ErrNotAnImage},
		"too many pixels":     {given: fine, limit: Limits{MaxPixels: 10}, then: photo.ErrTooManyPixels},
		"cancelled before":    {given: fine, when: func(_ *network, cancel context.CancelFunc) { cancel() }, then: context.Canceled},
		"cancelled during":    {given: fine, when: func(n *network, cancel context.CancelFunc) { n.during = cancel }, then: context.Canceled},
		"network's own error": {given: fine, when: func(n *network, _ context.CancelFunc) { n.during = func() { panic(broken) } }, then: broken},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			n := bright()
			if tt.when != nil {
				tt.when(n, cancel)
			}
			if err := cutRecovering(ctx, tt.given, Options{Limits: tt.limit}, n); !errors.Is(err, tt.then) {
				t.Errorf("got %v, want %v", err, tt.then)
			}
		})
	}
	n := bright()
	n.answer = []float32{1, 2, 3}
	if _, err := Cut(t.Context(), fine, Options{}, n); err == nil {
		t.Error("an answer of the wrong size is taken")
	}
}

func cutRecovering(ctx context.Context, data []byte, o Options, seg Segmenter) (err error) {
	defer func() {
		if p, ok := recover().(error); ok {
			err = p
		}
	}()
	_, err = Cut(ctx, data, o, seg)
	return err
}

func TestToInput(t *testing.T) {
	rgb := []uint8{0, 100, 200, 50, 25, 10}
	spec := Spec{Width: 2, Height: 1, Mean: [3]float64{0.5, 0.25, 0}, Std: [3]float64{1, 2, 4}, Scale: By255, Order: RGB}
	byMax := spec
	byMax.Scale = ByMax
	bgr := spec
	bgr.Order = BGR
	tests := map[string]struct {
		spec Spec
		then []float64
	}{
		"by 255": {spec, []float64{-0.5, 50.0/255 - 0.5, (100.0/255 - 0.25) / 2, (25.0/255 - 0.25) / 2, 200.0 / 255 / 4, 10.0 / 255 / 4}},
		"by max": {byMax, []float64{-0.5, 50.0/200 - 0.5, (100.0/200 - 0.25) / 2, (25.0/200 - 0.25) / 2, 0.25, 10.0 / 200 / 4}},
		"bgr":    {bgr, []float64{200.0 / 255 / 4, 10.0 / 255 / 4, (100.0/255 - 0.25) / 2, (25.0/255 - 0.25) / 2, -0.5, 50.0/255 - 0.5}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for i, got := range tt.spec.toInput(rgb) {
				if got != float32(tt.then[i]) {
					t.Errorf("value %d is %v, want %v", i, got, tt.then[i])
				}
			}
		})
	}
	if got := byMax.toInput(make([]uint8, 6)); got[0] != -0.5 {
		t.Errorf("a black picture becomes %v", got)
	}
}

func TestToMask(t *testing.T) {
	nan := float32(math.NaN())
	tests := map[string]struct {
		activation Activation
		stretched  Range
		given      []float32
		then       []uint8
	}{
		"stretched":          {NoActivation, MinMax, []float32{-1, 0, 1}, []uint8{0, 127, 255}},
		"as it is":           {NoActivation, AsIs, []float32{-1, 0.5, 2}, []uint8{0, 127, 255}},
		"sigmoid":            {Sigmoid, AsIs, []float32{-100, 0, 100}, []uint8{0, 127, 255}},
		"sigmoid, stretched": {Sigmoid, MinMax, []float32{-1, 0, 1}, []uint8{0, 127, 255}},
		"all the same":       {NoActivation, MinMax, []float32{0.25, 0.25}, []uint8{63, 63}},
		"not a number":       {NoActivation, AsIs, []float32{nan, 1}, []uint8{0, 255}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := (Spec{Activation: tt.activation, Range: tt.stretched}).toMask(tt.given); !bytes.Equal(got, tt.then) {
				t.Errorf("got %v, want %v", got, tt.then)
			}
		})
	}
}

// Pictures of every size go through, and with any number of workers the same way.
func TestWorkersChangeNothing(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {1, 300}, {300, 1}, {2, 2}, {31, 33}, {257, 129}, {500, 40}} {
		data := encodeJPEG(t, disc(size[0], size[1]))
		var first []byte
		for workers := 1; workers <= 3; workers++ {
			r, err := Cut(t.Context(), data, Options{Workers: workers}, bright())
			if err != nil {
				t.Fatal(size, err)
			}
			var out bytes.Buffer
			if err := r.Encode(&out, RGBA); err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first = out.Bytes()
			} else if !bytes.Equal(first, out.Bytes()) {
				t.Errorf("%v: %d workers give other bytes than one", size, workers)
			}
			if err := r.Encode(io.Discard, AlphaOnly); err != nil {
				t.Fatal(err)
			}
			r.Release()
		}
	}
}
