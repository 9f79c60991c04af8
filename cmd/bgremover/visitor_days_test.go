package main

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/visit"
	"github.com/bgremover/bgremover/internal/projector"
	"github.com/bgremover/bgremover/internal/projector/projectortest"
	"github.com/bgremover/bgremover/projections/trail"
)

// Visits are found by their days, opened some at a time, and given in the order of the record.
func TestVisitorDays(t *testing.T) {
	t.Parallel()
	db := projectortest.Open(t, projector.View{Name: trail.Name, Schema: trail.Schema, Apply: trail.Apply})
	first := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	streams, b := map[event.Stream]visit.Began{}, &pgx.Batch{}
	var days []string
	var facts []event.Envelope
	for i := range 3 * 480 { // one every three minutes of three days
		at := first.Add(time.Duration(i) * 3 * time.Minute)
		stream := visit.Stream(id.Visit(newID()))
		streams[stream] = visit.Began{Day: at.Format(time.DateOnly), Agent: personal.Of(strconv.Itoa(i))}
		days = append(days, at.Format(time.DateOnly)+" "+strconv.Itoa(i))
		facts = append(facts, event.Envelope{ID: id.Fact(newID()), Seq: int64(i) + 1, Stream: stream, Version: 1, At: at, Fact: streams[stream]})
	}
	trail.Apply(b, facts)
	if err := db.SendBatch(t.Context(), b).Close(); err != nil {
		t.Fatal(err)
	}
	away := errors.New("away")
	var broken event.Stream
	v := visitorDays{
		db: db, caughtUp: func(context.Context) error { return nil },
		oldest: func(context.Context) (time.Time, error) { return first.AddDate(0, 0, -90), nil },
		load: func(_ context.Context, s event.Stream) ([]event.Envelope, error) {
			if s == broken {
				return nil, away
			}
			return []event.Envelope{{Fact: event.Unknown{Name: "visit.seen.v1"}}, {Fact: streams[s]}}, nil
		},
	}
	for name, tt := range map[string]struct {
		first, last string
		then        []string
	}{
		"one day":          {"2026-03-02", "2026-03-02", days[480:960]},
		"two days":         {"2026-03-02", "2026-03-03", days[480:]},
		"from the oldest":  {"", "2026-03-01", days[:480]},
		"everything":       {"", "2026-03-09", days},
		"before there was": {"2026-02-01", "2026-02-28", nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			err := v.Began(t.Context(), tt.first, tt.last, func(b visit.Began) error {
				text, _ := b.Agent.Reveal()
				got = append(got, b.Day+" "+text)
				return nil
			})
			if err != nil || !slices.Equal(got, tt.then) {
				t.Errorf("got %d, %v; want %d", len(got), err, len(tt.then))
			}
			if n, err := v.Count(t.Context(), tt.first, tt.last); err != nil || n != int64(len(tt.then)) {
				t.Errorf("counted %d, %v; want %d", n, err, len(tt.then))
			}
		})
	}
	t.Run("one cannot be opened", func(t *testing.T) {
		broken = facts[700].Stream
		n := 0
		err := v.Began(t.Context(), "2026-03-01", "2026-03-03", func(visit.Began) error { n++; return nil })
		if !errors.Is(err, away) || n > 500 {
			t.Errorf("%d were given, then %v", n, err)
		}
	})
	t.Run("no day", func(t *testing.T) {
		for _, days := range [][2]string{{"yesterday", "2026-03-01"}, {"2026-03-01", ""}} {
			if _, err := v.Count(t.Context(), days[0], days[1]); err == nil {
				t.Errorf("%v counts", days)
			}
		}
	})
}
