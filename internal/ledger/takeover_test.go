package ledger_test

import (
	"context"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/bgremover/bgremover/adapters/kafka"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/merkle"
)

// appendMany appends n pictures from many callers, and goes on until all are acknowledged.
func (w *world) appendMany(l *ledger.Ledger, n int) (wait func()) {
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if _, err := l.Append(w.t.Context(), w.upload(newImage())); err != nil {
					w.t.Error(err)
					return
				}
			}
		})
	}
	return wg.Wait
}

// The sequencer's connection is killed over and over; its lock goes with it.
func TestSequencerLosesItsConnection(t *testing.T) {
	w := newWorld(t)
	s, _ := w.sequencer()
	wait := w.appendMany(w.ledger, 600)
	for kills := int64(1); kills <= 4; kills++ {
		eventually(t, "a term", func() bool { return s.Counters().Terms.Load() >= kills && s.Health().Term > 0 })
		w.exec("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())")
	}
	wait()
	w.record(600)
}

// Of two sequencers one works; when it stops, the other takes over.
func TestTwoSequencers(t *testing.T) {
	w := newWorld(t)
	other := ledger.New(w.pool, w.vault, ledger.Options{NewID: newID, Log: w.log})
	w.run(other.Run)
	first, stop := w.sequencer()
	eventually(t, "the first has the term", func() bool { return first.Health().Term > 0 })
	second, _ := w.sequencerOf(other)
	w.appendMany(w.ledger, 50)()
	if second.Counters().Terms.Load() != 0 {
		t.Error("both had a term")
	}
	stop()
	w.appendMany(w.ledger, 50)()
	// It counts them when the first one's ledger has heard of them already.
	eventually(t, "the second has published them", func() bool { return second.Counters().Facts.Load() == 50 })
	w.record(100)
}

// What is queued, and what is numbered and not published, survives that everything stops.
func TestRestart(t *testing.T) {
	w := newWorld(t)
	_, stop := w.sequencer()
	w.appendMany(w.ledger, 30)()
	stop()
	wait := w.appendMany(w.ledger, 30)
	eventually(t, "some are queued", func() bool { return w.number("select count(*) from ledger.queue") >= 16 })

	again := worldOver(t, w.pool.Config().ConnString(), w.cfg)
	s, _ := again.sequencer()
	again.appendMany(again.ledger, 10)()
	wait()
	if s.Counters().Adopted.Load() != 0 || s.Counters().Lost.Load() != 0 {
		t.Error("it found something amiss")
	}
	w.record(70)
}

// restore brings Postgres back to where it was before the last n facts: as a backup does
// that was taken then. The appends after it are unknown, or still queued.
func (w *world) restore(seq int64, queued bool) {
	w.t.Helper()
	w.exec("create table lost as select pos, idx from ledger.numbers where seq > $1", seq)
	w.exec("delete from ledger.numbers where seq > $1", seq)
	if queued {
		w.exec("insert into ledger.queue select pos, count(*), sum(octet_length(body)) from ledger.facts where pos in (select pos from lost) group by pos")
	} else {
		w.exec("delete from ledger.requests where pos in (select pos from lost)")
		w.exec("delete from ledger.facts where pos in (select pos from lost)")
		w.exec("delete from ledger.streams")
		w.exec("insert into ledger.streams select stream, max(version) from ledger.facts group by stream")
	}
	w.exec("drop table lost")
	root, err := merkle.RootOf(w.t.Context(), ledger.NewTree(w.pool), seq)
	must(w.t, err)
	w.exec("update ledger.head set seq = $1, root = $2", seq, root[:])
	w.exec(`update ledger.published set through = $1, "offset" = 0`, seq)
}

// Postgres restored from before Kafka's last facts catches up with Kafka.
func TestAdoption(t *testing.T) {
	for name, queued := range map[string]bool{"unknown": false, "still queued": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			_, stop := w.sequencer()
			var imgs []id.Image
			for range 5 {
				img := newImage()
				imgs = append(imgs, img)
				for _, a := range []event.Append{w.upload(img), processed(img, 1), deleted(img, 2)} {
					a.Request = id.Request(newID())
					_, err := w.ledger.Append(t.Context(), a)
					must(t, err)
				}
			}
			stop()
			const all = 5 * 4
			want := w.record(all)
			w.restore(6, queued)

			again := worldOver(t, w.pool.Config().ConnString(), w.cfg)
			s, _ := again.sequencer()
			more, err := again.ledger.Append(t.Context(), again.upload(newImage()))
			must(t, err)
			if lastSeq(more) != all+1 || s.Counters().Adopted.Load() != all-6 {
				t.Errorf("the next fact is %d, %d adopted", lastSeq(more), s.Counters().Adopted.Load())
			}
			if got := w.record(all + 1); !reflect.DeepEqual(got[:all], want) {
				t.Error("the record changed")
			}
			// Everything is there again: streams at their versions, requests with their answers.
			for _, img := range imgs {
				history, err := again.ledger.Load(t.Context(), image.Stream(img))
				must(t, err)
				if len(history) != 3 {
					t.Fatalf("%s has %d facts", img, len(history))
				}
			}
			end := deleted(imgs[4], 2)
			end.Request = want[all-1].Cause.Request
			repeated, err := again.ledger.Append(t.Context(), end)
			must(t, err)
			if !repeated.Repeated || len(repeated.Facts) != 2 || lastSeq(repeated) != all {
				t.Errorf("%+v", repeated)
			}
		})
	}
}

// An append that a restored Postgres took in before it caught up loses against what Kafka has.
func TestAdoptionDisplaces(t *testing.T) {
	w := newWorld(t)
	_, stop := w.sequencer()
	img := newImage()
	first, second := processed(img, 1), w.upload(newImage())
	first.Request, second.Request = "r1", "r2"
	for _, a := range []event.Append{w.upload(img), first, second} {
		_, err := w.ledger.Append(t.Context(), a)
		must(t, err)
	}
	stop()
	w.restore(1, false)

	// given: in the old state somebody appends to the same stream, somebody follows on that,
	// and a client repeats its request
	type result struct {
		event.Appended
		err error
	}
	ask := func(a event.Append) <-chan result {
		c := make(chan result, 1)
		queued := w.number("select count(*) from ledger.queue")
		go func() {
			appended, err := w.ledger.Append(t.Context(), a)
			c <- result{appended, err}
		}()
		eventually(t, "it is queued", func() bool { return w.number("select count(*) from ledger.queue") == queued+1 })
		return c
	}
	other := newImage()
	both := processed(img, 1)
	both.Parts = append(both.Parts, processed(other, 0).Parts...)
	conflicting, following := ask(both), ask(processed(other, 1))
	again := w.upload(newImage())
	again.Request = "r2"
	repeating, independent := ask(again), ask(processed(newImage(), 0))

	s, _ := w.sequencer()
	if r := <-conflicting; !errors.Is(r.err, event.ErrConflict) {
		t.Errorf("the conflicting one: %+v", r)
	}
	if r := <-following; !errors.Is(r.err, event.ErrConflict) {
		t.Errorf("the one that follows it: %+v", r)
	}
	if r := <-repeating; r.err != nil || !r.Repeated || lastSeq(r.Appended) != 3 {
		t.Errorf("the repeated one: %+v", r)
	}
	if r := <-independent; r.err != nil || lastSeq(r.Appended) != 4 {
		t.Errorf("the independent one: %+v", r)
	}
	if n := s.Counters().Displaced.Load(); n != 3 {
		t.Errorf("displaced %d", n)
	}
	w.record(4)
	made, err := w.ledger.Append(t.Context(), processed(other, 0)) // nothing is left of it
	if err != nil || lastSeq(made) != 5 {
		t.Errorf("%+v, %v", made, err)
	}
}

// Of an append only the beginning came into Kafka, and Postgres forgot its numbers: the
// rest comes next, before anything else that is queued.
func TestAdoptionCompletesAnAppend(t *testing.T) {
	w := newWorld(t)
	img := newImage()
	var cut atomic.Bool
	_, stop := w.sequencer(between(func(next message.Publisher, topic string, messages []*message.Message) error {
		if cut.Load() && topic == ledger.TopicRecord {
			if len(messages) > 1 {
				must(t, next.Publish(topic, messages[:1]...))
			}
			return errors.New("only the first")
		}
		return next.Publish(topic, messages...)
	}))
	_, err := w.ledger.Append(t.Context(), w.upload(img))
	must(t, err)
	cut.Store(true)
	done := make(chan event.Appended, 1)
	go func() {
		made, err := w.ledger.Append(t.Context(), deleted(img, 1))
		if err != nil {
			t.Error(err)
		}
		done <- made
	}()
	eventually(t, "they are numbered", func() bool { return w.number("select seq from ledger.head") == 3 })
	src := kafka.NewSource(w.cfg)
	defer src.Close()
	eventually(t, "the first is in Kafka", func() bool {
		f, err := src.Fetch(t.Context(), 1, 0)
		return err == nil && f.End > 1
	})
	stop()
	w.restore(1, true)
	// Something queued before it is not numbered in between.
	w.exec("insert into ledger.streams values ('early/1', 1)")
	w.exec("insert into ledger.facts select -1, 0, gen_random_uuid(), 'early/1', 1, body from ledger.facts limit 1")
	w.exec("insert into ledger.queue values (-1, 1, 1)")

	s, _ := w.sequencer()
	made := <-done
	if made.Facts[0].Seq != 2 || lastSeq(made) != 3 || s.Counters().Adopted.Load() != 1 {
		t.Errorf("%+v, %d adopted", made, s.Counters().Adopted.Load())
	}
	if _, ok := w.record(4)[2].Fact.(system.KeyDestroyed); !ok {
		t.Error("its second fact is not the third of the record")
	}
}

// If Kafka and Postgres have different facts under one number, everything stops, until an
// operator has brought together what belongs together.
func TestForkHaltsEverything(t *testing.T) {
	w := newWorld(t)
	_, stop := w.sequencer()
	img := newImage()
	for _, a := range []event.Append{w.upload(img), processed(img, 1)} {
		_, err := w.ledger.Append(t.Context(), a)
		must(t, err)
	}
	stop()
	var body []byte
	must(t, w.pool.QueryRow(t.Context(), "select body from ledger.facts order by pos desc limit 1").Scan(&body))
	w.exec("update ledger.facts set body = $1 where body = $2", []byte(strings.Replace(string(body), "u2netp", "forged", 1)), body)

	pub, src := kafka.NewPublisher(w.cfg), kafka.NewSource(w.cfg)
	defer pub.Close()
	defer src.Close()
	s := ledger.NewSequencer(w.ledger, ledger.SequencerConfig{Publisher: pub, Record: src, Log: w.log})
	if err := s.Run(t.Context()); !errors.Is(err, ledger.ErrFork) {
		t.Fatalf("got %v", err)
	}
	if h := s.Health(); h.Halted == "" || h.Term != 0 {
		t.Errorf("%+v", h)
	}
	if _, err := w.ledger.Append(t.Context(), processed(img, 2)); !errors.Is(err, event.ErrUnavailable) {
		t.Errorf("append: %v", err)
	}
	if state, err := w.ledger.State(t.Context()); err != nil || !strings.Contains(state.Halted, "forked") {
		t.Errorf("%+v, %v", state, err)
	}

	w.exec("update ledger.facts set body = $2 where stream = $1 and version = 2", image.Stream(img), body)
	w.sequencer()
	eventually(t, "the halt is lifted", func() bool {
		state, err := w.ledger.State(t.Context())
		return err == nil && state.Halted == ""
	})
	_, err := w.ledger.Append(t.Context(), processed(img, 2))
	must(t, err)
	w.record(3)
}

// Somebody else's messages in the topic are a fork as well.
func TestForeignMessagesHalt(t *testing.T) {
	for name, m := range map[string]*message.Message{
		"not a fact":       {Payload: []byte("hello"), Metadata: message.Metadata{ledger.MetaSeq: "2"}},
		"without a number": {Payload: []byte("hello")},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			_, stop := w.sequencer()
			_, err := w.ledger.Append(t.Context(), w.upload(newImage()))
			must(t, err)
			stop()
			pub, src := kafka.NewPublisher(w.cfg), kafka.NewSource(w.cfg)
			defer pub.Close()
			defer src.Close()
			must(t, pub.Publish(ledger.TopicRecord, m))
			s := ledger.NewSequencer(w.ledger, ledger.SequencerConfig{Publisher: pub, Record: src, Log: w.log})
			if err := s.Run(t.Context()); !errors.Is(err, ledger.ErrFork) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A broker that comes back without its last facts gets them again, from Postgres.
func TestBrokerLostItsEnd(t *testing.T) {
	w := newWorld(t)
	_, stop := w.sequencer()
	var bodies [][]byte
	for range 10 {
		_, err := w.ledger.Append(t.Context(), w.upload(newImage()))
		must(t, err)
	}
	stop()
	for _, e := range w.entries(10) {
		bodies = append(bodies, e.Body)
	}
	// given: another broker, with seven of the ten
	less := worldOver(t, w.pool.Config().ConnString(), newCluster(t))
	pub := kafka.NewPublisher(less.cfg)
	defer pub.Close()
	for i, body := range bodies[:7] {
		must(t, pub.Publish(ledger.TopicRecord, &message.Message{Payload: body, Metadata: message.Metadata{ledger.MetaSeq: strconv.Itoa(i + 1)}}))
	}
	s, _ := less.sequencer()
	eventually(t, "all are published again", func() bool { return s.Health().Published == 10 })
	if s.Counters().Lost.Load() != 1 {
		t.Errorf("noticed %d times", s.Counters().Lost.Load())
	}
	for i, e := range less.entries(10) {
		if string(e.Body) != string(bodies[i]) {
			t.Errorf("fact %d is another one", e.Seq)
		}
	}
}

// A sequencer that was cut off from Postgres in the middle of a batch, and finishes it
// much later, harms nobody.
func TestZombie(t *testing.T) {
	w := newWorld(t)
	release, held := make(chan struct{}), make(chan struct{})
	var first atomic.Bool
	s, _ := w.sequencer(between(func(next message.Publisher, topic string, messages []*message.Message) error {
		if topic == ledger.TopicRecord && first.CompareAndSwap(false, true) {
			close(held)
			<-release
		}
		return next.Publish(topic, messages...)
	}))
	img := newImage()
	done := make(chan error, 1)
	go func() {
		_, err := w.ledger.Append(t.Context(), w.upload(img))
		done <- err
	}()
	<-held
	w.exec("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())")
	must(t, <-done) // the next term published it
	if s.Counters().Terms.Load() < 2 {
		t.Error("there was no second term")
	}
	w.appendMany(w.ledger, 20)()
	close(release) // and now the first batch comes once more, behind all others
	_, err := w.ledger.Append(t.Context(), processed(img, 1))
	must(t, err)
	w.record(22)
}

// entries reads n stored facts as they are.
func (w *world) entries(n int) []ledger.Entry {
	w.t.Helper()
	src := kafka.NewSource(w.cfg)
	defer src.Close()
	r := ledger.NewReader(src, ledger.Position{}, ledger.ReaderOptions{Patience: 5 * time.Second})
	var all []ledger.Entry
	for len(all) < n {
		more, err := r.Next(w.t.Context())
		must(w.t, err)
		all = append(all, more...)
	}
	return all
}

// lagging is a source whose next answers say that the partition is empty.
type lagging struct {
	ledger.Source
	answers atomic.Int64
	short   atomic.Int64
}

func (l *lagging) Fetch(ctx context.Context, from int64, wait time.Duration) (ledger.Fetched, error) {
	f, err := l.Source.Fetch(ctx, from, wait)
	if l.short.Load() > 0 {
		l.short.Add(-1)
		f = ledger.Fetched{Next: from}
	}
	l.answers.Add(1)
	return f, err
}

// hanging is a source that does not answer while it is held, whatever the context says, as over
// a connection whose other end is silent.
type hanging struct {
	ledger.Source
	held  sync.Mutex
	asked atomic.Int64
}

func (h *hanging) Fetch(ctx context.Context, from int64, wait time.Duration) (ledger.Fetched, error) {
	h.asked.Add(1)
	h.held.Lock()
	defer h.held.Unlock()
	return h.Source.Fetch(ctx, from, wait)
}

// Nobody waits for a sequencer that looks where the record ends.
func TestLookingKeepsNobodyWaiting(t *testing.T) {
	w := newWorld(t)
	var h hanging
	s, _ := w.sequencer(func(c *ledger.SequencerConfig) {
		h.Source = c.Record
		c.Record, c.Watch = &h, 5*time.Millisecond
	})
	_, err := w.ledger.Append(t.Context(), w.upload(newImage()))
	must(t, err)
	h.held.Lock()
	defer h.held.Unlock()
	asked := h.asked.Load()
	eventually(t, "it looks", func() bool { return h.asked.Load() > asked })
	for range 3 {
		_, err := w.ledger.Append(t.Context(), w.upload(newImage()))
		must(t, err)
	}
	if terms := s.Counters().Terms.Load(); terms != 1 {
		t.Errorf("%d terms", terms)
	}
}

// Also an idle sequencer notices that the broker lost what it acknowledged; that its end lags
// once, as after a change of leaders, is no loss.
func TestIdleSequencerLooks(t *testing.T) {
	w := newWorld(t)
	var l lagging
	s, _ := w.sequencer(func(c *ledger.SequencerConfig) {
		l.Source = c.Record
		c.Record, c.Watch = &l, 5*time.Millisecond
	})
	_, err := w.ledger.Append(t.Context(), w.upload(newImage()))
	must(t, err)
	for short, terms := range []int64{1, 1, 2} {
		l.short.Store(int64(short))
		seen := l.answers.Load()
		eventually(t, "it looks again", func() bool { return l.answers.Load() > seen+4 })
		if got := s.Counters().Terms.Load(); got != terms || s.Counters().Lost.Load() != terms-1 {
			t.Errorf("short %d times: %d terms, %d losses", short, got, s.Counters().Lost.Load())
		}
	}
	w.record(1)
}
