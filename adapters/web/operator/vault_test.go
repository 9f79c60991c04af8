package operator_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/internal/usecase"
)

func askVault(t *testing.T, v operator.Vault, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	got := httptest.NewRecorder()
	operator.Routes(operator.Config{Vault: v, To: slog.New(slog.DiscardHandler)}).
		ServeHTTP(got, httptest.NewRequestWithContext(t.Context(), method, path, nil))
	return got
}

func TestVaultStatus(t *testing.T) {
	want := usecase.VaultStatus{
		Wrapping: []usecase.WrappingKey{{ID: 7, Wraps: 3}}, Kinds: []usecase.KeyKind{{Kind: "image", Live: 2, Destroyed: 5}}, Secrets: 1, Compared: 99,
	}
	v := operator.Vault{Status: func(context.Context) (usecase.VaultStatus, error) { return want, nil }}
	got := askVault(t, v, http.MethodGet, "/vault")
	var answer usecase.VaultStatus
	if err := json.Unmarshal(got.Body.Bytes(), &answer); err != nil || got.Code != http.StatusOK ||
		answer.Wrapping[0] != want.Wrapping[0] || answer.Kinds[0] != want.Kinds[0] || answer.Compared != 99 {
		t.Errorf("%d %s, %v", got.Code, got.Body, err)
	}
	v.Status = func(context.Context) (usecase.VaultStatus, error) { return usecase.VaultStatus{}, errors.New("secret") }
	if got := askVault(t, v, http.MethodGet, "/vault"); got.Code != http.StatusInternalServerError || strings.Contains(got.Body.String(), "secret") {
		t.Errorf("%d %s", got.Code, got.Body)
	}
}

func TestVaultRotation(t *testing.T) {
	shared := refusal.New(refusal.Conflict, "vault.shared", "Others use it.", "Stop them.")
	for name, tt := range map[string]struct {
		err  error
		code int
		says string
	}{
		"done":            {code: http.StatusOK, says: `"rewrapped":4`},
		"others use it":   {err: shared, code: http.StatusConflict, says: "Stop them."},
		"a service away":  {err: errors.New("hcvault://x is sealed"), code: http.StatusInternalServerError, says: "hcvault://x is sealed"},
		"Postgres is off": {err: refusal.New(refusal.Unavailable, "record.unavailable", "It is away.", "Again."), code: http.StatusServiceUnavailable, says: "away"},
	} {
		v := operator.Vault{Rotate: func(context.Context) (int, error) { return 4, tt.err }}
		if got := askVault(t, v, http.MethodPost, "/vault/rotate"); got.Code != tt.code || !strings.Contains(got.Body.String(), tt.says) {
			t.Errorf("%s: %d %s; want %d and %q", name, got.Code, got.Body, tt.code, tt.says)
		}
		if got := askVault(t, v, http.MethodGet, "/vault/rotate"); got.Code != http.StatusMethodNotAllowed {
			t.Errorf("by GET: %d", got.Code)
		}
	}
}
