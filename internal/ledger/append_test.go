package ledger_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/embedded/embeddedtest"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/usecase"
)

var _ usecase.Record = (*ledger.Ledger)(nil)

// A picture's whole life: what is answered, what is loaded and what stands in Kafka are the same.
// lastSeq is the highest number that these facts have.
func lastSeq(a event.Appended) int64 { return a.Facts[len(a.Facts)-1].Seq }

func TestLifeOfAPicture(t *testing.T) {
	w := newWorld(t)
	w.sequencer()
	img := newImage()

	up, err := w.ledger.Append(t.Context(), w.upload(img))
	must(t, err)
	work := processed(img, 1)
	work.Cause = up.Facts[0].ID
	made, err := w.ledger.Append(t.Context(), work)
	must(t, err)
	history, err := w.ledger.Load(t.Context(), image.Stream(img))
	must(t, err)
	if answered := append(up.Facts, made.Facts...); !reflect.DeepEqual(answered, history) {
		t.Errorf("answered %+v\nloaded   %+v", answered, history)
	}
	fact := history[0].Fact.(image.Uploaded)
	if name, ok := fact.FileName.Reveal(); !ok || name != "holiday.jpg" || !fact.Owner.IsEmpty() {
		t.Errorf("opened as %q, %v; owner %s", name, ok, fact.Owner)
	}

	gone, err := w.ledger.Append(t.Context(), deleted(img, 2))
	must(t, err)
	if lastSeq(gone) != 4 || gone.Facts[0].Seq != 3 {
		t.Errorf("the end is at %d and %d", gone.Facts[0].Seq, lastSeq(gone))
	}
	history, err = w.ledger.Load(t.Context(), image.Stream(img))
	must(t, err)
	fact = history[0].Fact.(image.Uploaded)
	if !fact.FileName.IsErased() || !fact.Owner.IsErased() || !history[0].Actor.Who.IsErased() {
		t.Errorf("after the key's end: %s %s %s", fact.FileName, fact.Owner, history[0].Actor.Who)
	}

	all := w.record(4)
	if fact := all[0].Fact.(image.Uploaded); !fact.FileName.IsSealed() || !fact.Owner.IsSealed() || !all[0].Actor.Who.IsSealed() {
		t.Errorf("without keys: %s %s %s", fact.FileName, fact.Owner, all[0].Actor.Who)
	}
	if all[1].Cause.Fact != all[0].ID || all[3].Fact.(system.KeyDestroyed).Key != image.Key(img) {
		t.Errorf("%+v", all)
	}
}

// Many callers on few streams: every stream's facts are in order in the record, nothing is
// in it twice, and everything that was acknowledged is.
func TestManyAppendersOnFewStreams(t *testing.T) {
	w := newWorld(t)
	w.sequencer()
	const callers, streams, each = 64, 5, 3
	imgs := make([]id.Image, streams)
	for i := range imgs {
		imgs[i] = newImage()
		_, err := w.ledger.Append(t.Context(), w.upload(imgs[i]))
		must(t, err)
	}
	var mu sync.Mutex
	acknowledged := map[id.Fact]int64{}
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			img := imgs[c%streams]
			for done := 0; done < each; {
				history, err := w.ledger.Load(t.Context(), image.Stream(img))
				if err != nil {
					t.Error(err)
					return
				}
				made, err := w.ledger.Append(t.Context(), processed(img, int64(len(history))))
				if errors.Is(err, event.ErrConflict) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				acknowledged[made.Facts[0].ID] = made.Facts[0].Seq
				mu.Unlock()
				done++
			}
		})
	}
	wg.Wait()

	all := w.record(streams + callers*each)
	versions, seen := map[event.Stream]int64{}, map[id.Fact]bool{}
	for i, env := range all {
		if env.Seq != int64(i+1) || env.Version != versions[env.Stream]+1 || seen[env.ID] {
			t.Fatalf("fact %d: %+v after version %d", i, env, versions[env.Stream])
		}
		versions[env.Stream], seen[env.ID] = env.Version, true
		if seq, ok := acknowledged[env.ID]; ok && seq != env.Seq {
			t.Fatalf("fact %d was acknowledged as %d", env.Seq, seq)
		}
		delete(acknowledged, env.ID)
	}
	if len(acknowledged) != 0 {
		t.Errorf("%d acknowledged facts are not in the record", len(acknowledged))
	}
}

func TestRepeatedRequest(t *testing.T) {
	w := newWorld(t)
	w.sequencer()
	ask := func() event.Append {
		a := w.upload(newImage()) // a repetition does not know the first one's picture
		a.Request = "r1"
		return a
	}
	first, err := w.ledger.Append(t.Context(), ask())
	must(t, err)
	again, err := w.ledger.Append(t.Context(), ask())
	must(t, err)
	if !again.Repeated || first.Repeated || !reflect.DeepEqual(again.Facts, first.Facts) {
		t.Errorf("first %+v\nagain %+v", first, again)
	}
	if first.Facts[0].Cause.Request != "r1" {
		t.Errorf("cause %+v", first.Facts[0].Cause)
	}

	t.Run("at the same time", func(t *testing.T) {
		var wg sync.WaitGroup
		answers := make([]event.Appended, 16)
		for i := range answers {
			a := w.upload(newImage())
			a.Request = "r2"
			wg.Go(func() {
				var err error
				if answers[i], err = w.ledger.Append(t.Context(), a); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		fresh := 0
		for _, a := range answers {
			if !a.Repeated {
				fresh++
			}
			if !reflect.DeepEqual(a.Facts, answers[0].Facts) {
				t.Errorf("other facts: %+v", a)
			}
		}
		if fresh != 1 {
			t.Errorf("carried out %d times", fresh)
		}
	})
	w.record(2)

	t.Run("a day later", func(t *testing.T) {
		at, n, err := w.ledger.OldestRequest(t.Context())
		if err != nil || n != 2 || !at.Equal(noon) {
			t.Errorf("the oldest of %d requests is of %v: %v", n, at, err)
		}
		err = pgx.BeginFunc(t.Context(), w.pool, func(tx pgx.Tx) (err error) {
			n, err = w.ledger.PurgeRequests(t.Context(), tx, noon)
			return err
		})
		if err != nil || n != 2 {
			t.Fatalf("purged %d, %v", n, err)
		}
		fresh, err := w.ledger.Append(t.Context(), ask())
		if err != nil || fresh.Repeated {
			t.Errorf("%+v, %v", fresh, err)
		}
	})
}

func TestRefusals(t *testing.T) {
	w := newWorld(t)
	w.sequencer()
	img, gone := newImage(), newImage()
	for _, a := range []event.Append{w.upload(img), w.upload(gone), deleted(gone, 1)} {
		_, err := w.ledger.Append(t.Context(), a)
		must(t, err)
	}
	huge := processed(img, 1)
	huge.Parts[0].Facts[0].Fact = image.Processed{Model: strings.Repeat("m", ledger.MaxFact)}
	many := processed(img, 1)
	for range 600 {
		many.Parts[0].Facts = append(many.Parts[0].Facts, many.Parts[0].Facts[0])
	}
	second := w.upload(newImage())
	second.Parts = append(second.Parts, processed(img, 7).Parts[0])
	sealed := processed(gone, 2)
	sealed.Actor.Who = personal.Of("somebody")
	vaultFact := deleted(img, 1)
	vaultFact.Destroy = nil

	tests := map[string]struct {
		when event.Append
		then error
	}{
		"new stream that is there":     {when: w.upload(img), then: event.ErrConflict},
		"old version":                  {when: processed(img, 0), then: event.ErrConflict},
		"version that is not there":    {when: processed(img, 2), then: event.ErrConflict},
		"stream that is not there":     {when: processed(newImage(), 1), then: event.ErrConflict},
		"one of two streams":           {when: second, then: event.ErrConflict},
		"too large":                    {when: huge, then: event.ErrTooLarge},
		"too many":                     {when: many, then: event.ErrTooLarge},
		"sealed under a destroyed key": {when: sealed, then: event.ErrConflict},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := w.ledger.Append(t.Context(), tt.when); !errors.Is(err, tt.then) {
				t.Errorf("got %v, want %v", err, tt.then)
			}
		})
	}
	t.Run("key ended without the fact", func(t *testing.T) {
		if _, err := w.ledger.Append(t.Context(), vaultFact); err == nil {
			t.Error("accepted")
		}
	})
	w.record(4)
	if n := w.number("select count(*) from ledger.streams"); n != 3 {
		t.Errorf("refused appends left %d streams", n)
	}
	if n := w.number("select count(*) from testvault"); n != 2 {
		t.Errorf("refused appends left %d keys", n)
	}
}

func TestAwait(t *testing.T) {
	w := newWorld(t)
	w.sequencer()
	img := newImage()
	_, err := w.ledger.Append(t.Context(), w.upload(img))
	must(t, err)
	must(t, w.ledger.Await(t.Context(), image.Stream(img), 0)) // it is there already

	woken := make(chan error, 1)
	go func() { woken <- w.ledger.Await(t.Context(), image.Stream(img), 1) }()
	_, err = w.ledger.Append(t.Context(), processed(img, 1))
	must(t, err)
	must(t, <-woken)

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := w.ledger.Await(ctx, image.Stream(img), 2); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if n, err := w.ledger.Published(t.Context()); n != 2 || err != nil {
		t.Errorf("published %d, %v", n, err)
	}
}

// A process without a sequencer learns from Postgres what another one published.
func TestAnotherProcessPublishes(t *testing.T) {
	w := newWorld(t)
	other := ledger.New(w.pool, w.vault, ledger.Options{NewID: newID, Log: w.log})
	w.run(other.Run)
	w.sequencerOf(other)
	img := newImage()
	start := time.Now()
	for i := range int64(20) {
		a := processed(img, i)
		if i == 0 {
			a = w.upload(img)
		}
		_, err := w.ledger.Append(t.Context(), a)
		must(t, err)
	}
	t.Logf("an append takes %v", time.Since(start)/20)
	must(t, w.ledger.Await(t.Context(), image.Stream(img), 19))
	w.record(20)
}

func TestMigrateFromSeveralProcesses(t *testing.T) {
	pool := openPool(t, embeddedtest.NewDatabase(t))
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if err := ledger.Migrate(t.Context(), pool); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
