package capability

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/projections/images"
)

// ErrBehind says that the view lags behind the record for longer than a request waits.
var ErrBehind = refusal.New(refusal.Unavailable, "view.behind",
	"What is shown here is not up to date yet.", "Try again in a few seconds.")

// viewPatience is how long a question waits for the view to catch up.
const viewPatience = 5 * time.Second

// View is the view of images, for those who hold a capability.
type View struct {
	// CaughtUp returns once the view rests on everything that was in the record when it was called.
	CaughtUp func(ctx context.Context) error
	// Get returns a picture, or image.ErrUnknown.
	Get func(ctx context.Context, img id.Image) (images.Picture, error)
}

// Open returns the picture that the token opens, or image.ErrUnknown.
func (v View) Open(ctx context.Context, img id.Image, token string) (images.Picture, error) {
	waiting, cancel := context.WithTimeout(ctx, viewPatience)
	defer cancel()
	if err := v.CaughtUp(waiting); err != nil {
		if errors.Is(waiting.Err(), context.DeadlineExceeded) {
			return images.Picture{}, ErrBehind
		}
		return images.Picture{}, fmt.Errorf("wait for the view of images: %w", err)
	}
	p, err := v.Get(ctx, img)
	if err != nil {
		return images.Picture{}, err
	}
	if !p.Capability.Matches(image.HashCapability(token)) {
		return images.Picture{}, image.ErrUnknown
	}
	return p, nil
}
