package embedded

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// Runtime is what `make setup` unpacked: everything that is not Go.
type Runtime struct {
	// Dir is the cache folder.
	Dir string
	// PostgresBin is the folder of the programs postgres, initdb, pg_dump and psql.
	PostgresBin string

	parts map[string]Part
}

// Part is one unpacked file. SHA256 is lower-case hex, taken when it was unpacked.
type Part struct {
	Path    string `json:"path"`
	Version string `json:"version"`
	SHA256  string `json:"sha256"`
}

// ErrNotSetUp says that something of the runtime is not there, or not what was unpacked.
var ErrNotSetUp = errors.New("run \"make setup\"")

// FindRuntime reads the cache folder's runtime.json: the folder is
// $BGREMOVER_RUNTIME, or /var/cache/bgremover/runtime for root (whose home the
// unprivileged user that PostgreSQL runs as cannot enter), or the user's cache
// folder. deploy/setup/setup.py has the same rule.
func FindRuntime() (Runtime, error) {
	dir, err := runtimeDir()
	if err != nil {
		return Runtime{}, fmt.Errorf("find the runtime's cache folder: %w", err)
	}
	content, err := os.ReadFile(filepath.Join(dir, "runtime.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return Runtime{}, fmt.Errorf("no runtime in %s: %w", dir, ErrNotSetUp)
	}
	if err != nil {
		return Runtime{}, fmt.Errorf("read the runtime's manifest: %w", err)
	}
	return parseRuntime(dir, content)
}

// parseRuntime makes the manifest's relative paths absolute, and refuses one
// that was made for another platform.
func parseRuntime(dir string, content []byte) (Runtime, error) {
	var manifest struct {
		Platform string          `json:"platform"`
		Parts    map[string]Part `json:"parts"`
	}
	if err := json.Unmarshal(content, &manifest); err != nil {
		return Runtime{}, fmt.Errorf("%s/runtime.json is damaged (%w): %w", dir, err, ErrNotSetUp)
	}
	if here := platform(); manifest.Platform != here {
		return Runtime{}, fmt.Errorf("the runtime in %s is for %s, this is %s: %w", dir, manifest.Platform, here, ErrNotSetUp)
	}
	for name, part := range manifest.Parts {
		part.Path = filepath.Join(dir, filepath.FromSlash(part.Path))
		manifest.Parts[name] = part
	}
	r := Runtime{Dir: dir, parts: manifest.Parts}
	server, err := r.part("postgres")
	if err != nil {
		return Runtime{}, err
	}
	r.PostgresBin = filepath.Dir(server.Path)
	return r, nil
}

// ONNX returns the path of ONNX Runtime's shared library after comparing its
// SHA-256: what is loaded into this process is what was pinned.
func (r Runtime) ONNX() (string, error) {
	part, err := r.part("onnxruntime")
	if err != nil {
		return "", err
	}
	return part.Path, part.verify()
}

// Model returns the file of a model by its name, such as "u2netp". The caller
// compares its SHA-256 with the model's own manifest when loading it.
func (r Runtime) Model(name string) (Part, error) {
	part, err := r.part("model/" + name)
	if err != nil {
		return Part{}, fmt.Errorf("model %s (there is %s; the full set has more: make setup-full): %w", name, strings.Join(r.Models(), ", "), err)
	}
	return part, nil
}

// Models names the models that are there, sorted.
func (r Runtime) Models() []string {
	var names []string
	for name := range r.parts {
		if model, ok := strings.CutPrefix(name, "model/"); ok {
			names = append(names, model)
		}
	}
	slices.Sort(names)
	return names
}

// Axe returns the path of axe-core's script, for browser tests.
func (r Runtime) Axe() (string, error) {
	part, err := r.part("axe")
	return part.Path, err
}

func (r Runtime) part(name string) (Part, error) {
	part, ok := r.parts[name]
	if !ok {
		return Part{}, fmt.Errorf("the runtime in %s lacks %s: %w", r.Dir, name, ErrNotSetUp)
	}
	return part, nil
}

func (p Part) verify() error {
	f, err := os.Open(p.Path)
	if err != nil {
		return fmt.Errorf("open a part of the runtime (%w): %w", err, ErrNotSetUp)
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return fmt.Errorf("read %s: %w", p.Path, err)
	}
	if got := hex.EncodeToString(hash.Sum(nil)); got != p.SHA256 {
		return fmt.Errorf("%s was changed since it was unpacked (SHA-256 %s, not %s): %w", p.Path, got, p.SHA256, ErrNotSetUp)
	}
	return nil
}

func runtimeDir() (string, error) {
	if dir := os.Getenv("BGREMOVER_RUNTIME"); dir != "" {
		return filepath.Abs(dir)
	}
	if os.Geteuid() == 0 {
		return "/var/cache/bgremover/runtime", nil
	}
	cache, err := os.UserCacheDir()
	return filepath.Join(cache, "bgremover", "runtime"), err
}

// platform is this machine's name in setup.py.
func platform() string {
	system := map[string]string{"darwin": "macos"}[runtime.GOOS]
	if system == "" {
		system = runtime.GOOS
	}
	arch := map[string]string{"amd64": "x86_64"}[runtime.GOARCH]
	if arch == "" {
		arch = runtime.GOARCH
	}
	return system + "-" + arch
}
