package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// Somebody is called a day after those whom a disclosure concerns should know of it, and daily until they do.
func TestUntold(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	now, log := start, &bytes.Buffer{}
	var since time.Time // zero: everybody knows
	var away error
	var measured time.Duration
	u := untold{
		count: func(_ context.Context, now time.Time) (int64, time.Time, error) {
			if since.IsZero() {
				return 0, now, away
			}
			return 1, since, away
		},
		measure: func(late time.Duration) { measured = late }, now: func() time.Time { return now }, log: slog.New(slog.NewTextHandler(log, nil)),
	}
	for _, step := range []struct {
		name     string
		does     func()
		measured time.Duration
		alarms   int
	}{
		{"nobody has to be told", func() {}, 0, 0},
		{"a ban ends", func() { since = now }, 0, 0},
		{"an hour before the day is over", func() { now = now.Add(23 * time.Hour) }, 23 * time.Hour, 0},
		{"a day later", func() { now = now.Add(time.Hour) }, 24 * time.Hour, 1},
		{"soon after the alarm", func() { now = now.Add(time.Hour) }, 25 * time.Hour, 1},
		{"a day after the alarm", func() { now = now.Add(23 * time.Hour) }, 48 * time.Hour, 2},
		{"they are told", func() { since, now = time.Time{}, now.Add(48*time.Hour) }, 0, 2},
	} {
		step.does()
		if err := u.look(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(log.String(), "ALARM"); got != step.alarms || measured != step.measured {
			t.Errorf("%s: %d alarms, %v; want %d, %v", step.name, got, measured, step.alarms, step.measured)
		}
	}
	away = errors.New("away")
	if err := u.look(t.Context()); !errors.Is(err, away) {
		t.Errorf("nothing was known: %v", err)
	}
}
