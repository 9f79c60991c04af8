package operator_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/internal/usecase"
)

// listing, storing and proposing are what the socket asks for.
type (
	listing   []usecase.Rules
	storing   struct{ refuse error }
	proposing struct{ got *string }
)

func (l listing) Do(context.Context) ([]usecase.Rules, error) { return l, nil }

func (s storing) Do(_ context.Context, archive []byte, by event.Role) (usecase.RuleBundle, bool, error) {
	if by != event.Operator {
		return usecase.RuleBundle{}, false, errors.New("stored by somebody else")
	}
	return usecase.RuleBundle{Revision: int64(len(archive)), Digest: "d", SignedBy: "ours-1"}, true, s.refuse
}

func (p proposing) Do(_ context.Context, name personal.Text, revision int64, simulation string) error {
	plain, _ := name.Reveal()
	*p.got = plain + " " + policy.RevisionName(revision) + " " + simulation
	return nil
}

func TestPolicyByTheSocket(t *testing.T) {
	var proposed string
	at := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	waiting := usecase.Rules{State: usecase.RulesProposed, Since: at, Stored: at, Seq: 9}
	waiting.Bundle = policy.Bundle{Revision: 5, Digest: "d5", SignedBy: "ours-1", Proposal: &policy.Proposal{Simulation: "s1", By: personal.Of("Ada")}}
	desk := operator.Policy{
		List: listing{waiting}, Store: storing{}, Propose: proposing{&proposed}, Keys: []string{"ours-1"},
		Fetched: func() *operator.Fetched { return &operator.Fetched{At: at, Trouble: "the server answers 404"} },
	}
	ask := func(desk operator.Policy, method, path, body string) (int, string) {
		w := httptest.NewRecorder()
		to := slog.New(slog.DiscardHandler)
		operator.Routes(operator.Config{Policy: desk, To: to}).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body)))
		said, err := io.ReadAll(w.Result().Body)
		if err != nil {
			t.Fatal(err)
		}
		return w.Code, string(said)
	}

	code, said := ask(desk, "GET", "/policy", "")
	var status operator.PolicyStatus
	if err := json.Unmarshal([]byte(said), &status); err != nil || code != http.StatusOK || len(status.Rules) != 1 {
		t.Fatalf("%d %s, %v", code, said, err)
	}
	if r := status.Rules[0]; r.Revision != 5 || r.State != usecase.RulesProposed || r.Simulation != "s1" || r.Seq != 9 || status.Fetched.Trouble == "" || status.Keys[0] != "ours-1" {
		t.Errorf("got %+v", status)
	}
	if strings.Contains(said, "Ada") {
		t.Errorf("it names a person: %s", said)
	}

	if code, said := ask(desk, "POST", "/policy/store", "archive"); code != http.StatusOK || !strings.Contains(said, `"revision":7`) {
		t.Errorf("storing: %d %s", code, said)
	}
	if code, _ := ask(desk, "POST", "/policy/store", strings.Repeat("x", 1<<20+1)); code != http.StatusBadRequest {
		t.Errorf("storing too much: %d", code)
	}
	refusing := desk
	refusing.Store = storing{policy.ErrOlder}
	if code, said := ask(refusing, "POST", "/policy/store", "x"); code < 400 || !strings.Contains(said, policy.ErrOlder.Text) {
		t.Errorf("refused: %d %s", code, said)
	}

	if code, _ := ask(desk, "POST", "/policy/propose", `{"as": " Grace  Hopper ", "revision": 5, "simulation": "s1"}`); code != http.StatusNoContent || proposed != "Grace Hopper 5 s1" {
		t.Errorf("proposing: %d, %q", code, proposed)
	}
	for _, wrong := range []string{`{"as": "", "revision": 5}`, `{"revision": "five"}`, `x`} {
		if code, _ := ask(desk, "POST", "/policy/propose", wrong); code != http.StatusBadRequest {
			t.Errorf("%s: %d", wrong, code)
		}
	}
}
