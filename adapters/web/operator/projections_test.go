package operator_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/usecase"
)

type skipping func(usecase.SkipCommand) error

func (s skipping) Do(_ context.Context, cmd usecase.SkipCommand) error { return s(cmd) }

type certifying func(system.ProjectionCertified) error

func (c certifying) Do(_ context.Context, fact system.ProjectionCertified) error { return c(fact) }

func TestProjectionsByTheSocket(t *testing.T) {
	digest := strings.Repeat("0a", 32)
	var log bytes.Buffer
	routes := operator.Routes(operator.Config{To: slog.New(slog.NewTextHandler(&log, nil)), Views: operator.Projections{
		List: func(context.Context) ([]operator.Projection, error) {
			return []operator.Projection{
				{View: "images", State: "following", Seq: 9, Lag: 1},
				{View: "trail", State: "stopped", Seq: 6, Lag: 4, At: 7, Cause: "fact 7: Apply panicked"},
			}, nil
		},
		Skip: skipping(func(cmd usecase.SkipCommand) error {
			switch {
			case cmd.Who != personal.Of("root"):
				return errors.New("another user")
			case cmd.View != "trail":
				return usecase.ErrNoView
			case cmd.Withdraw:
				return system.ErrNotSkipped
			case cmd.Seq != 7 || cmd.Reason != "broken":
				return system.ErrNotStopped
			}
			return nil
		}),
		Certify: certifying(func(fact system.ProjectionCertified) error {
			if fact != (system.ProjectionCertified{View: "images", Seq: 9, Digest: digest}) {
				return errors.New("another fact")
			}
			return nil
		}),
	}})
	tests := map[string]struct {
		method, path, body string
		code               int
		says               string
	}{
		"list":                  {"GET", "", "", 200, `[{"view":"images","state":"following","seq":9,"lag":1},{"view":"trail","state":"stopped","seq":6,"lag":4,"at":7,"cause":"fact 7: Apply panicked"}]` + "\n"},
		"skip":                  {"POST", "/skip", `{"view":"trail","seq":7,"because":"broken","who":"root"}`, 204, ""},
		"skip another":          {"POST", "/skip", `{"view":"trail","seq":8,"because":"broken","who":"root"}`, 409, "does not stand at that fact"},
		"no skip to withdraw":   {"POST", "/skip", `{"view":"trail","seq":7,"because":"mended","who":"root","withdraw":true}`, 409, "does not skip that fact"},
		"skip of no view":       {"POST", "/skip", `{"view":"trial","seq":7,"because":"broken","who":"root"}`, 404, "no view of this name"},
		"skip by another":       {"POST", "/skip", `{"view":"trail","seq":7,"because":"broken","who":"Mallory"}`, 500, "its log says what"},
		"nonsense":              {"POST", "/skip", `{"view":"trail","sequence":7}`, 400, "same release"},
		"much":                  {"POST", "/skip", `{"because":"` + strings.Repeat("a", 20_000) + `"}`, 400, "same release"},
		"certificate":           {"POST", "/certified", `{"view":"images","seq":9,"digest":"` + digest + `"}`, 204, ""},
		"no digest":             {"POST", "/certified", `{"view":"images","seq":9,"digest":"` + strings.Repeat("x", 64) + `"}`, 400, "certifies nothing"},
		"certificate of nought": {"POST", "/certified", `{"seq":9,"digest":"` + digest + `"}`, 400, "certifies nothing"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			routes.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), tt.method, "/projections"+tt.path, strings.NewReader(tt.body)))
			if w.Code != tt.code || !strings.Contains(w.Body.String(), tt.says) {
				t.Errorf("%d %s; want %d %s", w.Code, w.Body, tt.code, tt.says)
			}
			if tt.code == http.StatusOK && w.Body.String() != tt.says {
				t.Errorf("got  %swant %s", w.Body, tt.says)
			}
		})
	}
	if strings.Contains(log.String(), "Mallory") || strings.Contains(log.String(), "root") {
		t.Errorf("logged %s", &log)
	}
}
