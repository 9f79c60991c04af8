package kafka

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/bgremover/bgremover/internal/ledger"
)

func TestTopicsUnderWhichTheRecordWouldNotBeKept(t *testing.T) {
	right := map[string]string{"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete", "max.message.bytes": "4194304", "unclean.leader.election.enable": "false"}
	tests := map[string]struct {
		partitions int32
		change     string
		to         string
		says       string // "" when it will do
	}{
		"as it should be":     {partitions: 1},
		"larger messages":     {partitions: 1, change: "max.message.bytes", to: "8388608"},
		"several partitions":  {partitions: 3, says: "3 partitions"},
		"finite retention":    {partitions: 1, change: "retention.ms", to: "604800000", says: "retention.ms=-1"},
		"bounded size":        {partitions: 1, change: "retention.bytes", to: "1000000", says: "retention.bytes=-1"},
		"compacted":           {partitions: 1, change: "cleanup.policy", to: "compact", says: "cleanup.policy=delete"},
		"a laggard may lead":  {partitions: 1, change: "unclean.leader.election.enable", to: "true", says: "unclean.leader.election.enable=false"},
		"too small a message": {partitions: 1, change: "max.message.bytes", to: "1000", says: "max.message.bytes=4194304"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			admin, err := sarama.NewClusterAdmin(c.Brokers, c.base())
			if err != nil {
				t.Fatal(err)
			}
			defer admin.Close()
			config := map[string]*string{}
			for name, value := range right {
				if name == tt.change {
					value = tt.to
				}
				config[name] = &value
			}
			detail := &sarama.TopicDetail{NumPartitions: tt.partitions, ReplicationFactor: -1, ConfigEntries: config}
			if err := admin.CreateTopic(ledger.TopicRecord, detail, false); err != nil {
				t.Fatal(err)
			}
			err = EnsureTopics(t.Context(), c)
			if tt.says == "" && err != nil || tt.says != "" && !errors.Is(err, ErrTopic) {
				t.Fatalf("got %v", err)
			}
			if tt.says != "" && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("it does not say %q: %v", tt.says, err)
			}
		})
	}
}

// Every topic has its retention by name, and the record is kept for ever.
func TestTopicTable(t *testing.T) {
	c := newCluster(t)
	if err := EnsureTopics(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	admin, err := sarama.NewClusterAdmin(c.Brokers, c.base())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	found, err := admin.ListTopics()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct {
		partitions int32
		retention  string
	}{
		"record":     {1, "-1"},
		"work.image": {12, "172800000"},
	} {
		detail := found[name]
		if is := detail.ConfigEntries["retention.ms"]; detail.NumPartitions != want.partitions || is == nil || *is != want.retention {
			t.Errorf("%s: %d partitions, retention %v", name, detail.NumPartitions, is)
		}
	}
	if len(found) != len(topics) {
		t.Errorf("there are %d topics", len(found))
	}
}

func TestClusterThatIsNotThere(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := EnsureTopics(ctx, Config{Brokers: []string{"127.0.0.1:1"}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
