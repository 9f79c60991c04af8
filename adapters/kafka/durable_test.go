package kafka

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/bgremover/bgremover/internal/ledger"
)

func newBrokers(t *testing.T, n int) Config {
	t.Helper()
	k, err := kfake.NewCluster(kfake.NumBrokers(n))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return Config{Brokers: k.ListenAddrs()}
}

func administer(t *testing.T, c Config) sarama.ClusterAdmin {
	t.Helper()
	admin, err := sarama.NewClusterAdmin(c.Brokers, c.base())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close() })
	return admin
}

// Three brokers can keep what an acknowledged fact promises; of fewer, the operator is told
// what they cannot.
func TestCopies(t *testing.T) {
	for name, tt := range map[string]struct {
		brokers        int
		copies, inSync string
		warns          bool
	}{
		"one":   {1, "1", "1", true},
		"two":   {2, "2", "1", true},
		"three": {3, "3", "2", false},
		"four":  {4, "3", "2", false},
	} {
		t.Run(name, func(t *testing.T) { conformCopies(t, newBrokers(t, tt.brokers), tt.copies, tt.inSync, tt.warns) })
	}
}

// conformCopies makes the topics on an empty cluster.
func conformCopies(t *testing.T, c Config, copies, inSync string, warns bool) {
	t.Helper()
	for range 2 { // made, and found
		var log bytes.Buffer
		c.Log = slog.New(slog.NewTextHandler(&log, nil))
		if err := EnsureTopics(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(log.String(), "a power loss or a broken disk of one broker can lose acknowledged facts") != warns {
			t.Errorf("it said %q", &log)
		}
	}
	admin := administer(t, c)
	for _, topic := range topics {
		found, err := admin.DescribeTopics([]string{topic.name})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range found[0].Partitions {
			if len(p.Replicas) != int(copies[0]-'0') {
				t.Errorf("%s/%d is on the brokers %v", topic.name, p.ID, p.Replicas)
			}
		}
		k := cluster{ClusterAdmin: admin}
		is, err := k.describe(topic.name, []string{minInSync})
		if err != nil || is[minInSync] != inSync {
			t.Errorf("%s: %v, %v", topic.name, is, err)
		}
	}
}

// What somebody else made with too few copies is refused, with the command that mends it.
func TestTooFewCopies(t *testing.T) {
	for name, tt := range map[string]struct {
		topic          string
		copies         int16
		inSync         string
		refused, warns string
	}{
		"enough":             {topic: ledger.TopicRecord, copies: 3, inSync: "2"},
		"more":               {topic: ledger.TopicRecord, copies: 4, inSync: "3"},
		"one copy":           {topic: ledger.TopicRecord, copies: 1, inSync: "1", refused: `kafka-reassign-partitions --bootstrap-server`},
		"two copies":         {topic: ledger.TopicRecord, copies: 2, inSync: "2", refused: `{"version":1,"partitions":[{"topic":"record","partition":0,"replicas":[`},
		"one must have it":   {topic: ledger.TopicRecord, copies: 3, inSync: "1", refused: "--entity-name record --add-config min.insync.replicas=2"},
		"uploads, one copy":  {topic: ledger.TopicWork, copies: 1, inSync: "1", warns: ledger.TopicWork},
		"uploads, one ack":   {topic: ledger.TopicWork, copies: 3, inSync: "1", warns: ledger.TopicWork},
		"uploads, as it is":  {topic: ledger.TopicWork, copies: 3, inSync: "2"},
		"dead ones, no care": {topic: TopicDead, copies: 1, inSync: "1", warns: TopicDead},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			c := newBrokers(t, 4)
			c.Log = slog.New(slog.NewTextHandler(&log, nil))
			given := topics[slices.IndexFunc(topics, func(known topic) bool { return known.name == tt.topic })]
			makeTopic(t, c, given, tt.copies, tt.inSync)
			err := EnsureTopics(t.Context(), c)
			if tt.refused == "" && err != nil || tt.refused != "" && (!errors.Is(err, ErrTopic) || !strings.Contains(err.Error(), tt.refused)) {
				t.Errorf("got %v, want %q", err, tt.refused)
			}
			if (tt.warns == "") != (log.Len() == 0) || !strings.Contains(log.String(), tt.warns) {
				t.Errorf("it said %q", &log)
			}
		})
	}
}

// makeTopic makes a topic as an operator does, who means it otherwise than we do.
func makeTopic(t *testing.T, c Config, like topic, copies int16, inSync string) {
	t.Helper()
	config := map[string]*string{minInSync: &inSync}
	for name, value := range like.config {
		config[name] = &value
	}
	detail := &sarama.TopicDetail{NumPartitions: like.partitions, ReplicationFactor: copies, ConfigEntries: config}
	if err := administer(t, c).CreateTopic(like.name, detail, false); err != nil {
		t.Fatal(err)
	}
}
