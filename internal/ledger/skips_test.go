package ledger_test

import (
	"slices"
	"testing"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/system"
)

// What is skipped is what was said last, view by view; nothing else counts.
func TestSkips(t *testing.T) {
	w := newWorld(t)
	w.sequencer()
	version := map[event.Stream]int64{}
	say := func(view string, seq int64, fact event.Fact) {
		t.Helper()
		stream := system.ProjectionStream(view, seq)
		a := event.Append{
			At: noon, Actor: event.Actor{Role: event.Operator},
			Parts: []event.Part{{Stream: stream, Expected: version[stream], Facts: []event.Pending{{Fact: fact}}}},
		}
		if _, sealed := fact.(system.ProjectionCertified); !sealed && version[stream] == 0 {
			a.Make = []personal.Key{newKey(system.ProjectionKey(view, seq))}
		}
		version[stream]++
		_, err := w.ledger.Append(t.Context(), a)
		must(t, err)
	}
	skip := func(view string, seq int64) {
		t.Helper()
		say(view, seq, system.ProjectionSkipped{View: view, Seq: seq, Reason: personal.Of("broken")})
	}
	must(t, func() error { _, err := w.ledger.Append(t.Context(), w.upload(newImage())); return err }())
	skip("images", 9)
	skip("images", 7)
	skip("trail", 8)
	say("images", 0, system.ProjectionCertified{View: "images", Seq: 3, Digest: "00"})
	skip("images", 5)
	say("images", 7, system.ProjectionSkipWithdrawn{View: "images", Seq: 7, Reason: personal.Of("mended")})
	for view, want := range map[string][]int64{"images": {5, 9}, "trail": {8}, "analytics": {}} {
		got, err := w.ledger.Skips(t.Context(), view)
		must(t, err)
		if !slices.Equal(got, want) {
			t.Errorf("%s skips %v, want %v", view, got, want)
		}
	}
}

// What was appended before the question is published when there is an answer.
func TestSettled(t *testing.T) {
	w := newWorld(t)
	w.sequencer()
	done := make(chan error, 1)
	go func() {
		for range 20 {
			if _, err := w.ledger.Append(t.Context(), w.upload(newImage())); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for last := int64(0); last < 20; {
		var stored int64
		must(t, w.pool.QueryRow(t.Context(), `select count(*) from ledger.facts`).Scan(&stored))
		seq, err := w.ledger.Settled(t.Context())
		must(t, err)
		published, err := w.ledger.Published(t.Context())
		must(t, err)
		if seq < stored || seq < last || seq > published {
			t.Fatalf("settled %d after %d; %d were stored before, %d are published", seq, last, stored, published)
		}
		last = seq
	}
	must(t, <-done)
}
