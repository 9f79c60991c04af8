package usecase

import (
	"context"
	"time"

	"github.com/bgremover/bgremover/domain/event"
)

// ToldRetention has it noted when the rules give an upload no deadline, so that it is refused.
type ToldRetention struct {
	Retention

	Decisions Decisions
}

// Deadline implements [Retention].
func (t ToldRetention) Deadline(ctx context.Context, uploaded time.Time) (time.Time, event.Decision, error) {
	due, decision, err := t.Retention.Deadline(ctx, uploaded)
	if err != nil && ctx.Err() == nil {
		t.Decisions.Refused(decision)
	}
	return due, decision, err
}
