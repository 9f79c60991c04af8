package onnx

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bgremover/bgremover/internal/cutout"
	"github.com/bgremover/bgremover/internal/embedded"
)

// config is that of the small model, as `make setup` unpacked it.
func config(t testing.TB) Config {
	t.Helper()
	r, err := embedded.FindRuntime()
	if err != nil {
		t.Fatal(err)
	}
	lib, err := r.ONNX()
	if err != nil {
		t.Fatal(err)
	}
	model, err := r.Model("u2netp")
	if err != nil {
		t.Fatal(err)
	}
	return Config{RuntimeLib: lib, Passport: passport(t, "u2netp"), ModelDir: filepath.Dir(model.Path), Cores: 2}
}

func open(t testing.TB, c Config) *Model {
	t.Helper()
	m, err := Open(t.Context(), c)
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

func slot(t testing.TB, m *Model) *Slot {
	t.Helper()
	s, err := m.Slot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ramp is an input that is not the same everywhere.
func ramp(s cutout.Spec) []float32 {
	in := make([]float32, 3*s.Width*s.Height)
	for i := range in {
		in[i] = float32(math.Sin(float64(i) / 5000))
	}
	return in
}

func far(a, b []float32) float64 {
	most := 0.0
	for i := range a {
		most = max(most, math.Abs(float64(a[i]-b[i])))
	}
	return most
}

func TestOpenFails(t *testing.T) {
	fine := config(t)
	open(t, fine) // the library is loaded once, before any test asks for another
	tests := map[string]struct {
		when func(*Config)
		then any
	}{
		"empty passport":   {func(c *Config) { c.Passport = Passport{} }, new(*PassportError)},
		"no such file":     {func(c *Config) { c.ModelDir = t.TempDir() }, new(*MissingFileError)},
		"another file":     {func(c *Config) { c.Passport.File = fine.RuntimeLib }, new(*HashError)},
		"wrong input name": {func(c *Config) { c.Passport.Input.Name = "image" }, new(*PassportError)},
		"wrong input size": {func(c *Config) { c.Passport.Input.Width = 64 }, new(*PassportError)},
		"wrong output":     {func(c *Config) { c.Passport.Output.Name = "alpha" }, new(*PassportError)},
		"another library":  {func(c *Config) { c.RuntimeLib += ".other" }, new(error)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := fine
			tt.when(&c)
			m, err := Open(t.Context(), c)
			if err == nil {
				t.Fatal("opened", m.Close())
			}
			if !errors.As(err, tt.then) {
				t.Errorf("got %T: %v", err, err)
			}
		})
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(cancelled, fine); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

func TestAFileThatWasChangedIsNotLoaded(t *testing.T) {
	c := config(t)
	weights, err := os.ReadFile(filepath.Join(c.ModelDir, c.Passport.File))
	if err != nil {
		t.Fatal(err)
	}
	weights[len(weights)/2] ^= 1
	c.ModelDir = t.TempDir()
	if err := os.WriteFile(filepath.Join(c.ModelDir, c.Passport.File), weights, 0o600); err != nil {
		t.Fatal(err)
	}
	var wrong *HashError
	if _, err := Open(t.Context(), c); !errors.As(err, &wrong) || wrong.Want != c.Passport.SHA256 || wrong.Got == wrong.Want {
		t.Errorf("got %v", err)
	}
}

// One shared session serves many callers, and each gets its own answer.
func TestConcurrentRunsAgree(t *testing.T) {
	m := open(t, config(t))
	in := ramp(m.Spec())
	first := slot(t, m)
	alone, err := first.Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	alone = slices.Clone(alone)
	first.Release()

	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			s, err := m.Slot(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Release()
			got, err := s.Run(t.Context(), in)
			if err != nil || far(got, alone) > 1e-4 {
				t.Errorf("differs by %v, %v", far(got, alone), err)
			}
		})
	}
	wg.Wait()
}

func TestSlotsAreAsManyAsCores(t *testing.T) {
	m := open(t, config(t))
	first := slot(t, m)
	if first.Workers() != 2 {
		t.Errorf("alone: %d workers", first.Workers())
	}
	second := slot(t, m)
	if first.Workers() != 1 || second.Workers() != 1 {
		t.Errorf("of two: %d and %d workers", first.Workers(), second.Workers())
	}
	ctx, cancel := context.WithCancel(t.Context())
	third := make(chan error)
	go func() {
		s, err := m.Slot(ctx)
		if err == nil {
			s.Release()
		}
		third <- err
	}()
	await(t, func() bool { return m.demand.Load() == 3 })
	select {
	case err := <-third:
		t.Fatal("there is a third slot:", err)
	default:
	}
	second.Release()
	if err := <-third; err != nil {
		t.Error(err)
	}
	if first.Workers() != 2 {
		t.Errorf("alone again: %d workers", first.Workers())
	}

	second = slot(t, m)
	go func() {
		_, err := m.Slot(ctx)
		third <- err
	}()
	await(t, func() bool { return m.demand.Load() == 3 })
	cancel()
	if err := <-third; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	first.Release()
	second.Release()
	if n := m.demand.Load(); n != 0 {
		t.Errorf("demand is %d", n)
	}
}

// A waiting picture is load: the one that runs must not spread out.
func TestWaitingCountsAsLoad(t *testing.T) {
	c := config(t)
	c.Cores = 1
	m := open(t, c)
	first := slot(t, m)
	got := make(chan *Slot)
	go func() {
		s, err := m.Slot(t.Context())
		if err != nil {
			t.Error(err)
		}
		got <- s
	}()
	await(t, func() bool { return m.demand.Load() == 2 })
	if first.alone() {
		t.Error("alone, though another waits")
	}
	first.Release()
	(<-got).Release()
}

// await polls for what another goroutine is about to do.
func await(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); {
		if time.Now().After(deadline) {
			t.Fatal("waited 10 s")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	m := open(t, config(t))
	s := slot(t, m)
	defer s.Release()
	in := ramp(m.Spec())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Run(ctx, in); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if out, err := s.Run(t.Context(), in); err != nil || len(out) != 320*320 {
		t.Errorf("the next run: %d values, %v", len(out), err)
	}
	if _, err := s.Run(t.Context(), in[1:]); err == nil {
		t.Error("an input of the wrong size is taken")
	}
}

func TestCloseWaitsForSlots(t *testing.T) {
	m, err := Open(t.Context(), config(t))
	if err != nil {
		t.Fatal(err)
	}
	s := slot(t, m)
	closed := make(chan error)
	go func() { closed <- m.Close() }()
	<-m.closed
	if _, err := m.Slot(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("a slot of a closed model: %v", err)
	}
	if _, err := s.Run(t.Context(), ramp(m.Spec())); err != nil {
		t.Errorf("the slot that was taken before: %v", err)
	}
	select {
	case err := <-closed:
		t.Error("closed under a picture in work:", err)
	default:
	}
	s.Release()
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if err := m.Close(); err != nil {
		t.Error("closed twice:", err)
	}
}

// A network of other names, sizes and habits runs by its passport alone.
func TestAnyNetworkOfTheFamilyLoadsByItsPassport(t *testing.T) {
	c := config(t)
	c.ModelDir = t.TempDir()
	weights := meanNetwork("pixels", "matte", 48, 32)
	sum := sha256.Sum256(weights)
	c.Passport.Name, c.Passport.File = "mean", "mean.onnx"
	c.Passport.SHA256, c.Passport.Bytes = hex.EncodeToString(sum[:]), int64(len(weights))
	c.Passport.Input = Input{
		Name: "pixels", Width: 48, Height: 32, Mean: [3]float64{0.5, 0.5, 0.5}, Std: [3]float64{0.5, 0.5, 0.5},
		Scale: cutout.By255, Order: cutout.BGR,
	}
	c.Passport.Output = Output{Name: "matte", Activation: cutout.Sigmoid, Range: cutout.AsIs}
	if err := os.WriteFile(filepath.Join(c.ModelDir, "mean.onnx"), weights, 0o600); err != nil {
		t.Fatal(err)
	}
	m := open(t, c)
	s := slot(t, m)
	defer s.Release()
	in := ramp(m.Spec())
	out, err := s.Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	plane := 48 * 32
	for i := range plane {
		want := (in[i] + in[plane+i] + in[2*plane+i]) / 3
		if math.Abs(float64(out[i]-want)) > 1e-5 {
			t.Fatalf("value %d is %v, want %v", i, out[i], want)
		}
	}
}
