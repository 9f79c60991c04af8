package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/adapters/kafka"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/internal/embedded"
	"github.com/bgremover/bgremover/internal/embedded/embeddedtest"
	"github.com/bgremover/bgremover/internal/ledger"
)

// between puts f between the sequencer and Kafka.
func between(f func(next message.Publisher, topic string, messages []*message.Message) error) func(*ledger.SequencerConfig) {
	return func(c *ledger.SequencerConfig) { c.Publisher = publisher{Publisher: c.Publisher, publish: f} }
}

// While Kafka is away, a request waits as long as it may and is then refused; the fact stays
// queued, and the same request id finds it once Kafka is back.
func TestKafkaAwayForAWhile(t *testing.T) {
	w := newWorld(t)
	var away atomic.Bool
	w.sequencer(between(func(next message.Publisher, topic string, messages []*message.Message) error {
		if away.Load() {
			return errors.New("kafka is away")
		}
		return next.Publish(topic, messages...)
	}))
	img := newImage()
	_, err := w.ledger.Append(t.Context(), w.upload(img))
	must(t, err)

	away.Store(true)
	ask := processed(img, 1)
	ask.Request = "r"
	short, giveUp := context.WithCancel(t.Context())
	given := make(chan error, 1)
	go func() { _, err := w.ledger.Append(short, ask); given <- err }()
	eventually(t, "it is stored", func() bool { return w.number("select count(*) from ledger.facts") == 2 })
	giveUp()
	if err := <-given; !errors.Is(err, event.ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
	// No answer rests on it, refusals included.
	for name, call := range map[string]func(context.Context) error{
		"load":     func(ctx context.Context) error { _, err := w.ledger.Load(ctx, image.Stream(img)); return err },
		"conflict": func(ctx context.Context) error { _, err := w.ledger.Append(ctx, processed(img, 1)); return err },
	} {
		short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := call(short); !errors.Is(err, event.ErrUnavailable) {
			t.Errorf("%s: got %v", name, err)
		}
		cancel()
	}

	waiting := make(chan event.Appended, 1)
	go func() {
		again := processed(img, 1)
		again.Request = "r"
		appended, err := w.ledger.Append(t.Context(), again)
		if err != nil {
			t.Error(err)
		}
		waiting <- appended
	}()
	away.Store(false)
	if a := <-waiting; !a.Repeated || lastSeq(a) != 2 {
		t.Errorf("the same request: %+v", a)
	}
	if _, err := w.ledger.Append(t.Context(), processed(img, 1)); !errors.Is(err, event.ErrConflict) {
		t.Errorf("got %v", err)
	}
	w.record(2)
}

// A batch of which any part was stored, or all of it without an acknowledgement, is
// published again whole; the record has every fact once in effect.
func TestBatchesInDoubt(t *testing.T) {
	doubts := map[string]func([]*message.Message) []*message.Message{
		"nothing stored":           func([]*message.Message) []*message.Message { return nil },
		"only the beginning":       func(m []*message.Message) []*message.Message { return m[:len(m)/2] },
		"only the end":             func(m []*message.Message) []*message.Message { return m[len(m)/2:] },
		"all, not acknowledged":    func(m []*message.Message) []*message.Message { return m },
		"all but the first":        func(m []*message.Message) []*message.Message { return m[1:] },
		"the first and not others": func(m []*message.Message) []*message.Message { return m[:1] },
	}
	for name, stored := range doubts {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			const n = 20
			// given: enough in the queue for a batch
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() {
					if _, err := w.ledger.Append(t.Context(), w.upload(newImage())); err != nil {
						t.Error(err)
					}
				})
			}
			eventually(t, "all are queued", func() bool { return w.number("select count(*) from ledger.queue") == n })
			// when: the first attempts go wrong
			var attempts atomic.Int64
			s, _ := w.sequencer(between(func(next message.Publisher, topic string, messages []*message.Message) error {
				if topic == ledger.TopicRecord && attempts.Add(1) <= 3 {
					return errors.Join(errors.New("in doubt"), next.Publish(topic, stored(messages)...))
				}
				return next.Publish(topic, messages...)
			}))
			wg.Wait()
			// then
			w.record(n)
			if failures, uploads := s.Counters().Failures.Load(), s.Counters().Uploads.Load(); failures == 0 || uploads < n {
				t.Errorf("%d failures, %d uploads", failures, uploads)
			}
		})
	}
}

// When the processors' topic fails, the batch is not called published.
func TestWorkIsPartOfABatch(t *testing.T) {
	w := newWorld(t)
	var failures atomic.Int64
	s, _ := w.sequencer(between(func(next message.Publisher, topic string, messages []*message.Message) error {
		if topic == ledger.TopicWork && failures.Add(1) <= 2 {
			return errors.New("away")
		}
		return next.Publish(topic, messages...)
	}))
	img := newImage()
	_, err := w.ledger.Append(t.Context(), w.upload(img))
	must(t, err)
	if s.Counters().Failures.Load() != 2 {
		t.Errorf("%d failures", s.Counters().Failures.Load())
	}
	src := kafka.NewSource(w.cfg)
	defer src.Close()
	if f, err := src.Fetch(t.Context(), 0, 0); err != nil || f.End != 1 {
		t.Errorf("what a term has read back need not be published again: %+v, %v", f, err)
	}

	sub, err := kafka.NewSubscriber(w.cfg, "test", nil)
	must(t, err)
	defer sub.Close()
	messages, err := sub.Subscribe(t.Context(), ledger.TopicWork)
	must(t, err)
	m := <-messages
	m.Ack()
	env, err := ledger.NewCodec("", ledger.Facts(), w.vault).Decode(t.Context(), 1, m.Payload)
	must(t, err)
	if m.UUID != string(env.ID) || m.Metadata.Get(ledger.MetaSeq) != "1" || env.Stream != image.Stream(img) {
		t.Errorf("%+v of %+v", m, env)
	}
	w.record(1)
}

// Postgres stopped and started again: requests wait, nothing is lost, nothing is doubled.
func TestPostgresAwayForAWhile(t *testing.T) {
	runtime, err := embedded.FindRuntime()
	must(t, err)
	folder := embeddedtest.TempDir(t)
	start := func() *embedded.Postgres {
		server, err := embedded.Start(context.WithoutCancel(t.Context()), embedded.Config{Bin: runtime.PostgresBin, Dir: folder})
		must(t, err)
		t.Cleanup(func() { must(t, server.Stop()) })
		return server
	}
	server := start()
	w := worldOver(t, server.DSN(), newCluster(t))
	w.sequencer()
	img := newImage()
	_, err = w.ledger.Append(t.Context(), w.upload(img))
	must(t, err)

	must(t, server.Stop())
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := w.ledger.Append(short, processed(img, 1)); !errors.Is(err, event.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if _, err := w.ledger.Load(t.Context(), image.Stream(img)); !errors.Is(err, event.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	waiting := make(chan error, 1)
	go func() {
		_, err := w.ledger.Append(t.Context(), processed(img, 1))
		waiting <- err
	}()
	start()
	must(t, <-waiting)
	w.record(2)
}

// A connection that breaks while the transaction commits leaves its outcome open: the
// append finds out, and neither doubles nor loses anything.
func TestUnknownOutcomeOfACommit(t *testing.T) {
	w := newWorld(t)
	w.sequencer()
	tests := map[string]struct {
		given   event.Append
		request string
		trigger string // what the client sends last
	}{
		"one statement":                  {given: processed(newImage(), 0), trigger: `"specversion"`},
		"one statement and a request id": {given: processed(newImage(), 0), request: "r1", trigger: `"specversion"`},
		"with a key":                     {given: w.upload(newImage()), trigger: "commit"},
		"with a key and a request id":    {given: w.upload(newImage()), request: "r2", trigger: "commit"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			before := w.number("select coalesce(max(seq), 0) from ledger.numbers")
			cfg := w.pool.Config()
			dial := cfg.ConnConfig.DialFunc
			cut := &cutter{trigger: []byte(tt.trigger)}
			cfg.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := dial(ctx, network, addr)
				return &cutConn{Conn: conn, cutter: cut}, err
			}
			pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
			must(t, err)
			t.Cleanup(pool.Close)
			other := ledger.New(pool, w.vault, ledger.Options{NewID: newID, Log: w.log})
			w.run(other.Run)

			tt.given.Request = id.Request(tt.request)
			made, err := other.Append(t.Context(), tt.given)
			must(t, err)
			if made.Repeated || lastSeq(made) != before+1 {
				t.Errorf("%+v after %d", made, before)
			}
			if !cut.done.Load() {
				t.Error("nothing was cut")
			}
			history, err := w.ledger.Load(t.Context(), tt.given.Parts[0].Stream)
			must(t, err)
			if !reflect.DeepEqual(history, made.Facts) {
				t.Errorf("answered %+v\nloaded   %+v", made.Facts, history)
			}
		})
	}
	w.record(len(tests))
}

// cutter breaks one connection, after the server has done what was asked and before the
// client hears of it.
type cutter struct {
	trigger []byte
	done    atomic.Bool
}

type cutConn struct {
	net.Conn
	*cutter
	cut atomic.Bool
}

func (c *cutConn) Write(p []byte) (int, error) {
	if bytes.Contains(p, c.trigger) && c.done.CompareAndSwap(false, true) {
		c.cut.Store(true)
	}
	return c.Conn.Write(p)
}

func (c *cutConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && c.cut.Load() {
		return 0, errors.Join(io.ErrUnexpectedEOF, c.Close())
	}
	return n, err
}
