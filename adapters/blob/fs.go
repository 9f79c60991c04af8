package blob

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"

	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/internal/usecase"
)

// ErrFull says that an object does not fit any more. Nothing of it stays.
var ErrFull = refusal.New(refusal.Unavailable, "blob.full",
	"There is no room for another photo right now.", "Try again in a few minutes: photos make room as they are deleted.")

// reserve is how many bytes of its file system the store leaves to others. The record and the
// database often share a disk with the photos: when it fills up, uploads must stop first.
const reserve = 256 << 20

// unfinished is the folder of objects that are still being written.
const unfinished = "unfinished"

// FS is a store in a folder of a file system:
//
//	<root>/<last two hex digits of the id>/<id>.<kind>
//	<root>/unfinished/<random>
//
// Several processes of one machine may share it. Folders have mode 0700, files 0600.
type FS struct {
	root *os.Root
	// create opens a new file, and flush makes a folder's entries survive a crash; tests
	// put a full disk here.
	create func(name string) (file, error)
	flush  func(folder string) error
	// room tells how many bytes may still be written; Put refuses when it is less than reserve.
	room    func() (uint64, error)
	reserve uint64
}

// file is what Put needs of an [os.File].
type file interface {
	io.WriteCloser
	Sync() error
}

var _ usecase.Blobs = (*FS)(nil)

// OpenFS opens the store in a folder, which it makes if need be.
func OpenFS(folder string) (*FS, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("blob: make the store's folder: %w", err)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, fmt.Errorf("blob: open the store's folder: %w", err)
	}
	s := &FS{root: root, reserve: reserve}
	s.room = func() (uint64, error) { return roomIn(folder) }
	s.create = func(name string) (file, error) {
		return root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	}
	s.flush = s.flushFolder
	if err := s.makeFolder(unfinished); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return s, nil
}

// Close gives back the folder. Objects that are being written or read are not disturbed.
func (s *FS) Close() error { return s.root.Close() }

// Put implements [usecase.Blobs]. It costs two flushes to the disk: one for the bytes,
// one for the name. Both are needed: a fact that says that a photo is here must not
// outlive the photo's name. A crash between them leaves a file that [FS.Sweep] removes.
//
// It is [ErrFull] when the file system is full, or would soon be for others who use it.
func (s *FS) Put(ctx context.Context, name string, r io.Reader) error {
	to, err := pathOf(name)
	if err != nil {
		return err
	}
	if err := s.leaveRoom(); err != nil {
		return putError(err)
	}
	temporary := path.Join(unfinished, rand.Text())
	err = s.write(ctx, temporary, r)
	if err == nil {
		err = s.makeFolder(path.Dir(to))
	}
	if err == nil {
		err = s.root.Rename(temporary, to)
	}
	if err != nil {
		if gone := s.root.Remove(temporary); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
		return putError(err)
	}
	return putError(s.flush(path.Dir(to)))
}

// leaveRoom refuses to write while the file system has little left.
func (s *FS) leaveRoom() error {
	room, err := s.room()
	if err != nil {
		return fmt.Errorf("ask for the room that is left: %w", err)
	}
	if room < s.reserve {
		return fmt.Errorf("%w: %d bytes are left, %d are kept for others", syscall.ENOSPC, room, s.reserve)
	}
	return nil
}

// write makes a file of what r gives, on the disk when it returns.
func (s *FS) write(ctx context.Context, name string, r io.Reader) (err error) {
	f, err := s.create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err = io.Copy(f, until{ctx, r}); err != nil {
		return err
	}
	if err = ctx.Err(); err != nil {
		return err
	}
	return f.Sync()
}

// until reads from r until ctx ends.
type until struct {
	ctx context.Context //nolint:containedctx // lives as long as one call of Put.
	r   io.Reader
}

func (u until) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}

func putError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w (%w)", ErrFull, err)
	default:
		return fmt.Errorf("blob: put: %w", err)
	}
}

// makeFolder makes a folder below the root. That it exists survives a crash.
func (s *FS) makeFolder(name string) error {
	switch err := s.root.Mkdir(name, 0o700); {
	case errors.Is(err, fs.ErrExist):
		return nil
	case err != nil:
		return err
	}
	return s.flush(".")
}

func (s *FS) flushFolder(name string) (err error) {
	d, err := s.root.Open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return d.Sync()
}

// Open implements [usecase.Blobs]. The reader goes on to the object's end even if the
// object is replaced or deleted meanwhile.
func (s *FS) Open(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	at, err := pathOf(name)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, 0, err
	}
	f, err := s.root.Open(at)
	if err != nil {
		return nil, 0, fmt.Errorf("blob: open: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("blob: open: %w", err), f.Close())
	}
	return f, info.Size(), nil
}

// Delete implements [usecase.Blobs]. It does not wait for the disk: if a crash brings an
// object back, its key is destroyed all the same, and the next audit finds it.
func (s *FS) Delete(ctx context.Context, name string) error {
	at, err := pathOf(name)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return err
	}
	if err := s.root.Remove(at); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("blob: delete: %w", err)
	}
	return nil
}

// Sweep removes what crashes left unfinished before a time by the file system's clock,
// and returns how many it removed. What is older than the longest upload may take is
// nobody's: pass a time an hour ago.
func (s *FS) Sweep(ctx context.Context, before time.Time) (removed int, err error) {
	err = s.eachFile(ctx, unfinished, func(info fs.FileInfo) error {
		if !info.ModTime().Before(before) {
			return nil
		}
		if err := s.root.Remove(path.Join(unfinished, info.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		removed++
		return nil
	})
	if err != nil {
		return removed, fmt.Errorf("blob: sweep: %w", err)
	}
	return removed, nil
}
