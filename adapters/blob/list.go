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

// List implements [usecase.Blobs]. It gives all objects first and then, if it met any
// others, [ErrForeign]. Objects put or deleted meanwhile may be missing.
func (s *FS) List(ctx context.Context, each func(usecase.Blob) error) error {
	foreign := 0
	err := s.eachEntry(ctx, ".", func(entry fs.DirEntry) error {
		switch folder := entry.Name(); {
		case folder == unfinished:
			return nil
		case !entry.IsDir():
			foreign++
			return nil
		default:
			return s.eachFile(ctx, folder, func(info fs.FileInfo) error {
				name, ok := nameOf(folder, info.Name())
				if !ok || !info.Mode().IsRegular() {
					foreign++
					return nil
				}
				return each(usecase.Blob{Name: name, Size: info.Size(), Stored: info.ModTime()})
			})
		}
	})
	switch {
	case err != nil:
		return fmt.Errorf("blob: list: %w", err)
	case foreign > 0:
		return fmt.Errorf("%w (%d found)", ErrForeign, foreign)
	}
	return nil
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
