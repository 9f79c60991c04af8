package kafka

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/bgremover/bgremover/internal/ledger"
)

// conform is what every cluster must do that holds the record: the embedded one and real
// ones. The cluster must be empty.
func conform(t *testing.T, c Config) {
	if err := EnsureTopics(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	t.Run("topics again", func(t *testing.T) {
		if err := EnsureTopics(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("record in order", func(t *testing.T) { conformRecord(t, c) })
	t.Run("work by key", func(t *testing.T) { conformWork(t, c, "conformance") })
	t.Run("work of a member that ends", func(t *testing.T) { conformTakeOver(t, c) })
	t.Run("work of a member that is killed", func(t *testing.T) { conformKilledMember(t, c) })
}

func facts(from, to int) []*message.Message {
	var batch []*message.Message
	for seq := from; seq <= to; seq++ {
		batch = append(batch, &message.Message{
			Payload:  fmt.Appendf(nil, `{"fact":%d}`, seq),
			Metadata: message.Metadata{ledger.MetaSeq: strconv.Itoa(seq)},
		})
	}
	return batch
}

func conformRecord(t *testing.T, c Config) {
	pub, src := NewPublisher(c), NewSource(c)
	defer pub.Close()
	defer src.Close()

	f, err := src.Fetch(t.Context(), 0, 0)
	if err != nil || len(f.Entries) != 0 || f.Start != 0 || f.End != 0 || f.Next != 0 {
		t.Fatalf("an empty record: %+v, %v", f, err)
	}

	batch := facts(1, 3000)
	if err := pub.Publish(ledger.TopicRecord, batch...); err != nil {
		t.Fatal(err)
	}
	for i, m := range batch {
		if got := m.Metadata.Get(ledger.MetaOffset); got != strconv.Itoa(i) {
			t.Fatalf("offset of message %d: %q", i, got)
		}
	}
	var read []ledger.Entry
	for at := int64(0); len(read) < 3000; {
		f, err := src.Fetch(t.Context(), at, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if f.End != 3000 || len(f.Entries) == 0 {
			t.Fatalf("end %d, %d entries at %d", f.End, len(f.Entries), at)
		}
		read, at = append(read, f.Entries...), f.Next
	}
	for i, e := range read {
		if e.Seq != int64(i+1) || e.Offset != int64(i) || string(e.Body) != fmt.Sprintf(`{"fact":%d}`, e.Seq) {
			t.Fatalf("entry %d: %+v", i, e)
		}
	}

	t.Run("from the middle of a batch", func(t *testing.T) {
		f, err := src.Fetch(t.Context(), 1234, time.Second)
		if err != nil || len(f.Entries) == 0 || f.Entries[0].Seq != 1235 {
			t.Fatalf("%+v, %v", f, err)
		}
	})
	t.Run("at the end", func(t *testing.T) {
		f, err := src.Fetch(t.Context(), 3000, 50*time.Millisecond)
		if err != nil || len(f.Entries) != 0 || f.Next != 3000 || f.End != 3000 {
			t.Fatalf("%+v, %v", f, err)
		}
	})
	t.Run("past the end", func(t *testing.T) {
		f, err := src.Fetch(t.Context(), 3001, 50*time.Millisecond)
		if err != nil || len(f.Entries) != 0 || f.Next != 3001 || f.Start != 0 || f.End != 3000 {
			t.Fatalf("%+v, %v", f, err)
		}
	})
	t.Run("waits for more", func(t *testing.T) {
		done := make(chan ledger.Fetched, 1)
		go func() {
			other := NewSource(c)
			defer other.Close()
			f, _ := other.Fetch(t.Context(), 3000, 10*time.Second)
			done <- f
		}()
		if err := pub.Publish(ledger.TopicRecord, facts(3001, 3001)...); err != nil {
			t.Fatal(err)
		}
		if f := <-done; len(f.Entries) != 1 || f.Entries[0].Seq != 3001 {
			t.Fatalf("%+v", f)
		}
	})
	t.Run("a message that is too large", func(t *testing.T) {
		large := facts(3002, 3003)
		large[0].Payload = make([]byte, maxMessageBytes+1)
		if err := pub.Publish(ledger.TopicRecord, large...); err == nil {
			t.Fatal("it was published")
		}
		// The producer is usable afterwards.
		if err := pub.Publish(ledger.TopicRecord, facts(3002, 3002)...); err != nil {
			t.Fatal(err)
		}
	})
}

func conformWork(t *testing.T, c Config, group string) {
	pub := NewPublisher(c)
	defer pub.Close()
	const keys, each = 30, 4
	for round := range each {
		var batch []*message.Message
		for key := range keys {
			m := message.NewMessage(fmt.Sprintf("id-%d-%d", key, round), fmt.Appendf(nil, "%d/%d", key, round))
			m.Metadata = message.Metadata{ledger.MetaKey: strconv.Itoa(key), ledger.MetaSeq: "7"}
			batch = append(batch, m)
		}
		if err := pub.Publish(ledger.TopicWork, batch...); err != nil {
			t.Fatal(err)
		}
	}

	// given: a group that begins after the messages, with two members
	got := make(chan *message.Message)
	for range 2 {
		sub, err := NewSubscriber(c, group, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer sub.Close()
		messages, err := sub.Subscribe(t.Context(), ledger.TopicWork)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for m := range messages {
				got <- m
			}
		}()
	}
	// then: every message comes, each key's in order, exactly as it was published
	next := map[string]int{}
	for seen := 0; seen < keys*each; {
		select {
		case m := <-got:
			var key, round int
			if _, err := fmt.Sscanf(string(m.Payload), "%d/%d", &key, &round); err != nil {
				t.Fatal(err)
			}
			if m.UUID != fmt.Sprintf("id-%d-%d", key, round) || m.Metadata.Get(ledger.MetaSeq) != "7" || m.Metadata.Get(ledger.MetaOffset) != "" {
				t.Fatalf("%+v", m)
			}
			k := strconv.Itoa(key)
			if round > next[k] {
				t.Fatalf("key %s: %d before %d", k, round, next[k])
			}
			if round == next[k] { // otherwise a repetition, after the second member joined
				next[k]++
				seen++
			}
			m.Ack()
		case <-time.After(30 * time.Second):
			t.Fatalf("only %d messages came", seen)
		}
	}
}

// What a member has not acknowledged when it ends goes to another one.
func conformTakeOver(t *testing.T, c Config) {
	member := func() (message.Subscriber, <-chan *message.Message) {
		sub, err := NewSubscriber(c, "take over", nil)
		if err != nil {
			t.Fatal(err)
		}
		messages, err := sub.Subscribe(t.Context(), ledger.TopicWork)
		if err != nil {
			t.Fatal(err)
		}
		return sub, messages
	}
	first, messages := member()
	got := <-messages
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second, messages := member()
	defer second.Close()
	for m := range messages {
		m.Ack()
		if m.UUID == got.UUID {
			return
		}
	}
	t.Error("it did not come again")
}

func TestEmbedded(t *testing.T) { conform(t, newCluster(t)) }
