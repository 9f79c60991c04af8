package image

import (
	"time"

	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/refusal"
)

// Reasons an upload is refused.
var (
	ErrDuplicate = refusal.New(refusal.Conflict, "image.duplicate",
		"This photo was already uploaded.", "Look at the one that is there.")
	ErrNoDeadline = refusal.New(refusal.Forbidden, "image.no_deadline",
		"No photo is taken while its deletion cannot be guaranteed.", "Try again later, or tell us if this lasts.")
)

// Upload is a request to accept a picture.
type Upload struct {
	Capability CapabilityHash
	Owner      personal.Text
	FileName   personal.Text
	Bytes      int64
	Due        time.Time // the retention policy's answer; zero if it gave none
	Basis      string
	At         time.Time
}

// Longest is how long a picture may be kept, whichever rules are in force (promise image.delete-24h).
const Longest = 24 * time.Hour

// DecideUpload returns the fact that follows from accepting u, or why it is refused.
func DecideUpload(img Image, u Upload) (Uploaded, error) {
	switch {
	case img.Known():
		return Uploaded{}, ErrDuplicate
	case u.Bytes <= 0:
		return Uploaded{}, ErrEmpty
	case u.Bytes > MaxBytes:
		return Uploaded{}, ErrTooLarge
	case !u.Due.After(u.At), u.Due.Sub(u.At) > Longest:
		return Uploaded{}, ErrNoDeadline
	}
	return Uploaded{
		SizeClass:  ClassOfSize(u.Bytes),
		Due:        u.Due,
		Basis:      u.Basis,
		Capability: u.Capability,
		Owner:      u.Owner,
		FileName:   u.FileName,
	}, nil
}
