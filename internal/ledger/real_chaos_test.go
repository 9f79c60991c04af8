//go:build realkafka

package ledger_test

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/kafka"
	"github.com/bgremover/bgremover/deploy/dev/kafkatest"
	"github.com/bgremover/bgremover/internal/embedded/embeddedtest"
	"github.com/bgremover/bgremover/internal/fault/faulttest"
	"github.com/bgremover/bgremover/internal/ledger"
)

// partition is where the record is, and who has it in sync.
func (w *world) partition() (leader int, inSync []int32) {
	w.t.Helper()
	admin := administer(w.t, w.cfg)
	defer admin.Close()
	found, err := admin.DescribeTopics([]string{ledger.TopicRecord})
	must(w.t, err)
	p := found[0].Partitions[0]
	return int(p.Leader), p.Isr
}

// settled waits until all copies are in sync again.
func (w *world) settled(brokers int) {
	w.t.Helper()
	within(w.t, 2*time.Minute, "all copies are in sync", func() bool {
		leader, inSync := w.partition()
		return leader > 0 && len(inSync) == brokers
	})
}

// The broker that leads the record is killed, over and over, under load.
func TestRealLeaderIsKilled(t *testing.T) {
	k := kafkatest.Start(t, 3)
	w := worldOver(t, embeddedtest.NewDatabase(t), kafka.Config{Brokers: k.Brokers()})
	s, _ := w.sequencer()
	reader, l := w.auditor(), w.load(8)
	follower := w.follow()
	kills := faulttest.Times(2, 20)
	for range kills {
		l.goesOn()
		leader, _ := w.partition()
		k.Kill(leader)
		l.goesOn()
		l.holds(reader)
		k.Start(leader)
		w.settled(3)
	}
	l.stop()
	l.holds(reader)
	follower.reached(reader.tree.Size()) // without an alarm: nothing was lost
	facts, refused, longest, terms, failures := logged(t, l, s)
	faulttest.Counted(t, "the leader of 3 brokers killed %d times: %d facts acknowledged, each once in the record; %d appends refused, %v without an answer at most; "+
		"%d batches in doubt, %d terms, %d messages repeated", kills, facts, refused, longest, failures, terms, w.repetitions())
}

// Two of three brokers are away for longer than the producer tries: what it sends meanwhile
// is stored by the third, and not acknowledged.
func TestRealTooFewInSync(t *testing.T) {
	k := kafkatest.Start(t, 3)
	w := worldOver(t, embeddedtest.NewDatabase(t), kafka.Config{Brokers: k.Brokers(), RetryFor: time.Second})
	s, _ := w.sequencer()
	reader, l := w.auditor(), w.load(8)
	outages := faulttest.Times(1, 5)
	for range outages {
		l.goesOn()
		leader, _ := w.partition()
		others := []int{leader%3 + 1, (leader+1)%3 + 1}
		failures := s.Counters().Failures.Load()
		for _, n := range others {
			k.Kill(n)
		}
		within(t, 2*time.Minute, "the producer gave up", func() bool { return s.Counters().Failures.Load() > failures })
		before := l.count()
		for _, n := range others {
			k.Start(n)
		}
		if now := l.count(); now != before {
			t.Logf("%d facts were acknowledged while brokers started", now-before)
		}
		w.settled(3)
		l.goesOn()
		l.holds(reader)
	}
	l.stop()
	l.holds(reader)
	facts, refused, longest, terms, failures := logged(t, l, s)
	faulttest.Counted(t, "two of 3 brokers away %d times, longer than the producer tries: %d facts acknowledged, each once in the record; %d appends refused, "+
		"%v without an answer at most; %d batches in doubt, %d terms, %d messages repeated", outages, facts, refused, longest, failures, terms, w.repetitions())
}

// A broker alone loses its newest messages, as by a power failure: acknowledged, and gone.
// The ledger notices, says so, and publishes them again.
func TestRealBrokerLosesItsTail(t *testing.T) {
	k := kafkatest.Start(t, 1)
	w := worldOver(t, embeddedtest.NewDatabase(t), kafka.Config{Brokers: k.Brokers()})
	s, _ := w.sequencer()
	reader, l := w.auditor(), w.load(8)
	losses, batches, noticed := faulttest.Times(2, 20), 0, 0
	for round := range losses {
		l.goesOn()
		alarms := s.Counters().Lost.Load()
		var published bool // something that is lost was published, and not only a batch in doubt
		lose := func() {
			k.Kill(1)
			n, from := cutTail(t, k.Data(1), 1+rand.IntN(10))
			batches += n
			published = from <= w.number(`select "offset" from ledger.published`)
			k.Start(1)
		}
		if round%2 == 0 {
			lose()
		} else {
			l.quiet(func() {
				l.holds(reader) // it has seen what is lost then
				lose()
				reader.alarmed()
			})
		}
		l.goesOn()
		l.holds(reader)
		if published && s.Counters().Lost.Load() == alarms {
			t.Error("the sequencer did not notice")
		}
		if published {
			noticed++
		}
	}
	l.stop()
	l.holds(reader)
	if noticed < losses/2 { // a quiet broker has nothing in doubt
		t.Errorf("of %d losses only %d took something that was published", losses, noticed)
	}
	facts, refused, longest, terms, failures := logged(t, l, s)
	faulttest.Counted(t, "a broker lost its tail %d times, %d batches: %d alarms of the sequencer, %d of the reader; %d facts acknowledged, each once in the record; "+
		"%d appends refused, %v without an answer at most; %d batches in doubt, %d terms", losses, batches, s.Counters().Lost.Load(), reader.lost,
		facts, refused, longest, failures, terms)
}

// cutTail takes the newest batches off the record's partition, and the last of them not at
// its beginning. It returns how many, and the offset of the first message that is gone.
func cutTail(t *testing.T, data string, most int) (n int, from int64) {
	t.Helper()
	segments, err := filepath.Glob(filepath.Join(data, ledger.TopicRecord+"-0", "*.log"))
	must(t, err)
	path := segments[len(segments)-1]
	content, err := os.ReadFile(path)
	must(t, err)
	var starts []int
	for at := 0; at+12 <= len(content); {
		starts = append(starts, at)
		at += 12 + int(binary.BigEndian.Uint32(content[at+8:])) // after base offset and length
	}
	n = min(most, len(starts)-1)
	if n < 1 {
		t.Fatalf("%s has %d batches", path, len(starts))
	}
	first := starts[len(starts)-n]
	must(t, os.Truncate(path, int64(first+20))) // a torn batch, as after a power failure
	return n, int64(binary.BigEndian.Uint64(content[first:]))
}
