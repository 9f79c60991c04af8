package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// writeRuntime makes a cache folder with a one-byte library and a manifest.
func writeRuntime(t *testing.T, platform string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	manifest := fmt.Sprintf(`{"platform": %q, "parts": {
		"onnxruntime":  {"path": "ort/lib.so", "version": "1", "sha256": "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"},
		"postgres":     {"path": "pg/bin/postgres", "version": "18"},
		"model/u2netp": {"path": "m/u2netp.onnx", "version": "1", "sha256": "00"}}}`, platform)
	for path, content := range map[string]string{"runtime.json": manifest, "ort/lib.so": "x"} {
		path = filepath.Join(dir, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("BGREMOVER_RUNTIME", dir)
	return dir
}

func TestRuntimeNamesItsParts(t *testing.T) {
	dir := writeRuntime(t, platform())
	r, err := FindRuntime()
	if err != nil {
		t.Fatal(err)
	}
	library, err := r.ONNX()
	if err != nil || library != filepath.Join(dir, "ort", "lib.so") {
		t.Errorf("library %s, %v", library, err)
	}
	if want := filepath.Join(dir, "pg", "bin"); r.PostgresBin != want {
		t.Errorf("programs in %s, want %s", r.PostgresBin, want)
	}
	model, err := r.Model("u2netp")
	if err != nil || model.Path != filepath.Join(dir, "m", "u2netp.onnx") || model.SHA256 != "00" {
		t.Errorf("model %+v, %v", model, err)
	}
	_, err = r.Model("u2net")
	if !errors.Is(err, ErrNotSetUp) || !strings.Contains(err.Error(), "setup-full") {
		t.Errorf("a model of the full set: %v", err)
	}
}

func TestRuntimeSaysWhatToDo(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(dir string) error
		says  string
	}{
		"nothing there":   {func(dir string) error { return os.Remove(filepath.Join(dir, "runtime.json")) }, "no runtime in"},
		"damaged":         {func(dir string) error { return os.WriteFile(filepath.Join(dir, "runtime.json"), []byte("{"), 0o600) }, "damaged"},
		"library changed": {func(dir string) error { return os.WriteFile(filepath.Join(dir, "ort/lib.so"), []byte("y"), 0o600) }, "was changed"},
		"library gone":    {func(dir string) error { return os.Remove(filepath.Join(dir, "ort/lib.so")) }, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := c.spoil(writeRuntime(t, platform())); err != nil {
				t.Fatal(err)
			}
			r, err := FindRuntime()
			if err == nil {
				_, err = r.ONNX()
			}
			if !errors.Is(err, ErrNotSetUp) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "make setup") {
				t.Errorf("got %v, want %q and what to do", err, c.says)
			}
		})
	}
}

func TestRuntimeOfAnotherPlatformIsRefused(t *testing.T) {
	writeRuntime(t, "plan9-mips")
	if _, err := FindRuntime(); !errors.Is(err, ErrNotSetUp) || !strings.Contains(err.Error(), "plan9-mips") {
		t.Errorf("got %v", err)
	}
}

// The runtime that `make setup` made is the one that is found.
func TestRuntimeIsSetUp(t *testing.T) {
	r, err := FindRuntime()
	if err != nil {
		t.Fatal(err)
	}
	library, err := r.ONNX()
	if err != nil {
		t.Error(err)
	}
	model, err := r.Model("u2netp")
	if err != nil {
		t.Fatal(err)
	}
	if err := model.verify(); err != nil {
		t.Error(err)
	}
	axe, err := r.Axe()
	if err != nil {
		t.Error(err)
	}
	for _, path := range []string{library, model.Path, axe, filepath.Join(r.PostgresBin, "initdb"), filepath.Join(r.PostgresBin, "pg_dump")} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}
