package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/bgremover/bgremover/internal/usecase"
)

// ErrForeign says that a listing found files that no object's name leads to. Nobody
// knows how to delete them, so they must not stay: remove them from the store's folder.
var ErrForeign = errors.New("blob: the store's folder holds files that are not objects")

// listed is how many directory entries are held in memory at a time.
const listed = 512

// List implements [usecase.Blobs]. It gives all objects that it can, and then says what was
// wrong: [ErrForeign] if it met any others, and the errors of folders and files that it could
// not read. Objects put or deleted meanwhile may be missing.
func (s *FS) List(ctx context.Context, each func(usecase.Blob) error) error {
	l := listing{FS: s, ctx: ctx, each: each}
	if err := s.eachEntry(ctx, ".", l.folder); err != nil {
		l.damage(err)
	}
	return l.result()
}

// listing is one call of List.
type listing struct {
	*FS
	ctx  context.Context //nolint:containedctx // lives as long as one call of List.
	each func(usecase.Blob) error

	ended   error   // each or ctx ended the listing
	foreign int     // entries that are no objects
	damaged int     // entries that could not be read
	errs    []error // the first of their errors
}

// told is how many errors of single entries a listing repeats; the others it counts. A broken
// disk has one for each file.
const told = 16

func (l *listing) damage(err error) {
	if l.ended == nil {
		l.ended = l.ctx.Err()
	}
	if l.ended != nil {
		return // that is why
	}
	if l.damaged++; l.damaged <= told {
		l.errs = append(l.errs, err)
	}
}

// folder lists what stands in a shard. Its error ends the listing.
func (l *listing) folder(entry fs.DirEntry) error {
	folder := entry.Name()
	switch {
	case folder == unfinished:
		return nil
	case !entry.IsDir(), !isShard(folder):
		l.foreign++
		return nil
	}
	err := l.eachEntry(l.ctx, folder, func(entry fs.DirEntry) error { return l.file(folder, entry) })
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.damage(fmt.Errorf("folder %s: %w", folder, err))
	}
	return l.ended
}

func (l *listing) file(folder string, entry fs.DirEntry) error {
	name, ok := nameOf(folder, entry.Name())
	if !ok || !entry.Type().IsRegular() {
		l.foreign++
		return nil
	}
	info, err := entry.Info()
	switch {
	case errors.Is(err, fs.ErrNotExist): // deleted meanwhile
		return nil
	case err != nil:
		l.damage(err)
		return nil
	}
	l.ended = l.each(usecase.Blob{Name: name, Size: info.Size(), Stored: info.ModTime()})
	return l.ended
}

func (l *listing) result() error {
	err := errors.Join(l.errs...)
	if more := l.damaged - len(l.errs); more > 0 {
		err = errors.Join(err, fmt.Errorf("and %d more", more))
	}
	if l.ended != nil {
		err = errors.Join(l.ended, err)
	}
	if err != nil {
		err = fmt.Errorf("blob: list: %w", err)
	}
	switch {
	case l.foreign > 0 && err == nil: // it is whole all the same
		return fmt.Errorf("%w (%w)", ErrForeign, usecase.ForeignError{Count: int64(l.foreign)})
	case l.foreign > 0:
		return errors.Join(err, fmt.Errorf("%w (%d found)", ErrForeign, l.foreign))
	}
	return err
}

// eachFile calls each for whatever stands in a folder. What is removed meanwhile is passed over.
func (s *FS) eachFile(ctx context.Context, folder string, each func(fs.FileInfo) error) error {
	return s.eachEntry(ctx, folder, func(entry fs.DirEntry) error {
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return each(info)
	})
}

// eachEntry reads a folder a few entries at a time.
func (s *FS) eachEntry(ctx context.Context, folder string, each func(fs.DirEntry) error) (err error) {
	d, err := s.root.Open(folder)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	for {
		entries, err := d.ReadDir(listed)
		for _, entry := range entries {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := each(entry); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
