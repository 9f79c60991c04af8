package operator_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/web/moment"
	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/system"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// life is a picture's, a fact a minute from noon on, as the third to the sixth fact of the record.
var life = []event.Envelope{
	fact(3, image.Uploaded{Due: noon.Add(24 * time.Hour), Owner: personal.Erased, FileName: personal.Erased}),
	fact(4, image.Processed{Model: "u2net"}),
	fact(5, image.Downloaded{}),
	fact(6, image.Deleted{Why: image.BecauseRequested, Due: noon.Add(24 * time.Hour), Actual: noon.Add(6 * time.Minute)}),
}

func fact(seq int64, f event.Fact) event.Envelope {
	return event.Envelope{Seq: seq, Stream: image.Stream(img), Version: seq - 2, At: noon.Add(time.Duration(seq) * time.Minute), Fact: f}
}

func story(_ context.Context, s event.Stream) (operator.History, error) {
	switch s {
	case image.Stream(img):
		gone := fact(7, system.KeyDestroyed{})
		return operator.History{Facts: life, Erased: &gone}, nil
	case "model/u2net":
		return operator.History{Facts: []event.Envelope{{Seq: 1, Stream: s, Version: 1, At: noon, Fact: event.Unknown{Name: "model.loaded.v1", Body: []byte(`{}`)}}}}, nil
	case "broken":
		return operator.History{}, errors.New("the view is stopped, at 10.1.2.3")
	}
	return operator.History{}, nil
}

var place = moment.Record{
	Published: func(context.Context) (int64, error) { return 7, nil },
	LastBy: func(_ context.Context, t time.Time) (int64, error) {
		return max(0, min(7, int64(t.Sub(noon)/time.Minute))), nil
	},
	Now: func() time.Time { return noon.Add(time.Hour) },
}.Place

func ask(t *testing.T, target string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	routes := operator.Routes(operator.Config{Log: everything, Place: place, Stream: story, To: quiet})
	routes.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil))
	return w
}

func everything(_ context.Context, from int64, _ bool, each func(event.Envelope) error) error {
	for _, env := range life {
		if env.Seq < from {
			continue
		}
		if err := each(env); err != nil {
			return err
		}
	}
	return nil
}

func TestStreamAsItWasKnown(t *testing.T) {
	tests := map[string]struct {
		query string
		asOf  int64
		facts int
		state operator.ImageState
	}{
		"now":         {"", 7, 4, operator.ImageState{Status: image.Gone, BrokenOff: true, DeletedAt: noon.Add(6 * time.Minute), DeletedWhy: image.BecauseRequested}},
		"by a number": {"&as_of=4", 4, 2, operator.ImageState{Status: image.Ready}},
		"by a time":   {"&as_of=2026-03-02+12:05", 5, 3, operator.ImageState{Status: image.Ready, BrokenOff: true}},
		"at first":    {"&as_of=3", 3, 1, operator.ImageState{Status: image.Waiting}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			answer := ask(t, "/stream?subject=image/"+img+tt.query)
			var got operator.Stream
			if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil || answer.Code != 200 {
				t.Fatalf("%d %s", answer.Code, answer.Body)
			}
			tt.state.UploadedAt, tt.state.Due = noon.Add(3*time.Minute), noon.Add(24*time.Hour)
			if got.AsOf != tt.asOf || len(got.Facts) != tt.facts || got.State == nil || *got.State != tt.state {
				t.Errorf("got %+v, %+v", got, got.State)
			}
			if !strings.Contains(string(got.Facts[0].Data), `"name":"[erased]"`) || got.Erased == nil || got.Erased.Seq != 7 {
				t.Errorf("what is erased shows as %s, %+v", got.Facts[0].Data, got.Erased)
			}
		})
	}
	t.Run("what is no picture has no state", func(t *testing.T) {
		if answer := ask(t, "/stream?subject=model/u2net"); answer.Code != 200 || strings.Contains(answer.Body.String(), "state") {
			t.Errorf("%d %s", answer.Code, answer.Body)
		}
	})
}

func TestStreamsThatCannotBeShown(t *testing.T) {
	tests := map[string]struct {
		query string
		code  int
		says  string
	}{
		"unknown":     {"subject=image/x", 404, "The record says nothing about it."},
		"none":        {"", 404, "The record says nothing about it."},
		"not then":    {"subject=image/" + img + "&as_of=2", 404, "its first fact is number 3, of 2026-03-02 12:03:00 UTC"},
		"not yet":     {"subject=image/" + img + "&as_of=8", 400, "The record has 7 facts"},
		"in the past": {"subject=image/" + img + "&as_of=2026-03-01", 404, "its first fact is number 3"},
		"to come":     {"subject=image/" + img + "&as_of=2026-03-03", 400, "still to come"},
		"no moment":   {"subject=image/" + img + "&as_of=soon", 400, "neither a fact's number nor a time"},
		"our own":     {"subject=broken", 500, "its log says what"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			answer := ask(t, "/stream?"+tt.query)
			if answer.Code != tt.code || !strings.Contains(answer.Body.String(), tt.says) || strings.Contains(answer.Body.String(), "10.1.2.3") {
				t.Errorf("%d %s", answer.Code, answer.Body)
			}
		})
	}
}

func TestLogAsItWasKnown(t *testing.T) {
	tests := map[string]struct {
		query string
		code  int
		facts int
	}{
		"all":          {"", 200, 4},
		"by a number":  {"?as_of=4", 200, 2},
		"by a time":    {"?as_of=2026-03-02T12:05:30Z", 200, 3},
		"and filtered": {"?as_of=5&from=4&type=image.processed.v1", 200, 1},
		"before all":   {"?as_of=2026-03-02+11:00", 200, 0},
		"not yet":      {"?as_of=8", 400, 0},
		"no moment":    {"?as_of=soon", 400, 0},
		"and on":       {"?as_of=4&follow=true", 400, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			answer := ask(t, "/log"+tt.query)
			if lines := strings.Count(answer.Body.String(), `"subject"`); answer.Code != tt.code || lines != tt.facts {
				t.Errorf("%d %s", answer.Code, answer.Body)
			}
		})
	}
}
