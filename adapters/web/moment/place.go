package moment

import (
	"context"
	"fmt"
	"time"

	"github.com/bgremover/bgremover/domain/refusal"
)

// ErrFuture answers who asks what will be known.
var ErrFuture = refusal.New(refusal.Invalid, "moment.future",
	"The record does not go that far yet.", "Ask for a moment that has been.")

// Record is what finding a place needs of the record.
type Record struct {
	// Published returns the highest number there is.
	Published func(ctx context.Context) (int64, error)
	// LastBy returns the highest number of a fact that was recorded at or before a time; 0 if there is none.
	LastBy func(ctx context.Context, t time.Time) (int64, error)
	Now    func() time.Time
}

// Place returns the number of the last fact that was known at a moment; 0 if there was none
// yet. The zero moment is now. What lies ahead is [ErrFuture].
func (r Record) Place(ctx context.Context, m Moment) (int64, error) {
	through, err := r.Published(ctx)
	if err != nil {
		return 0, fmt.Errorf("ask how far the record goes: %w", err)
	}
	switch {
	case m.IsZero():
		return through, nil
	case m.Seq > through:
		return 0, ahead(fmt.Sprintf("The record has %d facts, and none of number %d yet.", through, m.Seq))
	case m.Seq > 0:
		return m.Seq, nil
	case m.Time.After(r.Now()):
		return 0, ahead(fmt.Sprintf("That time is still to come: it is %s.", r.Now().UTC().Format("2006-01-02 15:04:05 UTC")))
	}
	last, err := r.LastBy(ctx, m.Time)
	if err != nil {
		return 0, fmt.Errorf("look for the last fact by a time: %w", err)
	}
	return last, nil
}

// ahead is [ErrFuture], with more to say.
func ahead(text string) error {
	e := *ErrFuture
	e.Text = text
	return &e
}
