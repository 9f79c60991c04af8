package operator

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/internal/usecase"
)

// Audit has the sentinel compare what is kept with the record now. progress is told how far it is.
type Audit func(ctx context.Context, progress func(usecase.AuditProgress)) (usecase.Audit, error)

// AuditLine is one line of the answer to POST /audit: how far it is, again and again, then what was found.
type AuditLine struct {
	Progress *usecase.AuditProgress `json:"progress,omitempty"`
	Done     *usecase.Audit         `json:"done,omitempty"`
}

// ErrAuditing refuses a second audit beside one that runs.
var ErrAuditing = refusal.New(refusal.Conflict, "audit.running",
	"An audit is running already.", "Try again when it is over: it takes minutes at most.")

// auditToldEvery is how often an audit's progress is told.
const auditToldEvery = time.Second

func runAudit(do Audit, to *slog.Logger) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		out, flush := json.NewEncoder(w), http.NewResponseController(w)
		out.SetEscapeHTML(false)
		begun, next := false, time.Now().Add(auditToldEvery)
		tell := func(line AuditLine) {
			if !begun {
				w.Header().Set("Content-Type", "application/x-ndjson")
			}
			begun = true
			_ = errors.Join(out.Encode(line), flush.Flush()) // the client may be gone
		}
		done, err := do(r.Context(), func(p usecase.AuditProgress) {
			if now := time.Now(); !now.Before(next) {
				next = now.Add(auditToldEvery)
				tell(AuditLine{Progress: &p})
			}
		})
		switch {
		case err != nil && begun:
			to.ErrorContext(r.Context(), "an audit failed", "err", err)
			// The header is out: breaking the connection is how the client learns that this is not all.
			panic(http.ErrAbortHandler)
		case err != nil:
			refuse(w, r, err, to)
		default:
			tell(AuditLine{Done: &done})
		}
	}
}
