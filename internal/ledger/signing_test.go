package ledger_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/bgremover/bgremover/adapters/kafka"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/merkle"
)

// end is the offset at which the record ends.
func (w *world) end() int64 {
	w.t.Helper()
	src := kafka.NewSource(w.cfg)
	defer src.Close()
	f, err := src.Fetch(w.t.Context(), 0, 0)
	must(w.t, err)
	return f.End
}

// What a restored Postgres had signed and never published gives way, with all that follows
// on it, also where some of that is the same in Kafka.
func TestUnpublishedCheckpointsGiveWay(t *testing.T) {
	w := newWorld(t)
	vault := newSafe()
	_, stop := w.sequencer(w.signing(vault))
	for size := int64(3); size <= 9; size += 3 {
		w.uploads(3)
		w.covered(size)
	}
	stop()
	want := w.topic()
	w.exec(`update ledger.checkpoints set "offset" = null, note = case n when 2 then note || 'x' else note end where n > 1`)
	_, stop = w.sequencer(w.signing(vault))
	w.covered(9)
	stop()
	if rows := w.number(`select count(*) from ledger.checkpoints where "offset" >= 0`); rows != int64(len(want)) || len(w.topic()) != len(want) {
		t.Errorf("Postgres has %d entries, and Kafka %d; want %d", rows, len(w.topic()), len(want))
	}
	w.audit()
}

// stuckTopic is a topic that, from some moment on, does not answer.
type stuckTopic struct {
	ledger.Source
	stuck   atomic.Bool
	asked   chan struct{} // somebody waits for an answer
	release chan struct{}
}

func (s *stuckTopic) Fetch(ctx context.Context, from int64, wait time.Duration) (ledger.Fetched, error) {
	if s.stuck.Load() {
		select {
		case s.asked <- struct{}{}:
		default:
		}
		<-s.release
	}
	return s.Source.Fetch(ctx, from, wait)
}

// Facts get their numbers and are published while the topic of checkpoints is in trouble.
func TestNumberingDoesNotWaitForCheckpoints(t *testing.T) {
	w := newWorld(t)
	topic := &stuckTopic{asked: make(chan struct{}, 1), release: make(chan struct{})}
	_, stop := w.sequencer(w.signing(newSafe(), func(c *ledger.Signing) { topic.Source, c.Topic = c.Topic, topic }),
		func(c *ledger.SequencerConfig) {
			c.Publisher = publisher{c.Publisher, func(next message.Publisher, name string, messages []*message.Message) error {
				if name == ledger.TopicCheckpoints && topic.stuck.Load() {
					return errors.New("not stored")
				}
				return next.Publish(name, messages...)
			}}
		})
	w.uploads(3)
	w.covered(3)
	topic.stuck.Store(true)
	w.uploads(3)
	<-topic.asked
	w.uploads(3)
	w.published(9)
	topic.stuck.Store(false)
	close(topic.release)
	w.covered(9)
	stop()
	w.audit()
}

// A rotation that is not public yet does not pass for the one that follows on it.
func TestRotationsInARow(t *testing.T) {
	w := newWorld(t)
	vault := newSafe()
	keys, err := ledger.OpenLogKeys(t.Context(), w.pool, vault, "")
	must(t, err)
	must(t, keys.Rotate(t.Context(), noon))
	var newest string
	var all sync.WaitGroup
	all.Go(func() {
		if newest, err = w.ledger.RotateLogKey(t.Context(), keys, noon); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "both are signed", func() bool { return w.number("select count(*) from ledger.checkpoints where kind = 'rotation'") == 2 })
	w.sequencer(w.signing(vault))
	all.Wait()
	first, rotations, err := ledger.NewTree(w.pool).Keys(t.Context())
	must(t, err)
	if vkeys, err := merkle.Verifiers(first, rotations); err != nil || len(vkeys) != 3 || vkeys[2] != newest {
		t.Errorf("it says %s of %v, %v", newest, vkeys, err)
	}
	w.published(2) // both are facts
}

// A rotation that comes while a checkpoint is signed is published before what the new key signs.
func TestRotationsComeFirst(t *testing.T) {
	w := newWorld(t)
	vault := newSafe()
	keys, err := ledger.OpenLogKeys(t.Context(), w.pool, vault, "")
	must(t, err)
	var armed atomic.Bool
	_, stop := w.sequencer(w.signing(vault, func(c *ledger.Signing) {
		c.Now = func() time.Time { // it is asked whether it is time to sign
			if armed.CompareAndSwap(true, false) {
				if err := keys.Rotate(context.Background(), noon); err != nil {
					t.Error(err)
				}
			}
			return time.Now()
		}
	}))
	w.uploads(3)
	w.covered(3)
	armed.Store(true)
	w.uploads(3)
	eventually(t, "a checkpoint of the new key is public", func() bool {
		h, err := ledger.NewTree(w.pool).Head(t.Context())
		return err == nil && h.Size == 6
	})
	stop()
	w.audit()
	if _, rotations, err := ledger.NewTree(w.pool).Keys(t.Context()); err != nil || len(rotations) != 1 {
		t.Errorf("%d rotations, %v", len(rotations), err)
	}
}
