package main

import (
	"context"
	"fmt"
	"io"

	"github.com/bgremover/bgremover/adapters/web/api"
	"github.com/bgremover/bgremover/internal/cutout"
)

// transform makes what a client of remove.bg asked for out of a finished result: fewer pixels, or only the mask.
func (c cutter) transform(ctx context.Context, png io.Reader, o api.Options, w io.Writer) (width, height int, err error) {
	slot, free, err := c.slot(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer free()
	data, err := io.ReadAll(png)
	if err != nil {
		return 0, 0, fmt.Errorf("read the result: %w", err)
	}
	channels := cutout.RGBA
	if o.AlphaOnly {
		channels = cutout.AlphaOnly
	}
	return cutout.Reduce(w, data, o.MaxPixels, channels, slot.Workers())
}
