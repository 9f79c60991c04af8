package usecase

import (
	"context"
	"errors"
	"fmt"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/refusal"
)

// Access is the policy about who reads a picture's bytes, and what for.
type Access interface {
	// Blob answers whether a reader may read a picture's bytes for a purpose. own says that the
	// picture is the one that the reader holds, or works on. No answer is a no with an error.
	Blob(ctx context.Context, reader, purpose string, own bool) (allowed bool, d event.Decision, err error)
}

// Who reads pictures, and the only purpose that there is so far.
const (
	readerHolder    = "holder"
	readerProcessor = "processor"
	purposeCutout   = "cutout"
)

// ErrMayNotRead says that a rule lets nobody read this picture for this.
var ErrMayNotRead = refusal.New(refusal.Forbidden, "image.read_refused",
	"A rule of this service does not allow this photo to be read.", "Try again later, and tell us if this lasts.")

// Reads asks before a picture's bytes are opened, and has each answer counted.
type Reads struct {
	Access    Access
	Decisions Decisions
}

// permission lets one picture be opened. Only [Reads.ask] makes one that does, and whatever opens a
// picture takes one: no read goes without a purpose that a rule allowed.
type permission struct{ img id.Image }

// ask asks the rule, or refuses.
func (r Reads) ask(ctx context.Context, img id.Image, reader, purpose string) (permission, error) {
	const own = true // whoever gets as far as here holds the picture's capability, or its work
	allowed, decision, err := r.Access.Blob(ctx, reader, purpose, own)
	switch {
	case err != nil && ctx.Err() != nil:
		return permission{}, err // nobody was refused anything
	case err != nil || !allowed:
		r.Decisions.Refused(decision)
		return permission{}, errors.Join(fmt.Errorf("read for a %s: %w", purpose, ErrMayNotRead), err)
	}
	r.Decisions.Allowed(decision)
	return permission{img}, nil
}

var errNoPermission = errors.New("usecase: nobody asked whether this picture may be read")

func (p permission) covers(img id.Image) error {
	if img == "" || p.img != img {
		return errNoPermission
	}
	return nil
}
