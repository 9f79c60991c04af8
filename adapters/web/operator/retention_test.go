package operator

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bgremover/bgremover/internal/usecase"
)

type confirming struct{ err error }

func (c confirming) Do(context.Context) (usecase.Jump, error) {
	return usecase.Jump{From: time.Unix(0, 0).UTC(), To: time.Unix(3600, 0).UTC()}, c.err
}

func TestRetention(t *testing.T) {
	status := usecase.RetentionStatus{Revision: 4, Kinds: []usecase.KindStatus{{Kind: "analytics", Waiting: 7}}}
	tests := map[string]struct {
		method, path, body string
		err                error
		code               int
		says               string
	}{
		"status":             {method: http.MethodGet, path: "/retention", code: http.StatusOK, says: `"kind":"analytics"`},
		"status, away":       {method: http.MethodGet, path: "/retention", err: errors.New("away"), code: http.StatusInternalServerError, says: "something went wrong"},
		"confirm":            {method: http.MethodPost, path: "/retention/confirm-clock", body: "{}", code: http.StatusOK, says: `"1970-01-01T01:00:00Z"`},
		"nothing to confirm": {method: http.MethodPost, path: "/retention/confirm-clock", body: "{}", err: usecase.ErrNoJump, code: http.StatusConflict, says: "has not jumped"},
		"another release":    {method: http.MethodPost, path: "/retention/confirm-clock", body: `{"really":true}`, code: http.StatusBadRequest, says: "same release"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			routes := Routes(Config{To: slog.New(slog.DiscardHandler), Retention: Retention{
				Status:  func(context.Context) (usecase.RetentionStatus, error) { return status, tt.err },
				Confirm: confirming{tt.err},
			}})
			answer := httptest.NewRecorder()
			routes.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), tt.method, tt.path, strings.NewReader(tt.body)))
			if answer.Code != tt.code || !strings.Contains(answer.Body.String(), tt.says) {
				t.Errorf("answered %d %s", answer.Code, answer.Body)
			}
		})
	}
	var again usecase.RetentionStatus
	content, err := json.Marshal(status)
	if err == nil {
		err = json.Unmarshal(content, &again)
	}
	if err != nil || len(again.Kinds) != 1 || again.Kinds[0].Waiting != 7 || again.Jump != nil {
		t.Errorf("a command reads %+v, %v", again, err)
	}
}
