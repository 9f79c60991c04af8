package image

import (
	"slices"
	"time"
)

// The kinds of copy that exist of a picture. Whoever adds one adds it here, and with that
// to what every deletion looks for.
const (
	Original = "original"
	Result   = "result"
)

// Copies lists every kind of copy.
func Copies() []string { return []string{Original, Result} }

// Delete is a request to delete a picture.
type Delete struct {
	Why Why
	At  time.Time
}

// DecideDelete returns the fact that follows. ok is false when there is nothing left to
// delete; a picture that was never there is [ErrUnknown].
func DecideDelete(img Image, d Delete) (fact Deleted, ok bool, err error) {
	switch {
	case !img.Known():
		return Deleted{}, false, ErrUnknown
	case img.deleted != nil:
		return Deleted{}, false, nil
	}
	return Deleted{Why: d.Why, Due: img.Due(), Actual: d.At, Copies: slices.Clone(Copies())}, true, nil
}
