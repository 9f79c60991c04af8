package operator

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/bgremover/bgremover/internal/usecase"
)

// Retention is what can be asked and done about what ends by its time.
type Retention struct {
	Status func(ctx context.Context) (usecase.RetentionStatus, error)
	// Confirm records that a clock that jumped is right: usecase.ConfirmClock.
	Confirm interface {
		Do(ctx context.Context) (usecase.Jump, error)
	}
}

// ConfirmClockRequest is the body of POST /retention/confirm-clock.
type ConfirmClockRequest struct{}

func retentionStatus(a Retention, to *slog.Logger) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		status, err := a.Status(r.Context())
		if err != nil {
			refuse(w, r, err, to)
			return
		}
		reply(w, status)
	}
}

// confirmClock answers with the jump that was confirmed.
func confirmClock(a Retention, to *slog.Logger) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := readRequest(w, r, &ConfirmClockRequest{}); err != nil {
			refuse(w, r, err, to)
			return
		}
		jump, err := a.Confirm.Do(r.Context())
		if err != nil {
			refuse(w, r, err, to)
			return
		}
		reply(w, jump)
	}
}
