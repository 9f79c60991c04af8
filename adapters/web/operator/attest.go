package operator

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"github.com/bgremover/bgremover/internal/usecase"
)

// Attestations lists what people sign for: usecase.Attest.
type Attestations interface {
	List(ctx context.Context) ([]usecase.Attested, error)
}

// Attestation is one of them as `bgremover attest list --json` prints it.
type Attestation struct {
	Promise  string     `json:"promise"`
	SignedBy string     `json:"signed_by"` // the role
	Words    string     `json:"words"`
	State    string     `json:"state"`
	Until    *time.Time `json:"until,omitempty"` // of what was signed last
	Days     int        `json:"days"`            // whole ones that it still holds
}

// The states of a promise that people sign for.
const (
	AttestationSigned    = "signed"
	AttestationExpiring  = "expiring"
	AttestationExpired   = "expired"
	AttestationWithdrawn = "withdrawn"
	AttestationChanged   = "words changed"
	AttestationMissing   = "missing"
)

// AttestationOf says how a promise stands at a time.
func AttestationOf(a usecase.Attested, now time.Time) Attestation {
	shown := Attestation{Promise: a.Promise, SignedBy: string(a.SignedBy), Words: a.Words, Days: a.Days(now)}
	if a.Last.Made.IsZero() {
		shown.State = AttestationMissing
		return shown
	}
	until := a.Last.Until
	shown.Until = &until
	switch {
	case a.Soon(now) && a.Holds(now):
		shown.State = AttestationExpiring
	case a.Holds(now):
		shown.State = AttestationSigned
	case !a.Last.Withdrawn.IsZero():
		shown.State = AttestationWithdrawn
	case a.Last.Holds(now):
		shown.State = AttestationChanged
	default:
		shown.State = AttestationExpired
	}
	return shown
}

func listAttestations(all Attestations, now func() time.Time, to *slog.Logger) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		found, err := all.List(r.Context())
		if err != nil {
			refuse(w, r, err, to)
			return
		}
		shown := make([]Attestation, len(found))
		for i, one := range found {
			shown[i] = AttestationOf(one, now())
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(shown) // whoever asked may be gone
	}
}
