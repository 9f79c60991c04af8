package ledger_test

import (
	"context"
	"slices"
	"testing"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/system"
)

// append appends, and returns the seq of the last fact.
func (w *world) append(a event.Append) int64 {
	w.t.Helper()
	done, err := w.ledger.Append(w.t.Context(), a)
	must(w.t, err)
	return done.Facts[len(done.Facts)-1].Seq
}

// destroyedKeys are those that DestroyedIn lists.
func (w *world) destroyedKeys(after, through int64) (keys []personal.KeyID) {
	w.t.Helper()
	found, err := w.ledger.DestroyedIn(w.t.Context(), after, through)
	must(w.t, err)
	for _, env := range found {
		if env.Seq <= after || env.Seq > through {
			w.t.Errorf("fact %d stands among those from %d to %d", env.Seq, after, through)
		}
		keys = append(keys, env.Fact.(system.KeyDestroyed).Key)
	}
	return keys
}

func TestWhatTheRecordKnowsOfKeys(t *testing.T) {
	w := newWorld(t)
	w.sequencer()
	var images [3]id.Image
	for i := range images {
		images[i] = newImage()
		w.append(w.upload(images[i]))
	}
	kept, gone, last := image.Key(images[0]), image.Key(images[1]), image.Key(images[2])
	first := w.append(deleted(images[1], 1))
	through := w.append(deleted(images[2], 1))

	facts, err := w.ledger.Destroyed(t.Context(), []personal.KeyID{kept, gone, "visit/" + personal.KeyID(images[1]), "image/unknown"})
	if err != nil || len(facts) != 1 || facts[0].Fact.(system.KeyDestroyed).Key != gone || facts[0].ID == "" {
		t.Errorf("destroyed are %+v, %v; want %s alone, and no other kind of that name", facts, err, gone)
	}
	for within, want := range map[[2]int64][]personal.KeyID{
		{0, through}: {gone, last}, {first - 1, through}: {gone, last}, {0, through - 1}: {gone}, {first, through}: {last}, {through, through}: nil,
	} {
		if keys := w.destroyedKeys(within[0], within[1]); !slices.Equal(keys, want) {
			t.Errorf("in %d: %v; want %v", within, keys, want)
		}
	}
	unheard, err := w.ledger.Unheard(t.Context(), []event.Stream{event.Stream(kept), "image/unknown", event.Stream(gone)})
	if err != nil || len(unheard) != 1 || unheard[0] != "image/unknown" {
		t.Errorf("unheard are %v, %v", unheard, err)
	}
}

// What waits to be published counts where it matters: the key of an upload that is queued is
// no left-over, and one that a queued fact ends is destroyed. It is not listed before it has a place.
func TestQueuedEndsOfKeys(t *testing.T) {
	w := newWorld(t)
	ctx, giveUp := context.WithCancel(t.Context())
	done := make(chan error)
	img := newImage()
	go func() {
		_, err := w.ledger.Append(ctx, w.upload(img))
		done <- err
	}()
	eventually(t, "the upload is queued", func() bool { return w.number("select count(*) from ledger.queue") == 1 })
	go func() {
		_, err := w.ledger.Append(ctx, deleted(img, 1))
		done <- err
	}()
	eventually(t, "the deletion is queued", func() bool { return w.number("select count(*) from ledger.queue") == 2 })
	if facts, err := w.ledger.Destroyed(t.Context(), []personal.KeyID{image.Key(img)}); err != nil || len(facts) != 1 {
		t.Errorf("destroyed are %+v, %v", facts, err)
	}
	if keys := w.destroyedKeys(0, 100); len(keys) != 0 {
		t.Errorf("listed %v", keys)
	}
	if unheard, err := w.ledger.Unheard(t.Context(), []event.Stream{image.Stream(img)}); err != nil || len(unheard) != 0 {
		t.Errorf("unheard are %v, %v", unheard, err)
	}
	giveUp()
	for range 2 {
		if err := <-done; err == nil {
			t.Error("an append that was given up was answered")
		}
	}
}
