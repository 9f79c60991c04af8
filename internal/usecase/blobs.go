package usecase

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
)

// blobName is where a copy of a picture lies, and the context that its sealing is bound to.
func blobName(img id.Image, copyOf string) string { return string(img) + "/" + copyOf }

func writeBytes(b []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	}
}

// putSealed stores what write gives, sealed on its way: no plain byte reaches the store.
func putSealed(ctx context.Context, store Blobs, key personal.Key, name string, write func(io.Writer) error) error {
	r, w := io.Pipe()
	sealed := make(chan struct{})
	go func() {
		defer close(sealed)
		w.CloseWithError(sealTo(w, key, name, write))
	}()
	err := store.Put(ctx, name, r)
	_ = r.CloseWithError(err) // unblocks the sealing side when the store gave up early; never fails
	<-sealed
	return err
}

// errPanicked says that what was to be sealed could not be made.
var errPanicked = errors.New("usecase: panic while sealing")

// sealTo runs in a goroutine of its own, where a panic of write would end the process.
func sealTo(w io.Writer, key personal.Key, name string, write func(io.Writer) error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("%w: %T", errPanicked, cause) // not what it says: that may hold pixels
		}
	}()
	sealing, err := key.SealTo(w, []byte(name))
	if err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	if err := write(sealing); err != nil {
		return err // not closed: what was written so far stays worthless
	}
	return sealing.Close()
}

// opened is a sealed object being read.
type opened struct {
	io.Reader
	io.Closer
	size int64 // plain bytes
}

// openSealed opens a copy of a picture for reading. Its bytes are authenticated as they are read.
func openSealed(ctx context.Context, store Blobs, key personal.Key, may permission, img id.Image, copyOf string) (*opened, error) {
	if err := may.covers(img); err != nil {
		return nil, err
	}
	name := blobName(img, copyOf)
	blob, size, err := store.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	plain, err := key.OpenFrom(blob, []byte(name))
	if err != nil {
		return nil, fmt.Errorf("open sealed: %w", joinClose(err, blob))
	}
	return &opened{Reader: plain, Closer: blob, size: key.PlainSize(size)}, nil
}

// errDamaged says that a sealed object is not what was sealed: it was changed, or cut short.
var errDamaged = errors.New("usecase: the sealed object is damaged")

// loadSealed returns the plain bytes of a copy.
func loadSealed(ctx context.Context, store Blobs, key personal.Key, may permission, img id.Image, copyOf string) (_ []byte, err error) {
	blob, err := openSealed(ctx, store, key, may, img, copyOf)
	if err != nil {
		return nil, err
	}
	defer func() { err = joinClose(err, blob) }()
	plain := make([]byte, blob.size)
	if _, err := io.ReadFull(blob, plain); err != nil {
		return nil, fmt.Errorf("read sealed: %w: %w", errDamaged, err)
	}
	// The end is authenticated too: reading on must say that nothing follows.
	if n, err := blob.Read(make([]byte, 1)); n != 0 || err != io.EOF { //nolint:errorlint // io.Reader returns io.EOF itself.
		return nil, fmt.Errorf("read sealed: %w: trailing bytes or a cut end: %w", errDamaged, err)
	}
	return plain, nil
}

// removeCopies removes every copy of a picture. Their key is destroyed by then, so what it
// cannot remove now is noise that the sentinel removes.
func removeCopies(ctx context.Context, store Blobs, img id.Image) error {
	for _, c := range image.Copies() {
		if err := store.Delete(ctx, blobName(img, c)); err != nil {
			return fmt.Errorf("remove the %s: %w", c, err)
		}
	}
	return nil
}
