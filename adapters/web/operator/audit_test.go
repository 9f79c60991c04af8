package operator_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/usecase"
)

func TestAuditByTheSocket(t *testing.T) {
	found := usecase.Audit{Seq: 7, Fact: system.AuditCompleted{Whole: true, Findings: []system.Finding{{Code: "object.unknown", Count: 2}}}}
	tests := map[string]struct {
		err  error
		code int
		says string
	}{
		"done":            {nil, 200, `"seq":7`},
		"already running": {operator.ErrAuditing, 409, "running already"},
		"broken":          {errors.New("a secret reason"), 500, "something went wrong"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			do := func(context.Context, func(usecase.AuditProgress)) (usecase.Audit, error) { return found, tt.err }
			w := httptest.NewRecorder()
			operator.Routes(operator.Config{Audit: do, To: slog.New(slog.NewTextHandler(&log, nil))}).
				ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/audit", nil))
			if w.Code != tt.code || !strings.Contains(w.Body.String(), tt.says) || strings.Contains(w.Body.String(), "secret") {
				t.Errorf("answered %d: %s", w.Code, w.Body)
			}
			if tt.err != nil {
				return
			}
			var line operator.AuditLine
			if err := json.Unmarshal(w.Body.Bytes(), &line); err != nil || line.Done == nil || line.Done.Fact.Findings[0].Count != 2 {
				t.Errorf("read %+v, %v", line, err)
			}
		})
	}
}
