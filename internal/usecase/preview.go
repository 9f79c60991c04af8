package usecase

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
)

// MaxPreviewSide is the longer side of a preview, in pixels.
const MaxPreviewSide = 1600

// Shrinker makes previews.
type Shrinker interface {
	// Shrink waits for a free slot, loads a picture and writes it as PNG, at most maxSide
	// pixels wide and high.
	Shrink(ctx context.Context, load func() ([]byte, error), maxSide int, w io.Writer) error
}

// Preview shows a picture, or its cutout, to its holder. It is no download.
type Preview struct {
	Record   Record
	Vault    Vault
	Blobs    Blobs
	Shrinker Shrinker
	Reads    Reads
}

// Do writes the preview of one copy: image.Original or image.Result.
func (p Preview) Do(ctx context.Context, img id.Image, token, copyOf string, w io.Writer) error {
	history, err := p.Record.Load(ctx, image.Stream(img))
	if err != nil {
		return fmt.Errorf("load image: %w", err)
	}
	state := image.FromRecord(history)
	if !state.OpensWith(image.HashCapability(token)) {
		return image.ErrUnknown
	}
	switch {
	case state.Status() == image.Gone:
		return image.ErrGone
	case copyOf == image.Result:
		if err := image.MayDownload(state); err != nil {
			return err
		}
	}
	err = p.Shrinker.Shrink(ctx, func() ([]byte, error) {
		key, err := p.Vault.Key(ctx, image.Key(img))
		if err != nil {
			return nil, err
		}
		may, err := p.Reads.ask(ctx, img, readerHolder, purposeCutout)
		if err != nil {
			return nil, err
		}
		return loadSealed(ctx, p.Blobs, key, may, img, copyOf)
	}, MaxPreviewSide, w)
	if errors.Is(err, personal.ErrDestroyed) || errors.Is(err, fs.ErrNotExist) {
		// Deleted since we looked; that is answered when the record has it.
		history, loadErr := p.Record.Load(ctx, image.Stream(img))
		if loadErr != nil {
			return errors.Join(err, loadErr)
		}
		return ifDeleted(image.FromRecord(history), err)
	}
	if err != nil {
		return fmt.Errorf("make the preview: %w", err)
	}
	return nil
}
