package onnx

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/bgremover/bgremover/internal/cutout"
	ort "github.com/yalue/onnxruntime_go"
)

// Slot is the right to work on one picture: there are as many as cores. Take it
// before decoding, so that no more pictures are in memory than can be worked on.
//
// One goroutine at a time may use it, and MUST release it once.
type Slot struct {
	m   *Model
	in  *ort.Tensor[float32]
	out *ort.Tensor[float32]
	pin runtime.Pinner // ONNX Runtime keeps pointers to what the tensors hold
}

var _ cutout.Segmenter = (*Slot)(nil)

func (m *Model) newSlot() (_ *Slot, err error) {
	s := &Slot{m: m}
	if s.in, err = pinned(&s.pin, m.inputShape()); err != nil {
		s.pin.Unpin()
		return nil, err
	}
	if s.out, err = pinned(&s.pin, m.shape); err != nil {
		s.pin.Unpin()
		return nil, errors.Join(err, s.in.Destroy())
	}
	return s, nil
}

func pinned(p *runtime.Pinner, shape ort.Shape) (*ort.Tensor[float32], error) {
	data := make([]float32, shape.FlattenedSize())
	p.Pin(&data[0])
	t, err := ort.NewTensor(shape, data)
	if err != nil {
		return nil, fmt.Errorf("ONNX Runtime: %w", err)
	}
	return t, nil
}

func (s *Slot) destroy() error {
	err := errors.Join(s.in.Destroy(), s.out.Destroy())
	s.pin.Unpin()
	return err
}

// Slot waits for a free slot. It fails with the context's error, or ErrClosed.
func (m *Model) Slot(ctx context.Context) (*Slot, error) {
	m.demand.Add(1)
	select {
	case <-m.closed:
		m.demand.Add(-1)
		return nil, ErrClosed
	default:
	}
	select {
	case s := <-m.slots:
		return s, nil
	case <-m.closed:
		m.demand.Add(-1)
		return nil, ErrClosed
	case <-ctx.Done():
		m.demand.Add(-1)
		return nil, ctx.Err()
	}
}

// Release gives the slot back.
func (s *Slot) Release() {
	s.m.demand.Add(-1)
	s.m.slots <- s
}

// alone tells whether nobody else has a slot or waits for one.
func (s *Slot) alone() bool { return s.m.demand.Load() == 1 }

// Spec describes the network.
func (s *Slot) Spec() cutout.Spec { return s.m.Spec() }

// Workers says how many goroutines may compute for this picture right now: all
// cores while it is alone, one under load.
func (s *Slot) Workers() int {
	if s.alone() {
		return s.m.cores
	}
	return 1
}

// Run runs the network on 3 × Height × Width values and returns Height × Width,
// which the next Run overwrites. It ends early with the context.
func (s *Slot) Run(ctx context.Context, input []float32) ([]float32, error) {
	if len(input) != len(s.in.GetData()) {
		return nil, fmt.Errorf("onnx: input has %d values, the network takes %d", len(input), len(s.in.GetData()))
	}
	copy(s.in.GetData(), input)
	session := s.m.narrow
	if s.alone() {
		session = s.m.wide
	}
	options, err := ort.NewRunOptions()
	if err != nil {
		return nil, fmt.Errorf("ONNX Runtime: %w", err)
	}
	defer func() { _ = options.Destroy() }()
	// The flag must not be set on options that are already freed.
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { defer close(ended); _ = options.Terminate() })
	err = session.RunWithOptions([]ort.Value{s.in}, []ort.Value{s.out}, options)
	if !stop() {
		<-ended
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("run model %s: %w", s.m.passport.Name, err)
	}
	return s.out.GetData(), nil
}
