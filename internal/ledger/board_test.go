package ledger

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/bgremover/bgremover/domain/event"
)

func uuidOf(n byte) pgtype.UUID { return pgtype.UUID{Bytes: [16]byte{n}, Valid: true} }

func fact(seq, pos int64, id byte) announcement {
	return announcement{seq: seq, pos: pos, id: uuidOf(id), stream: "test/1", version: seq}
}

// wait starts waiting and returns how it ended.
func wait[T any](what func() (T, error)) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := what()
		done <- err
	}()
	synctest.Wait()
	return done
}

func (b *board) empty() bool { return len(b.appends)+len(b.streams) == 0 }

func TestBoardWakesWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		id := uuidOf(1)
		var at placed
		waits := map[string]<-chan error{
			"append":  wait(func() (_ int, err error) { at, err = b.awaitAppend(t.Context(), 7, &id); return }),
			"another": wait(func() (placed, error) { return b.awaitAppend(t.Context(), 7, nil) }),
			"stream":  wait(func() (int, error) { return 0, b.awaitStream(t.Context(), "test/1", 2) }),
		}
		later := wait(func() (int, error) { return 0, b.awaitStream(t.Context(), "test/1", 3) })
		b.announce(2, []announcement{fact(1, 5, 8), fact(2, 6, 9)})
		synctest.Wait()
		if b.empty() {
			t.Fatal("they were woken too early")
		}
		b.announce(3, []announcement{fact(3, 7, 1)})
		for name, done := range waits {
			if err := <-done; err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if at.first != 3 {
			t.Errorf("the append is at %d", at.first)
		}
		b.announce(4, []announcement{fact(4, 8, 2)})
		if err := <-later; err != nil || !b.empty() {
			t.Errorf("later: %v; empty: %v", err, b.empty())
		}
	})
}

// Whoever asks after the announcement is answered from what is remembered; but a position
// that a restored Postgres gave a second time is not mistaken for the first.
func TestBoardRemembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		b.announce(3, []announcement{fact(3, 7, 1)})
		first, second := uuidOf(1), uuidOf(2)
		if p, err := b.awaitAppend(t.Context(), 7, &first); p.first != 3 || err != nil {
			t.Errorf("%+v, %v", p, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if p, err := b.awaitAppend(ctx, 7, &second); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%+v, %v", p, err)
		}
		for n := range len(b.recent.ring) {
			b.recent.add(pgtype.UUID{Bytes: [16]byte{9, byte(n >> 8), byte(n)}, Valid: true}, 9)
		}
		if len(b.recent.first) != len(b.recent.ring) {
			t.Errorf("remembers %d", len(b.recent.first))
		}
	})
}

// A restored Postgres gives a position again: whoever waits for the append that had it
// before gets no number of another one.
func TestBoardTellsWhoseNumberItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, happens := range map[string]func(*board){
			"announced": func(b *board) { b.announce(3, []announcement{fact(3, 7, 2)}) },
			"asked": func(b *board) {
				b.answered(answer{through: 3, appends: map[int64]placed{7: {first: 3, id: uuidOf(2)}}}, true)
			},
		} {
			b := newBoard()
			forgotten, stored := uuidOf(1), uuidOf(2)
			var old, now, anybody placed
			waits := []<-chan error{
				wait(func() (_ int, err error) { old, err = b.awaitAppend(t.Context(), 7, &forgotten); return }),
				wait(func() (_ int, err error) { now, err = b.awaitAppend(t.Context(), 7, &stored); return }),
				wait(func() (_ int, err error) { anybody, err = b.awaitAppend(t.Context(), 7, nil); return }),
			}
			happens(b)
			for _, done := range waits {
				if err := <-done; err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			if !old.removed || old.first != 0 || now.removed || now.first != 3 || anybody.first != 3 {
				t.Errorf("%s: %+v, %+v, %+v", name, old, now, anybody)
			}
		}
	})
}

func TestBoardForgetsWhoGaveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("enough")
		waits := []<-chan error{
			wait(func() (placed, error) { return b.awaitAppend(ctx, 7, nil) }),
			wait(func() (placed, error) { return b.awaitAppend(ctx, 7, nil) }),
			wait(func() (int, error) { return 0, b.awaitStream(ctx, "test/1", 2) }),
		}
		cancel(why)
		for i, done := range waits {
			if err := <-done; !errors.Is(err, why) {
				t.Errorf("%d: %v", i, err)
			}
		}
		if !b.empty() {
			t.Error("something is left")
		}
	})
}

// A sweep asks about everything once, about what is new in between, and about nothing twice.
func TestBoardAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		ctx, cancel := context.WithCancel(t.Context())
		wait(func() (placed, error) { return b.awaitAppend(ctx, 7, nil) })
		wait(func() (placed, error) { return b.awaitAppend(ctx, 7, nil) })
		wait(func() (int, error) { return 0, b.awaitStream(ctx, "test/1", 5) })
		wait(func() (int, error) { return 0, b.awaitStream(ctx, "test/1", 2) })
		if q := b.question(false); len(q.positions) != 1 || len(q.streams) != 1 || q.after[0] != 2 {
			t.Errorf("at first: %+v", q)
		}
		removed := wait(func() (placed, error) { return b.awaitAppend(ctx, 8, nil) })
		if q := b.question(false); len(q.positions) != 1 || q.positions[0] != 8 || len(q.streams) != 0 {
			t.Errorf("what is new: %+v", q)
		}
		if q := b.question(true); len(q.positions) != 2 || len(q.streams) != 1 {
			t.Errorf("all: %+v", q)
		}
		b.answered(answer{
			through: 9, appends: map[int64]placed{8: {removed: true}}, streams: map[event.Stream]int64{"test/1": 3},
		}, true)
		if err := <-removed; err != nil {
			t.Error(err)
		}
		if len(b.streams["test/1"]) != 1 || len(b.appends) != 1 {
			t.Errorf("left: %v, %v", b.streams, b.appends)
		}
		if followed, anybody := b.position(); followed != 9 || !anybody {
			t.Errorf("followed %d, %v", followed, anybody)
		}
		cancel()
	})
}
