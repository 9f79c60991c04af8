package usecase

import (
	"context"
	"fmt"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/domain/system"
)

// JumpFrom is from which size on a jump of the clock has to be confirmed.
const JumpFrom = 5 * time.Minute

// ClockWatch compares the clock with the time that really passed. The zero value is ready.
type ClockWatch struct {
	looked  bool
	clock   time.Time
	elapsed time.Duration
}

// Jump is a clock that says To where From was expected.
type Jump struct{ From, To time.Time }

// Like says that another jump leads to about the same time: then it is one that several processes have seen.
func (j Jump) Like(other Jump) bool { return j.To.Sub(other.To).Abs() <= JumpFrom }

// Look looks at the clock. elapsed is what has passed since some fixed moment by a measure that no
// one sets, and recorded the latest time in the record. A clock jumped when it has gone further than
// the time that passed since the last look, or when it is behind the record at the first. A service that
// was off for some days finds no jump.
func (c *ClockWatch) Look(clock time.Time, elapsed time.Duration, recorded time.Time) (jump Jump, jumped bool) {
	first := !c.looked
	expected := c.clock.Add(elapsed - c.elapsed)
	c.looked, c.clock, c.elapsed = true, clock, elapsed
	switch {
	case first && recorded.Sub(clock) > JumpFrom:
		return Jump{From: recorded, To: clock}, true
	case !first && clock.Sub(expected) > JumpFrom:
		return Jump{From: expected, To: clock}, true
	}
	return Jump{}, false
}

// Times is what the record knows of the time.
type Times interface {
	// Times returns the latest time in the record, zero if it is empty, and the jump that nobody has
	// confirmed yet, if there is one.
	Times(ctx context.Context) (latest time.Time, unconfirmed Jump, pending bool, err error)
}

// ErrNoJump says that there is nothing to confirm.
var ErrNoJump = refusal.New(refusal.Conflict, "retention.no_jump",
	"The clock has not jumped, so there is nothing to confirm.", "bgremover retention shows what waits, and for what.")

// NoteJump records that the clock has jumped.
func NoteJump(ctx context.Context, r Record, now time.Time, j Jump) error {
	err := appendFact(ctx, r, system.ClockStream(), now, event.Clock, event.Pending{Fact: system.ClockJumpNoticed{From: j.From, To: j.To}})
	if err != nil {
		return fmt.Errorf("record the jump of the clock: %w", err)
	}
	return nil
}

// ConfirmClock records that an operator has looked at a clock that jumped, and that it is right.
type ConfirmClock struct {
	Record Record
	Times  Times
	Now    Now
}

// Do records it, and returns which jump was confirmed.
func (c ConfirmClock) Do(ctx context.Context) (Jump, error) {
	_, jump, pending, err := c.Times.Times(ctx)
	if err != nil {
		return Jump{}, fmt.Errorf("ask whether the clock has jumped: %w", err)
	}
	if !pending {
		return Jump{}, ErrNoJump
	}
	err = appendFact(ctx, c.Record, system.ClockStream(), c.Now(), event.Operator,
		event.Pending{Fact: system.ClockJumpConfirmed{From: jump.From, To: jump.To}})
	if err != nil {
		return Jump{}, fmt.Errorf("record that the clock is right: %w", err)
	}
	return jump, nil
}
