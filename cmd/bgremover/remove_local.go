package main

import (
	"context"
	"io"
	"runtime"

	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/internal/config"
)

// localRemover makes cutouts in this process, by the same steps as the service's processor.
type localRemover struct{ cutter }

func newLocalRemover(ctx context.Context, cfg config.Model) (*localRemover, error) {
	model, err := openModel(ctx, cfg, runtime.GOMAXPROCS(0))
	if err != nil {
		return nil, err
	}
	return &localRemover{cutter{model: model}}, nil
}

func (r *localRemover) close() error { return r.model.Close() }

func (r *localRemover) remove(ctx context.Context, photo io.ReadSeeker, out io.Writer) (receipt string, err error) {
	cut, err := r.Cut(ctx, func() ([]byte, error) {
		// One byte over the limit is enough to be refused.
		return io.ReadAll(io.LimitReader(photo, image.MaxBytes+1))
	})
	if err != nil {
		return "", err
	}
	defer cut.Release()
	_, err = cut.Encode(out)
	return "", err
}
