package operator

import (
	"context"
	"log/slog"
	"net/http"
)

// Heads is about the key that signs the heads of the record's tree.
type Heads struct {
	Keys   func(ctx context.Context) ([]string, error) // verifiers, the oldest first
	Rotate func(ctx context.Context) (newest string, err error)
}

// LogKeys is the answer about keys: verifiers as https://c2sp.org/signed-note writes them,
// the oldest first. Whoever trusts the first can follow the rest.
type LogKeys struct {
	Keys []string `json:"keys"`
}

func logKeys(h Heads, to *slog.Logger) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		keys, err := h.Keys(r.Context())
		if err != nil {
			refuse(w, r, err, to)
			return
		}
		reply(w, LogKeys{keys})
	}
}

func rotateLogKey(h Heads, to *slog.Logger) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		newest, err := h.Rotate(r.Context())
		if err != nil {
			refuse(w, r, err, to)
			return
		}
		reply(w, LogKeys{[]string{newest}})
	}
}
