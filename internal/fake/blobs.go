package fake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"sync"
	"time"

	"github.com/bgremover/bgremover/internal/usecase"
)

// Blobs is a store in memory. The zero value is empty and ready.
type Blobs struct {
	mu      sync.Mutex
	objects map[string]object
}

type object struct {
	bytes  []byte
	stored time.Time
}

var _ usecase.Blobs = (*Blobs)(nil)

// Put implements [usecase.Blobs].
func (b *Blobs) Put(ctx context.Context, name string, r io.Reader) error {
	if name == "" {
		return errors.New("fake: an object needs a name")
	}
	var all bytes.Buffer
	if _, err := io.Copy(&all, r); err != nil {
		return fmt.Errorf("fake: put: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("fake: put: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.objects == nil {
		b.objects = map[string]object{}
	}
	b.objects[name] = object{bytes: all.Bytes(), stored: time.Now()}
	return nil
}

// Open implements [usecase.Blobs].
func (b *Blobs) Open(_ context.Context, name string) (io.ReadCloser, int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o, ok := b.objects[name]
	if !ok {
		return nil, 0, fmt.Errorf("fake: open: %w", fs.ErrNotExist)
	}
	return io.NopCloser(bytes.NewReader(o.bytes)), int64(len(o.bytes)), nil
}

// Delete implements [usecase.Blobs].
func (b *Blobs) Delete(_ context.Context, name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.objects, name)
	return nil
}

// List implements [usecase.Blobs].
func (b *Blobs) List(_ context.Context, each func(usecase.Blob) error) error {
	b.mu.Lock()
	now := maps.Clone(b.objects)
	b.mu.Unlock()
	for name, o := range now {
		if err := each(usecase.Blob{Name: name, Size: int64(len(o.bytes)), Stored: o.stored}); err != nil {
			return fmt.Errorf("fake: list: %w", err)
		}
	}
	return nil
}
