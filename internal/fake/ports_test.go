package fake

import (
	"fmt"
	"testing"
	"time"

	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/internal/usecase"
)

// The same life of a request as adapters/postgres tests of its own.
func TestRequests(t *testing.T) {
	begin := func(r *Requests) { _, _ = r.Begin(t.Context(), "r1", []byte("body"), time.Minute) }
	finish := func(r *Requests) { _ = r.Finish(t.Context(), "r1") }
	abandon := func(r *Requests) { _ = r.Abandon(t.Context(), "r1") }
	type steps []func(*Requests)
	tests := map[string]struct {
		given steps
		body  string // of the request that is then sent
		then  usecase.RequestState
	}{
		"new":                     {body: "body", then: usecase.RequestFresh},
		"running":                 {given: steps{begin}, body: "body", then: usecase.RequestRunning},
		"running, other body":     {given: steps{begin}, body: "other", then: usecase.RequestOther},
		"finished":                {given: steps{begin, finish}, body: "body", then: usecase.RequestFinished},
		"finished, other body":    {given: steps{begin, finish}, body: "other", then: usecase.RequestOther},
		"abandoned":               {given: steps{begin, abandon}, body: "body", then: usecase.RequestFresh},
		"abandoned, other body":   {given: steps{begin, abandon}, body: "other", then: usecase.RequestOther},
		"abandoned once finished": {given: steps{begin, finish, abandon}, body: "body", then: usecase.RequestFinished},
		"taken up again":          {given: steps{begin, abandon, begin}, body: "body", then: usecase.RequestRunning},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var r Requests
			for _, step := range tt.given {
				step(&r)
			}
			state, err := r.Begin(t.Context(), "r1", []byte(tt.body), time.Minute)
			if state != tt.then || err != nil {
				t.Errorf("got %v, %v; want %v", state, err, tt.then)
			}
		})
	}
}

func TestDeliveries(t *testing.T) {
	var d Deliveries
	stale := func(limit int, want ...id.Image) {
		t.Helper()
		got, err := d.Stale(t.Context(), time.Hour, limit)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("stale are %v, %v; want %v", got, err, want)
		}
	}
	stale(9)
	for _, img := range []id.Image{"a", "b", "a", "c"} {
		if err := d.Mark(t.Context(), img); err != nil {
			t.Fatal(err)
		}
	}
	stale(9, "a", "b", "c")
	stale(2, "a", "b")
	for range 2 { // nothing marked is no error
		if err := d.Clear(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
	}
	stale(9, "a", "c")
}
