package image

import "time"

// DecideDue returns the fact that follows from a picture's having to be gone by a time. ok is
// false when nothing follows: it is deleted, or due by then as it is. A deadline never moves back.
func DecideDue(img Image, due time.Time) (fact DeletionDueChanged, ok bool, err error) {
	switch {
	case !img.Known():
		return DeletionDueChanged{}, false, ErrUnknown
	case img.deleted != nil || !due.Before(img.due):
		return DeletionDueChanged{}, false, nil
	}
	return DeletionDueChanged{Due: due}, true, nil
}
