package usecase_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/bgremover/bgremover/internal/usecase"
)

func TestCallIsCoarse(t *testing.T) {
	at := time.Date(2026, 3, 2, 12, 0, 59, 999, time.FixedZone("", 3600))
	for _, tt := range []struct {
		status int
		took   time.Duration
		bytes  int64
		want   usecase.Call
	}{
		{status: 200, took: 0, bytes: 0, want: usecase.Call{Status: 2, Duration: 10, Bytes: 1 << 10}},
		{status: 303, took: 10*time.Millisecond + 1, bytes: 1<<10 + 1, want: usecase.Call{Status: 3, Duration: 30, Bytes: 32 << 10}},
		{status: 499, took: 30 * time.Second, bytes: 25 << 20, want: usecase.Call{Status: 4, Duration: 30_000, Bytes: 25 << 20}},
		{status: 503, took: time.Hour, bytes: 1 << 40, want: usecase.Call{Status: 5}},
	} {
		tt.want.At, tt.want.Method, tt.want.Route = time.Date(2026, 3, 2, 11, 0, 59, 0, time.UTC), "GET", "/"
		if got := usecase.NewCall(at, "GET", "/", tt.status, tt.took, tt.bytes); got != tt.want {
			t.Errorf("got %+v, want %+v", got, tt.want)
		}
	}
}

// calls is a store in memory that fails when told to.
type calls struct {
	all   []usecase.Call
	fails error
}

func (c *calls) Add(_ context.Context, more []usecase.Call) error {
	if c.fails == nil {
		c.all = append(c.all, more...)
	}
	return c.fails
}

func TestCallsWaitForTheirStore(t *testing.T) {
	away := errors.New("away")
	store := &calls{fails: away}
	log := usecase.CallLog{Store: store}
	var want []usecase.Call
	for i := range 20_010 {
		c := usecase.Call{Status: i}
		log.Note(c)
		want = append(want, c)
	}
	if err := log.Flush(t.Context()); !errors.Is(err, away) {
		t.Error(err)
	}
	if store.fails = nil; log.Dropped() != 10 {
		t.Errorf("%d were dropped", log.Dropped())
	}
	for range 2 {
		if err := log.Flush(t.Context()); err != nil || !slices.Equal(store.all, want[:20_000]) {
			t.Errorf("%d are stored, %v", len(store.all), err)
		}
	}
}
