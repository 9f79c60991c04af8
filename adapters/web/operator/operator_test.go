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
	"time"

	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
)

const img = "01900000-0000-7000-8000-000000000001"

var quiet = slog.New(slog.DiscardHandler)

func record(facts ...event.Fact) operator.Log {
	return func(_ context.Context, from int64, _ bool, each func(event.Envelope) error) error {
		for i, f := range facts {
			if int64(i+1) < from {
				continue
			}
			env := event.Envelope{
				Seq: int64(i + 1), Stream: image.Stream(img), Version: int64(i + 1), At: time.Unix(0, 0).UTC(),
				Actor: event.Actor{Role: event.Visitor, Who: personal.Sealed}, Fact: f,
			}
			if err := each(env); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestLog(t *testing.T) {
	log := record(
		image.Uploaded{FileName: personal.Sealed, Owner: personal.Sealed},
		image.Processed{Model: "u2net"},
		event.Unknown{Name: "image.framed.v1", Body: json.RawMessage(`{"frame":"oak"}`)},
	)
	tests := map[string]struct {
		query string
		code  int
		seqs  []int64
	}{
		"all":             {"", 200, []int64{1, 2, 3}},
		"from":            {"?from=2", 200, []int64{2, 3}},
		"one type":        {"?type=image.processed.v1", 200, []int64{2}},
		"one subject":     {"?subject=image/" + img, 200, []int64{1, 2, 3}},
		"another subject": {"?subject=image/x", 200, nil},
		"from nowhere":    {"?from=x", 400, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			operator.Routes(operator.Config{Log: log, To: quiet}).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/log"+tt.query, nil))
			if w.Code != tt.code {
				t.Fatalf("got %d: %s", w.Code, w.Body)
			}
			if tt.code != http.StatusOK {
				return
			}
			var seqs []int64
			for line := range strings.Lines(w.Body.String()) {
				var l operator.Line
				if err := json.Unmarshal([]byte(line), &l); err != nil {
					t.Fatalf("%q: %v", line, err)
				}
				seqs = append(seqs, l.Seq)
			}
			if len(seqs) != len(tt.seqs) || (len(seqs) > 0 && seqs[0] != tt.seqs[0]) {
				t.Errorf("got %v, want %v", seqs, tt.seqs)
			}
		})
	}
	t.Run("sealed shows as sealed", func(t *testing.T) {
		w := httptest.NewRecorder()
		operator.Routes(operator.Config{Log: log, To: quiet}).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/log?type=image.uploaded.v1", nil))
		if !strings.Contains(w.Body.String(), `"name":"[sealed]"`) {
			t.Errorf("got %s", w.Body)
		}
	})
}

// A reader must be able to tell a record that ends from one that broke off.
func TestBrokenLogBreaksTheConnection(t *testing.T) {
	broken := func(context.Context, int64, bool, func(event.Envelope) error) error {
		return errors.New("broker lost data")
	}
	server := httptest.NewServer(operator.Routes(operator.Config{Log: broken, To: quiet}))
	defer server.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/log", nil)
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := server.Client().Do(req); err == nil {
		_ = answer.Body.Close()
		t.Errorf("a broken record was answered with %s", answer.Status)
	}
}
