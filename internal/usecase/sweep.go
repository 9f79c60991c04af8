package usecase

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
)

// unknownAge is how old an object without a key must be before it is swept: far older
// than any upload that is still on its way. With a sweep every quarter of an hour, noise is gone within the hour.
const unknownAge = 30 * time.Minute

// Sweep removes sealed objects that nobody can read.
type Sweep struct {
	Vault Vault
	Blobs Blobs
	// Wall tells the real time, by which the store stamps its objects.
	Wall Now
}

// Do lists the store and removes what has no key: at once when the key was destroyed, after a while when there never was one.
// It returns how many objects it removed.
func (s Sweep) Do(ctx context.Context) (removed int, err error) {
	var failed int
	var first error
	err = s.Blobs.List(ctx, func(b Blob) error {
		noise, err := s.isNoise(ctx, b)
		if err == nil && noise {
			if err = s.Blobs.Delete(ctx, b.Name); err == nil {
				removed++
			}
		}
		// One object that resists keeps no other.
		if err != nil {
			if failed++; first == nil {
				first = err
			}
		}
		return ctx.Err()
	})
	if failed > 0 {
		err = errors.Join(err, fmt.Errorf("%d objects could not be swept, the first: %w", failed, first))
	}
	return removed, err
}

func (s Sweep) isNoise(ctx context.Context, b Blob) (bool, error) {
	old := s.Wall().Sub(b.Stored) > unknownAge
	img, ok := imageOfBlob(b.Name)
	if !ok {
		return old, nil
	}
	_, err := s.Vault.Key(ctx, image.Key(img))
	switch {
	case errors.Is(err, personal.ErrDestroyed):
		return true, nil
	case errors.Is(err, personal.ErrNoKey):
		return old, nil
	case err != nil:
		return false, fmt.Errorf("ask for a key: %w", err)
	}
	return false, nil
}
