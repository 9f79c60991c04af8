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
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/staff"
	"github.com/bgremover/bgremover/internal/usecase"
)

type linking func(personal.Text, event.Role) (usecase.Link, error)

func (l linking) Do(_ context.Context, name personal.Text, role event.Role) (usecase.Link, error) {
	return l(name, role)
}

type ending func(personal.Text) (int64, int64, error)

func (e ending) Do(_ context.Context, name personal.Text) (sessions, links int64, err error) {
	return e(name)
}

func TestOfficersByTheSocket(t *testing.T) {
	grace := personal.Of("Grace Hopper")
	var log bytes.Buffer
	routes := operator.Routes(operator.Config{To: slog.New(slog.NewTextHandler(&log, nil)), Staff: operator.Staff{
		Link: linking(func(name personal.Text, role event.Role) (usecase.Link, error) {
			switch {
			case name != grace:
				return usecase.Link{}, errors.New("another person")
			case role != event.Officer:
				return usecase.Link{}, staff.ErrRole
			}
			return usecase.Link{Token: "a-token", Until: noon, Invited: true}, nil
		}),
		End: ending(func(name personal.Text) (int64, int64, error) {
			if name != grace {
				return 0, 0, usecase.ErrStranger
			}
			return 2, 1, nil
		}),
		Address: func() string { return "https://bg.example.org" },
		Path:    func(token string) string { return "/in/" + token },
	}})
	tests := map[string]struct {
		target string
		body   any
		code   int
		says   string
	}{
		"a link":       {"link", operator.Person{Name: " Grace  Hopper", Role: "officer"}, 200, `{"link":"https://bg.example.org/in/a-token","until":"2026-03-02T12:00:00Z","invited":true}`},
		"elsewhere":    {"link", operator.Person{Name: "Grace Hopper", Role: "officer", Site: "http://x"}, 200, `"link":"http://x/in/a-token"`},
		"another role": {"link", operator.Person{Name: "Grace Hopper", Role: "boss"}, 400, "Use officer, responder or dpo"},
		"no name":      {"link", operator.Person{Name: "\n", Role: "officer"}, 400, "on one line"},
		"nonsense":     {"link", "nonsense", 400, "same release"},
		"a fault":      {"link", operator.Person{Name: "Mallory", Role: "officer"}, 500, "its log says what"},
		"the end":      {"end", operator.Person{Name: "Grace Hopper"}, 200, `{"sessions":2,"links":1}`},
		"a stranger":   {"end", operator.Person{Name: "Mallory"}, 404, "Nobody of this name"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			body, err := json.Marshal(tt.body)
			if err != nil {
				t.Fatal(err)
			}
			w := httptest.NewRecorder()
			routes.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/officer/"+tt.target, bytes.NewReader(body)))
			if w.Code != tt.code || !strings.Contains(w.Body.String(), tt.says) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
	for _, name := range []string{"Hopper", "Mallory", "a-token"} {
		if strings.Contains(log.String(), name) {
			t.Errorf("%s stands in the log: %s", name, &log)
		}
	}
}
