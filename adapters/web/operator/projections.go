package operator

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/usecase"
)

// Projections is what can be asked and done about views.
type Projections struct {
	List func(ctx context.Context) ([]Projection, error)
	Skip interface { // usecase.SkipFact
		Do(ctx context.Context, cmd usecase.SkipCommand) error
	}
	Certify interface { // usecase.CertifyView
		Do(ctx context.Context, fact system.ProjectionCertified) error
	}
}

// Projection is how one view is doing in the service's process.
type Projection struct {
	View  string `json:"view"`
	State string `json:"state"`
	Seq   int64  `json:"seq"`             // the last fact that it shows
	Lag   int64  `json:"lag"`             // facts that are published and not in it yet
	At    int64  `json:"at,omitempty"`    // the fact that it is stopped at
	Cause string `json:"cause,omitempty"` // why it is retrying or stopped
}

// SkipRequest is the body of POST /projections/skip.
type SkipRequest struct {
	View    string `json:"view"`
	Seq     int64  `json:"seq"`
	Because string `json:"because"`
	Who     string `json:"who"` // the system user
	// Withdraw takes an earlier skip back.
	Withdraw bool `json:"withdraw,omitempty"`
}

// Certificate is the body of POST /projections/certified.
type Certificate struct {
	View   string `json:"view"`
	Seq    int64  `json:"seq"`
	Digest string `json:"digest"`
}

var errCertificate = refusal.New(refusal.Invalid, "operator.certificate",
	"This certifies nothing.", "Use the same release of bgremover as the service.")

func listProjections(p Projections, to *slog.Logger) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		all, err := p.List(r.Context())
		if err != nil {
			refuse(w, r, err, to)
			return
		}
		reply(w, all)
	}
}

// skipFact has a stopped view go on behind the fact that it stands at, or takes that back.
func skipFact(p Projections, to *slog.Logger) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var asked SkipRequest
		err := readRequest(w, r, &asked)
		if err == nil {
			err = p.Skip.Do(r.Context(), usecase.SkipCommand{
				View: asked.View, Seq: asked.Seq, Reason: asked.Because, Who: personal.Of(strings.TrimSpace(asked.Who)), Withdraw: asked.Withdraw,
			})
		}
		if err != nil {
			refuse(w, r, err, to)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

// certify records what a check by a command has found.
func certify(p Projections, to *slog.Logger) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var c Certificate
		err := readRequest(w, r, &c)
		if err == nil && (c.View == "" || c.Seq < 0 || !isDigest(c.Digest)) {
			err = errCertificate
		}
		if err == nil {
			err = p.Certify.Do(r.Context(), system.ProjectionCertified(c))
		}
		if err != nil {
			refuse(w, r, err, to)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

// isDigest says whether s is a SHA-256 in hexadecimal.
func isDigest(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}
