package operator_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/refusal"
)

func TestSimulateByTheSocket(t *testing.T) {
	try := func(_ context.Context, asked operator.SimulationRequest, progress func(seq, of int64)) (operator.Simulation, error) {
		switch string(asked.Archive) {
		case "broken":
			return operator.Simulation{}, refusal.New(refusal.Unusable, "policy.rules", "retention.rego:7 is broken.", "Mend it.")
		case "ours":
			return operator.Simulation{}, errors.New("the vault says 192.0.2.7")
		}
		progress(1, 9)
		progress(2, 9) // too soon to be told
		return operator.Simulation{
			Digest: strings.Repeat("a", 64), Recorded: true, Report: json.RawMessage(`{"from":1}`),
			Text: fmt.Sprintf("%s %d %d-%d", asked.Archive, asked.Revision, asked.From, asked.To),
		}, nil
	}
	for name, tt := range map[string]struct {
		query, body string
		code        int
		want        string
	}{
		"all":              {"", "bundle", 200, `{"seq":1,"of":9}` + "\n" + `{"done":{"digest":"` + strings.Repeat("a", 64) + `","recorded":true,"report":{"from":1},"text":"bundle 0 0-0"}}` + "\n"},
		"a range":          {"?from=3&to=7&revision=5", "", 200, `"text":" 5 3-7"`},
		"refused":          {"", "broken", 200, `{"refused":"retention.rego:7 is broken. Mend it."}`},
		"our own fault":    {"", "ours", 200, `{"refused":"something went wrong in the service; its log says what"}`},
		"from nowhere":     {"?from=0", "bundle", 400, "A place in the record"},
		"no number":        {"?to=x", "bundle", 400, "A place in the record"},
		"larger than ever": {"", strings.Repeat("x", 2<<20), 400, "not what it should be"},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/policy/simulate"+tt.query, strings.NewReader(tt.body))
			operator.Routes(operator.Config{Simulate: try, To: quiet}).ServeHTTP(w, r)
			if w.Code != tt.code || !strings.Contains(w.Body.String(), tt.want) || strings.Contains(w.Body.String(), "192") {
				t.Errorf("got %d: %s", w.Code, w.Body)
			}
		})
	}
}

func TestDecisionsByTheSocket(t *testing.T) {
	decided := func(seq int64, rule string) event.Envelope {
		return event.Envelope{Seq: seq, Fact: event.Unknown{Name: "test.happened.v1"}, Decision: &event.Decision{Rule: rule, Outcome: "allow", Input: json.RawMessage(`{}`)}}
	}
	log := func(_ context.Context, from int64, _ bool, each func(event.Envelope) error) error {
		for _, env := range []event.Envelope{decided(1, "a.x"), {Seq: 2, Fact: event.Unknown{Name: "test.happened.v1"}}, decided(3, "a.y"), decided(4, "a.z")} {
			if env.Seq >= from {
				if err := each(env); err != nil {
					return err
				}
			}
		}
		return nil
	}
	for query, want := range map[string]string{"": "a/x a/y a/z", "?from=2": "a/y a/z", "?to=3": "a/x a/y", "?from=2&to=3": "a/y"} {
		w := httptest.NewRecorder()
		operator.Routes(operator.Config{Log: log, To: quiet}).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/policy/decisions"+query, nil))
		var paths []string
		for line := range strings.Lines(w.Body.String()) {
			var e struct{ Path string }
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatal(err)
			}
			paths = append(paths, e.Path)
		}
		if got := strings.Join(paths, " "); got != want || w.Header().Get("Content-Type") != "application/x-ndjson" {
			t.Errorf("%q: got %q, want %q", query, got, want)
		}
	}
}
