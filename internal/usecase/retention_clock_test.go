package usecase_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/usecase"
)

func TestClockWatch(t *testing.T) {
	type look struct {
		clock, elapsed time.Duration // the clock since noon
		recorded       time.Duration
		jumped         bool
	}
	tests := map[string][]look{
		"on and on":                      {{0, 0, 0, false}, {time.Minute, time.Minute, 0, false}, {time.Hour, time.Hour, 0, false}},
		"off for a weekend":              {{60 * time.Hour, 0, 0, false}},
		"forward":                        {{0, 0, 0, false}, {7 * time.Minute, time.Minute, 0, true}, {8 * time.Minute, 2 * time.Minute, 0, false}},
		"forward by five minutes":        {{0, 0, 0, false}, {6 * time.Minute, time.Minute, 0, false}},
		"set back: it stands still":      {{time.Hour, 0, 0, false}, {time.Hour, time.Minute, 0, false}},
		"behind the record":              {{0, 0, 6 * time.Minute, true}, {time.Minute, time.Minute, 6 * time.Minute, false}},
		"nearly where the record is":     {{0, 0, 5 * time.Minute, false}},
		"a long pause, as of a debugger": {{0, 0, 0, false}, {time.Hour, time.Hour, 0, false}},
	}
	for name, looks := range tests {
		t.Run(name, func(t *testing.T) {
			var c usecase.ClockWatch
			for i, l := range looks {
				jump, jumped := c.Look(noon.Add(l.clock), l.elapsed, noon.Add(l.recorded))
				if jumped != l.jumped || jumped && !jump.To.Equal(noon.Add(l.clock)) {
					t.Errorf("look %d: %+v, %v", i, jump, jumped)
				}
			}
		})
	}
}

// A clock that goes as time does never jumps, however long the looks are apart.
func TestClockThatGoesRight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c usecase.ClockWatch
		var passed time.Duration
		for _, s := range rapid.SliceOf(rapid.Int64Range(0, 1_000_000)).Draw(t, "seconds") {
			passed += time.Duration(s) * time.Second
			if jump, jumped := c.Look(noon.Add(passed), passed, noon); jumped {
				t.Fatalf("jumped: %+v", jump)
			}
		}
	})
}

func TestTheSameJump(t *testing.T) {
	jump := usecase.Jump{From: noon, To: noon.Add(time.Hour)}
	for later, same := range map[time.Duration]bool{0: true, 5 * time.Minute: true, -5 * time.Minute: true, 5*time.Minute + 1: false, -time.Hour: false} {
		if jump.Like(usecase.Jump{From: noon.Add(time.Second), To: jump.To.Add(later)}) != same {
			t.Errorf("the same to a time %v later: want %v", later, same)
		}
	}
}

// jumps replays what a record knows of the time.
type jumps struct{ record *fake.Record }

func (j jumps) Times(context.Context) (latest time.Time, unconfirmed usecase.Jump, pending bool, err error) {
	for _, env := range j.record.All() {
		latest = env.At
		switch e := env.Fact.(type) {
		case system.ClockJumpNoticed:
			unconfirmed, pending = usecase.Jump{From: e.From, To: e.To}, true
		case system.ClockJumpConfirmed:
			unconfirmed, pending = usecase.Jump{}, false
		}
	}
	return latest, unconfirmed, pending, nil
}

func TestConfirmClock(t *testing.T) {
	record := fake.NewRecord(nil)
	confirm := usecase.ConfirmClock{Record: record, Times: jumps{record}, Now: func() time.Time { return noon }}
	if _, err := confirm.Do(t.Context()); !errors.Is(err, usecase.ErrNoJump) {
		t.Errorf("without a jump: %v", err)
	}
	jump := usecase.Jump{From: noon, To: noon.Add(time.Hour)}
	if err := usecase.NoteJump(t.Context(), record, noon, jump); err != nil {
		t.Fatal(err)
	}
	if got, err := confirm.Do(t.Context()); err != nil || got != jump {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := confirm.Do(t.Context()); !errors.Is(err, usecase.ErrNoJump) {
		t.Errorf("a second time: %v", err)
	}
	var facts []event.Fact
	for _, env := range record.All() {
		facts = append(facts, env.Fact)
	}
	if want := []event.Fact{system.ClockJumpNoticed{From: jump.From, To: jump.To}, system.ClockJumpConfirmed{From: jump.From, To: jump.To}}; !slices.Equal(facts, want) {
		t.Errorf("recorded %+v", facts)
	}
}
