package blob

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// full writes to a device of the kernel that is always full, and keeps the real file.
type full struct {
	file
	device *os.File
}

func (f full) Write(p []byte) (int, error) { return f.device.Write(p) }

// The kernel's own answer of a full disk is understood.
func TestDiskFullByTheKernel(t *testing.T) {
	device, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = device.Close() }()
	s, folder := open(t)
	create := s.create
	s.create = func(name string) (file, error) {
		f, err := create(name)
		return full{file: f, device: device}, err
	}
	if err := s.Put(t.Context(), name, strings.NewReader("sealed")); !errors.Is(err, ErrFull) {
		t.Errorf("got %v; want %v", err, ErrFull)
	}
	if left := files(t, folder); len(left) > 0 {
		t.Errorf("files were left: %v", left)
	}
}
