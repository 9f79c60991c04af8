package main

import (
	"context"
	"errors"
	"time"

	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/projector"
	"github.com/bgremover/bgremover/internal/telemetry"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/projections/images"
)

// measureEvery is how often what is not counted as it happens is looked up.
const measureEvery = 5 * time.Second

// countedUpload counts the uploads that are refused.
type countedUpload struct {
	usecase.Upload
	metrics *telemetry.Metrics
}

// Do implements the use case.
func (u countedUpload) Do(ctx context.Context, cmd usecase.UploadCommand) (usecase.Uploaded, error) {
	answer, err := u.Upload.Do(ctx, cmd)
	if r, ok := refusal.As(err); ok {
		u.metrics.Refused(r.Code)
	}
	return answer, err
}

// measure looks up how full the queue is, how far the views lag and what is overdue.
func (s *service) measure(ctx context.Context) error {
	s.metrics.Slots(int(s.busy.Load()), s.cores)
	state, err := s.ledger.State(ctx)
	if err != nil {
		return err
	}
	s.metrics.Record(state.Queued, state.Published)
	switch head, err := s.tree.Head(ctx); {
	case err == nil:
		s.metrics.Checkpoint(head.Size, s.clock.Now().Sub(head.At))
	case !errors.Is(err, ledger.ErrNoCheckpoint):
		return err
	}
	for _, h := range s.views.Health() {
		s.metrics.View(h.View, state.Published-h.Seq, h.State == projector.Stopped)
	}
	waiting, err := images.CountWaiting(ctx, s.ground.pool)
	if err != nil {
		return err
	}
	s.waiting.Store(waiting)
	s.metrics.Waiting(waiting)
	now := s.clock.Now()
	late, err := images.Overdue(ctx, s.ground.pool, now)
	if err != nil {
		return err
	}
	var longest time.Duration
	if late.Count > 0 {
		longest = now.Sub(late.Oldest)
	}
	s.metrics.Overdue(late.Count, longest)
	return nil
}
