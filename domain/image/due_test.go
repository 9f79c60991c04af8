package image_test

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/domain/image"
)

func TestDecideDue(t *testing.T) {
	earlier := image.DeletionDueChanged{Due: noon.Add(time.Hour)}
	tests := map[string]struct {
		given []image.Event
		due   time.Time
		then  image.DeletionDueChanged
		ok    bool
		fails error
	}{
		"earlier":            {given: []image.Event{uploaded}, due: earlier.Due, then: earlier, ok: true},
		"earlier than that":  {given: []image.Event{uploaded, earlier}, due: noon.Add(time.Minute), then: image.DeletionDueChanged{Due: noon.Add(time.Minute)}, ok: true},
		"the same":           {given: []image.Event{uploaded}, due: uploaded.Due},
		"later":              {given: []image.Event{uploaded, earlier}, due: earlier.Due.Add(1)},
		"deleted":            {given: []image.Event{uploaded, deleted}, due: earlier.Due},
		"never seen":         {due: earlier.Due, fails: image.ErrUnknown},
		"ready, and earlier": {given: []image.Event{uploaded, image.Processed{}}, due: earlier.Due, then: earlier, ok: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, ok, err := image.DecideDue(image.From(tt.given...), tt.due)
			if got != tt.then || ok != tt.ok || !errors.Is(err, tt.fails) {
				t.Errorf("got %+v, %v, %v; want %+v, %v, %v", got, ok, err, tt.then, tt.ok, tt.fails)
			}
		})
	}
}

// Whatever is said about the deadline, and in whatever order: it never moves back, and the
// deletion says by when it had to be.
func TestDeadlineNeverMovesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history := []image.Event{uploaded}
		earliest := uploaded.Due
		for _, minutes := range rapid.SliceOf(rapid.Int64Range(-10, 3000)).Draw(t, "minutes") {
			due := noon.Add(time.Duration(minutes) * time.Minute)
			fact, ok, err := image.DecideDue(image.From(history...), due)
			if err != nil || ok != due.Before(earliest) {
				t.Fatalf("%v where it was %v: %v, %v", due, earliest, ok, err)
			}
			if ok {
				earliest = due
				history = append(history, fact)
			}
		}
		img := image.From(history...)
		gone, _, err := image.DecideDelete(img, image.Delete{Why: image.BecauseDue, At: noon})
		if err != nil || !img.Due().Equal(earliest) || !gone.Due.Equal(earliest) {
			t.Fatalf("due %v, deleted for %v, want %v: %v", img.Due(), gone.Due, earliest, err)
		}
	})
}
