package ledger_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/bgremover/bgremover/adapters/kafka"
	"github.com/bgremover/bgremover/internal/fault/faulttest"
	"github.com/bgremover/bgremover/internal/ledger"
)

// An outage that is longer than the producer's retries, and begins in the middle of a batch:
// the broker has a part of it. The record has all of it once in effect.
func TestBatchesStoredInPart(t *testing.T) {
	for name, given := range map[string]*line{
		"the next request is lost": {requests: 1},
		"and its answer":           {requests: 1, answer: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			const n = 400
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() {
					if _, err := w.ledger.Append(t.Context(), w.upload(newImage())); err != nil {
						t.Error(err)
					}
				})
			}
			within(t, time.Minute, "all are queued", func() bool { return w.number("select count(*) from ledger.queue") == n })

			// when: the broker takes one request of the batch, and then is away
			cfg := w.cfg
			cfg.Dial, cfg.RetryFor = given.dial, 500*time.Millisecond
			pub := kafka.NewPublisher(cfg)
			t.Cleanup(func() { must(t, pub.Close()) })
			var stored, early int
			s, _ := w.sequencer(func(c *ledger.SequencerConfig) {
				c.Publisher = publisher{Publisher: pub, publish: func(next message.Publisher, topic string, messages []*message.Message) error {
					err := next.Publish(topic, messages...)
					if err != nil && !given.whole.Swap(true) { // and it is mended
						stored, early = w.stored()
					}
					return err
				}}
			})
			wg.Wait()

			// then
			w.record(n)
			if s.Counters().Failures.Load() == 0 {
				t.Error("the producer did not give up")
			}
			faulttest.Counted(t, "of a batch of %d facts %d were stored when the producer gave up, %d of them behind a gap; %d terms; all are in the record once",
				n, stored, early, s.Counters().Terms.Load())
			if stored == 0 || stored >= n {
				t.Errorf("the broker had %d of %d facts, and should have had a part", stored, n)
			}
		})
	}
}

// stored counts what the broker has, and how much of it comes too early.
func (w *world) stored() (stored, early int) {
	src := kafka.NewSource(w.cfg)
	defer src.Close()
	f, err := src.Fetch(w.t.Context(), 0, 0)
	if err != nil {
		w.t.Error(err)
	}
	next := int64(1)
	for _, e := range f.Entries {
		stored++
		if e.Seq == next {
			next++
		} else {
			early++
		}
	}
	return stored, early
}

// line is the network between a producer and its brokers. It lets so many produce requests
// through; then, without the last one's answer or with it, all connections break and no new
// one succeeds, until it is mended.
type line struct {
	requests int64
	answer   bool // the last answer is lost as well
	sent     atomic.Int64
	cut      atomic.Bool
	whole    atomic.Bool // mended
}

var errCut = errors.New("the line is cut")

func (l *line) broken() bool { return l.cut.Load() && !l.whole.Load() }

func (l *line) dial(network, addr string) (net.Conn, error) {
	if l.broken() {
		return nil, errCut
	}
	conn, err := net.Dial(network, addr) //nolint:noctx // sarama gives no context; addr is on this machine.
	return &lineConn{Conn: conn, line: l}, err
}

type lineConn struct {
	net.Conn
	*line
	last atomic.Bool // the last request that comes through went here
}

// produce is the key of requests that store messages; it follows on the size.
const produce = 0

// Write gets one request at a time.
func (c *lineConn) Write(p []byte) (int, error) {
	if c.broken() {
		return 0, errors.Join(errCut, c.Close())
	}
	if len(p) >= 6 && binary.BigEndian.Uint16(p[4:]) == produce && !c.whole.Load() {
		switch n := c.sent.Add(1); {
		case n > c.requests:
			c.cut.Store(true)
			return 0, errors.Join(errCut, c.Close())
		case n == c.requests:
			c.last.Store(c.answer)
		}
	}
	return c.Conn.Write(p)
}

// Read loses the answer when it is there: then the broker has done what was asked.
func (c *lineConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && c.last.Load() && !c.whole.Load() {
		c.cut.Store(true)
		return 0, errors.Join(io.ErrUnexpectedEOF, c.Close())
	}
	if c.broken() {
		return 0, errors.Join(errCut, c.Close())
	}
	return n, err
}

// within waits for something that takes longer than [eventually] allows.
func within(t testing.TB, d time.Duration, what string, is func() bool) {
	t.Helper()
	deadline := time.After(d)
	for !is() {
		select {
		case <-deadline:
			t.Fatalf("waited %v in vain: %s", d, what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
