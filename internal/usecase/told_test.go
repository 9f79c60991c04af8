package usecase_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/usecase"
)

// endless is a policy that names no deadline.
type endless struct{ fake.Retention }

func (endless) Deadline(context.Context, time.Time) (time.Time, event.Decision, error) {
	return time.Time{}, event.Decision{Rule: "retention.deadline", Outcome: "deny", Input: []byte(`{}`)}, image.ErrNoDeadline
}

func TestAnUploadWithoutADeadlineIsTold(t *testing.T) {
	w := newWorld()
	u := w.upload()
	u.Retention = usecase.ToldRetention{Retention: endless{w.policy}, Decisions: w.told}
	if _, err := u.Do(t.Context(), usecase.UploadCommand{Picture: []byte("photo")}); !errors.Is(err, image.ErrNoDeadline) {
		t.Errorf("got %v", err)
	}
	refused, _ := w.told.Told()
	if len(refused) != 1 || refused[0].Rule != "retention.deadline" || w.story() != "" {
		t.Errorf("told %+v, recorded %q", refused, w.story())
	}
	u.Retention = usecase.ToldRetention{Retention: w.policy, Decisions: w.told}
	if _, err := u.Do(t.Context(), usecase.UploadCommand{Picture: []byte("photo")}); err != nil {
		t.Fatal(err)
	}
	if refused, _ := w.told.Told(); len(refused) != 1 {
		t.Errorf("a deadline was told as refused: %+v", refused)
	}
}
