package cutout_test

import (
	"bytes"
	"image"
	"image/png"
	"testing"

	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/internal/cutout"
	"github.com/bgremover/bgremover/internal/testphotos"
)

// Whatever is asked for, a reduced result has no more pixels than asked, about its old
// proportions, and the channels that were asked for.
func TestReduce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, h := rapid.IntRange(1, 90).Draw(t, "width"), rapid.IntRange(1, 90).Draw(t, "height")
		most := rapid.IntRange(0, 9000).Draw(t, "most")
		alpha := rapid.Bool().Draw(t, "alpha")
		var result, reduced bytes.Buffer
		if err := png.Encode(&result, testphotos.Gradient(w, h)); err != nil {
			t.Fatal(err)
		}
		channels := cutout.RGBA
		if alpha {
			channels = cutout.AlphaOnly
		}
		gotW, gotH, err := cutout.Reduce(&reduced, result.Bytes(), most, channels, 2)
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := png.Decode(&reduced)
		if err != nil {
			t.Fatal(err)
		}
		if b := decoded.Bounds(); b.Dx() != gotW || b.Dy() != gotH {
			t.Fatalf("says %d × %d and is %v", gotW, gotH, b)
		}
		switch {
		case most == 0 || w*h <= most:
			if gotW != w || gotH != h {
				t.Fatalf("%d × %d became %d × %d, with %d pixels allowed", w, h, gotW, gotH, most)
			}
		case gotW*gotH > most && gotW > 1 && gotH > 1:
			t.Fatalf("%d × %d are more than %d pixels", gotW, gotH, most)
		}
		if _, grey := decoded.(*image.Gray); grey != alpha {
			t.Fatalf("alpha %v gives a %T", alpha, decoded)
		}
	})
}

func TestPreviewOfAPhoto(t *testing.T) {
	p, err := cutout.Decode(testphotos.Original("coffee"), cutout.Limits{}, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Release()
	var out bytes.Buffer
	if err := p.Preview(&out, 300, 2); err != nil {
		t.Fatal(err)
	}
	if cfg, err := png.DecodeConfig(&out); err != nil || cfg.Width != 300 || cfg.Height != 200 {
		t.Errorf("600 × 400 became %d × %d, %v", cfg.Width, cfg.Height, err)
	}
}
