// Package onnx runs segmentation networks with ONNX Runtime.
//
// Order to read: passport.go (what a model is), onnx.go (loading it), slot.go
// (running it). A passport alone decides which network runs and how; there is no
// code for any particular model.
//
// It never runs a file whose SHA-256 is not the passport's, never takes a
// network from anywhere but the folder it is given, and does not decide whether
// a model's licences are good enough: the rule model.load does.
package onnx

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/bgremover/bgremover/internal/cutout"
	ort "github.com/yalue/onnxruntime_go"
	"golang.org/x/sync/errgroup"
)

// Config says what to load.
type Config struct {
	RuntimeLib string   // path of libonnxruntime
	Passport   Passport // from LoadPassport or ParsePassport
	ModelDir   string   // folder that Passport.File is relative to
	Cores      int      // how many pictures at once, and threads of one alone; 0 means all of the machine
}

// MissingFileError says which file is not there, and how to get it.
type MissingFileError struct{ Path, Help string }

func (e *MissingFileError) Error() string {
	return fmt.Sprintf("%s is not there: %s", e.Path, e.Help)
}

// HashError says that a model's file is not the one of its passport.
type HashError struct{ Path, Want, Got string }

func (e *HashError) Error() string {
	return fmt.Sprintf("%s has SHA-256 %s, its passport says %s: delete the file and run make setup-full", e.Path, e.Got, e.Want)
}

// ErrClosed is what a closed model answers.
var ErrClosed = errors.New("onnx: model is closed")

// Model is a network, loaded and warm. Its methods may be called from many
// goroutines at once.
type Model struct {
	passport Passport
	cores    int
	wide     *ort.DynamicAdvancedSession // threads = cores, for a picture that is alone
	narrow   *ort.DynamicAdvancedSession // one thread, shared by as many callers as there are cores
	shape    ort.Shape                   // of the output

	slots  chan *Slot    // those that are free; Close empties it
	closed chan struct{} // closed by Close
	once   sync.Once
	demand atomic.Int64 // slots in use, and callers waiting for one
}

// Open loads a model, checks that it is the passport's, and runs it once in
// either way, so that the first picture is as fast as the second. The bytes that
// are hashed are the bytes that are loaded.
//
// Errors: *PassportError (also when names or shapes in the passport are not
// those of the network), *MissingFileError, *HashError, or that of ONNX Runtime.
func Open(ctx context.Context, c Config) (*Model, error) {
	if problems := c.Passport.problems(); len(problems) > 0 {
		return nil, &PassportError{c.Passport.Name, problems[0]}
	}
	if c.Cores <= 0 {
		c.Cores = runtime.GOMAXPROCS(0)
	}
	weights, err := readVerified(c)
	if err != nil {
		return nil, err
	}
	if err := loadLibrary(c.RuntimeLib); err != nil {
		return nil, err
	}
	m := &Model{
		passport: c.Passport, cores: c.Cores,
		slots: make(chan *Slot, c.Cores), closed: make(chan struct{}),
	}
	if err := m.load(ctx, weights); err != nil {
		return nil, errors.Join(err, m.destroy())
	}
	debug.FreeOSMemory() // of the weights: the sessions have copies of their own
	return m, nil
}

func readVerified(c Config) ([]byte, error) {
	path := c.Passport.File
	if !filepath.IsAbs(path) {
		path = filepath.Join(c.ModelDir, path)
	}
	weights, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &MissingFileError{path, "run make setup-full, or name the folder that has it"}
	}
	if err != nil {
		return nil, fmt.Errorf("read model: %w", err)
	}
	sum := sha256.Sum256(weights)
	if got := hex.EncodeToString(sum[:]); got != c.Passport.SHA256 {
		return nil, &HashError{path, c.Passport.SHA256, got}
	}
	return weights, nil
}

// library is the one ONNX Runtime of the process. It stays loaded after the last
// model is closed: unloading it under threads that it started is not safe.
var library struct {
	sync.Mutex
	path string
}

func loadLibrary(path string) error {
	library.Lock()
	defer library.Unlock()
	if library.path == path {
		return nil
	}
	if library.path != "" {
		return fmt.Errorf("ONNX Runtime is already loaded from %s", library.path)
	}
	if _, err := os.Stat(path); err != nil {
		return &MissingFileError{path, "run make setup"}
	}
	ort.SetSharedLibraryPath(path)
	if err := ort.InitializeEnvironment(ort.WithLogLevelError()); err != nil {
		return fmt.Errorf("load ONNX Runtime: %w", err)
	}
	if err := errors.Join(ort.DisableTelemetry(), shareArena()); err != nil {
		return fmt.Errorf("set up ONNX Runtime: %w", err)
	}
	library.path = path
	return nil
}

// shareArena gives all sessions one arena. Each would otherwise keep its own at
// its largest, though rarely two of them run at a time.
func shareArena() error {
	memory, err := ort.GetMemoryInfo()
	if err != nil {
		return err
	}
	const byDefault = -1
	arena, err := ort.NewArenaCfg(0, byDefault, byDefault, byDefault)
	if err != nil {
		return err
	}
	defer arena.Destroy()
	return ort.CreateAndRegisterAllocator(memory, arena)
}

// load makes and warms the sessions, at the same time, and then the slots.
func (m *Model) load(ctx context.Context, weights []byte) error {
	var g errgroup.Group
	g.Go(func() (err error) { m.narrow, m.shape, err = m.session(ctx, weights, 1); return err })
	if m.cores > 1 {
		g.Go(func() (err error) { m.wide, _, err = m.session(ctx, weights, m.cores); return err })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if m.cores == 1 {
		m.wide = m.narrow
	}
	for range m.cores {
		s, err := m.newSlot()
		if err != nil {
			return err
		}
		m.slots <- s
	}
	return nil
}

// session makes a session of the given number of threads and runs it once. It
// returns the shape of the answer.
func (m *Model) session(ctx context.Context, weights []byte, threads int) (*ort.DynamicAdvancedSession, ort.Shape, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	options, err := sessionOptions(threads)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = options.Destroy() }()
	s, err := ort.NewDynamicAdvancedSessionWithONNXData(weights,
		[]string{m.passport.Input.Name}, []string{m.passport.Output.Name}, options)
	if err != nil {
		return nil, nil, fmt.Errorf("load model %s: %w", m.passport.Name, err)
	}
	shape, err := m.warm(s)
	if err != nil {
		return nil, nil, errors.Join(err, s.Destroy())
	}
	return s, shape, nil
}

// sessionOptions are the fastest of what was measured, and of equally fast ones
// the smallest. With U²-Net, two cores, one wide and two narrow runs at once:
// 2.2 GB with an arena per session and memory patterns, 1.2 GB in the same time
// with one arena and without patterns, 0.8 GB but 15 % more time without arena.
func sessionOptions(threads int) (*ort.SessionOptions, error) {
	o, err := ort.NewSessionOptions()
	if err != nil {
		return nil, fmt.Errorf("ONNX Runtime: %w", err)
	}
	err = errors.Join(
		o.SetGraphOptimizationLevel(ort.GraphOptimizationLevelEnableAll),
		o.SetIntraOpNumThreads(threads),
		o.SetInterOpNumThreads(1),
		o.SetCpuMemArena(true),
		o.SetMemPattern(false),
		o.AddSessionConfigEntry("session.use_env_allocators", "1"),
		// Threads that wait for work by spinning take the core that the other
		// stages of the same picture need.
		o.AddSessionConfigEntry("session.intra_op.allow_spinning", "0"),
	)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ONNX Runtime: %w", err), o.Destroy())
	}
	return o, nil
}

// warm runs s on an empty picture and learns the shape of its answer.
func (m *Model) warm(s *ort.DynamicAdvancedSession) (ort.Shape, error) {
	in, err := ort.NewEmptyTensor[float32](m.inputShape())
	if err != nil {
		return nil, fmt.Errorf("ONNX Runtime: %w", err)
	}
	defer func() { _ = in.Destroy() }()
	out := []ort.Value{nil}
	if err := s.Run([]ort.Value{in}, out); err != nil {
		return nil, &PassportError{m.passport.Name, "the network does not run as it says: " + err.Error()}
	}
	defer func() { _ = out[0].Destroy() }()
	shape := out[0].GetShape()
	if _, ok := out[0].(*ort.Tensor[float32]); !ok || shape.FlattenedSize() != int64(m.passport.Input.Width*m.passport.Input.Height) {
		return nil, &PassportError{m.passport.Name, fmt.Sprintf("output %s has shape %v, not one float32 per pixel of the input", m.passport.Output.Name, shape)}
	}
	return shape, nil
}

func (m *Model) inputShape() ort.Shape {
	return ort.NewShape(1, 3, int64(m.passport.Input.Height), int64(m.passport.Input.Width))
}

// Passport returns what the model was opened with.
func (m *Model) Passport() Passport { return m.passport }

// Spec describes the network to package cutout.
func (m *Model) Spec() cutout.Spec { return m.passport.Spec() }

// Close waits until every slot is back and frees the model's memory. Callers who
// wait for a slot get ErrClosed.
func (m *Model) Close() error {
	var err error
	m.once.Do(func() {
		close(m.closed)
		for range m.cores {
			err = errors.Join(err, (<-m.slots).destroy())
		}
		err = errors.Join(err, m.destroy())
	})
	return err
}

// destroy frees the sessions that there are.
func (m *Model) destroy() error {
	var err error
	for len(m.slots) > 0 {
		err = errors.Join(err, (<-m.slots).destroy())
	}
	if m.wide != nil && m.wide != m.narrow {
		err = errors.Join(err, m.wide.Destroy())
	}
	if m.narrow != nil {
		err = errors.Join(err, m.narrow.Destroy())
	}
	return err
}
