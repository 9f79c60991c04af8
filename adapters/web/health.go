package web

import (
	"context"
	"net/http"
	"time"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/adapters/web/scope"
)

// checkTime is how long one check may take. One that takes longer has failed.
const checkTime = 3 * time.Second

// livez says that the process answers at all.
func livez(w http.ResponseWriter, _ *http.Request) {
	answer.JSON(w, http.StatusOK, map[string]string{"status": "alive"})
}

// readyz says whether requests should be sent here.
func readyz(checks []Check) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		state := struct {
			Status string   `json:"status"`
			Failed []string `json:"failed,omitempty"`
		}{Status: "ready"}
		for _, c := range checks {
			ctx, cancel := context.WithTimeout(r.Context(), checkTime)
			err := c.OK(ctx)
			cancel()
			if err != nil {
				scope.Of(r.Context()).Log.WarnContext(r.Context(), "not ready", "check", c.Name, "err", err)
				state.Failed = append(state.Failed, c.Name)
			}
		}
		status := http.StatusOK
		if len(state.Failed) > 0 {
			state.Status, status = "not ready", http.StatusServiceUnavailable
			w.Header().Set("Retry-After", "1")
		}
		answer.JSON(w, status, state)
	}
}
