package operator

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/internal/usecase"
)

// Vault is what can be asked and done about keys.
type Vault struct {
	Status func(ctx context.Context) (usecase.VaultStatus, error)
	// Rotate has a new key-encryption key wrap, and returns how many keys and secrets were wrapped anew.
	Rotate func(ctx context.Context) (int, error)
}

// Rotated is the answer of POST /vault/rotate.
type Rotated struct {
	Rewrapped int `json:"rewrapped"`
}

func vaultStatus(v Vault, to *slog.Logger) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		status, err := v.Status(r.Context())
		if err != nil {
			refuse(w, r, err, to)
			return
		}
		reply(w, status)
	}
}

func rotateVault(v Vault, to *slog.Logger) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		rewrapped, err := v.Rotate(r.Context())
		if _, refused := refusal.As(err); err != nil && !refused {
			// What a key management service says is for whoever mends it.
			to.ErrorContext(r.Context(), "the vault was not rotated to the end", "err", err)
			http.Error(w, "the rotation was cut off, and is completed by itself when this is mended: "+err.Error(), http.StatusInternalServerError)
			return
		}
		if err != nil {
			refuse(w, r, err, to)
			return
		}
		reply(w, Rotated{Rewrapped: rewrapped})
	}
}
