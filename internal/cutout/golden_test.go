package cutout_test

import (
	"image"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/bgremover/bgremover/adapters/onnx"
	"github.com/bgremover/bgremover/internal/cutout"
	"github.com/bgremover/bgremover/internal/embedded"
	"github.com/bgremover/bgremover/internal/testphotos"
)

// openModel opens a model as `make setup` unpacked it; 0 cores means all.
func openModel(t testing.TB, name string, cores int) *onnx.Model {
	t.Helper()
	r, err := embedded.FindRuntime()
	if err != nil {
		t.Fatal(err)
	}
	lib, err := r.ONNX()
	if err != nil {
		t.Fatal(err)
	}
	weights, err := r.Model(name)
	if err != nil {
		t.Fatal(err)
	}
	p, _, err := onnx.LoadPassport(name)
	if err != nil {
		t.Fatal(err)
	}
	m, err := onnx.Open(t.Context(), onnx.Config{RuntimeLib: lib, Passport: p, ModelDir: filepath.Dir(weights.Path), Cores: cores})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// checkGolden compares our masks with those that the peer made with the same
// model: testdata/README.md says how.
func checkGolden(t testing.TB, m *onnx.Model) {
	t.Helper()
	for _, name := range testphotos.Names() {
		want := golden(t, name, m.Passport().Name)
		s, err := m.Slot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r, err := cutout.Cut(t.Context(), testphotos.Original(name), cutout.Options{}, s)
		s.Release()
		if err != nil {
			t.Fatal(err)
		}
		got := r.Alpha()
		if got.Rect != want.Rect {
			t.Fatalf("%s is %v, the peer's %v", name, got.Rect, want.Rect)
		}
		differ, most := 0, 0
		for i, v := range got.Pix {
			if d := max(int(v)-int(want.Pix[i]), int(want.Pix[i])-int(v)); d > 0 {
				differ++
				most = max(most, d)
			}
		}
		if most > 1 {
			t.Errorf("%s with %s: %d of %d pixels differ from the peer's, by up to %d",
				name, m.Passport().Name, differ, len(got.Pix), most)
		}
		r.Release()
	}
}

func golden(t testing.TB, photo, model string) *image.Gray {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "golden", photo+"."+model+".png"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	m, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	mask, ok := m.(*image.Gray)
	if !ok {
		t.Fatalf("golden mask is %T", m)
	}
	return mask
}

// The full model's masks, which need `make setup-full`, are compared by
// `make bench` (BenchmarkOnePicture), and by go test -tags fullmodel.
func TestMasksAreThePeersSmallModel(t *testing.T) {
	checkGolden(t, openModel(t, "u2netp", 2))
	checkGolden(t, openModel(t, "u2netp", 1))
}
