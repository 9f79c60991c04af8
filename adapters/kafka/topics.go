package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/IBM/sarama"

	"github.com/bgremover/bgremover/internal/ledger"
)

// topic is one entry of the table: how it is made, and what must hold of it for ever.
type topic struct {
	name       string
	partitions int32
	config     map[string]string
	exact      bool // another number of partitions, or another value, is refused
}

// TopicDead takes what a processor found in [ledger.TopicWork] and could not understand.
const TopicDead = "work.image.dead"

// topics are all there are. The retention of every one is set by name: the embedded Kafka
// applies its default to all others as soon as one topic has its own.
var topics = []topic{
	{
		name: ledger.TopicRecord, partitions: 1, exact: true, // one order means one partition
		config: map[string]string{
			"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete",
			"max.message.bytes": strconv.Itoa(maxMessageBytes),
		},
	},
	{
		name: ledger.TopicWork, partitions: 12,
		config: map[string]string{
			"retention.ms": "172800000", "cleanup.policy": "delete", // two days
			"max.message.bytes": strconv.Itoa(maxMessageBytes),
		},
	},
	{
		name: TopicDead, partitions: 1,
		config: map[string]string{
			"retention.ms": "1209600000", "cleanup.policy": "delete", // two weeks, for somebody to look
			"max.message.bytes": strconv.Itoa(maxMessageBytes),
		},
	},
}

// ErrTopic says that a topic is not as it must be. The text says what to change.
var ErrTopic = errors.New("a topic has settings under which the record would not be kept")

// EnsureTopics makes the topics that are missing and checks those that are there. While
// the cluster cannot be reached, it tries again until ctx ends. A topic that would not keep
// the record is [ErrTopic].
func EnsureTopics(ctx context.Context, c Config) error {
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		err := ensureTopics(c)
		if err == nil || errors.Is(err, ErrTopic) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("kafka: make the topics: %w", errors.Join(err, context.Cause(ctx)))
		case <-time.After(pause):
		}
	}
}

func ensureTopics(c Config) (err error) {
	admin, err := sarama.NewClusterAdmin(c.Brokers, c.base())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, admin.Close()) }()
	for _, t := range topics {
		if err := t.ensure(admin); err != nil {
			return fmt.Errorf("topic %s: %w", t.name, err)
		}
	}
	return nil
}

func (t topic) ensure(admin sarama.ClusterAdmin) error {
	config := map[string]*string{}
	for name, value := range t.config {
		config[name] = &value
	}
	// -1: as many replicas as the cluster's own default says.
	err := admin.CreateTopic(t.name, &sarama.TopicDetail{NumPartitions: t.partitions, ReplicationFactor: -1, ConfigEntries: config}, false)
	if err != nil && !errors.Is(err, sarama.ErrTopicAlreadyExists) {
		return err
	}
	found, err := admin.DescribeTopics([]string{t.name})
	if err != nil {
		return err
	}
	if len(found) != 1 || found[0].Err != sarama.ErrNoError {
		return errors.New("it is not there yet")
	}
	for _, p := range found[0].Partitions {
		if p.Err != sarama.ErrNoError {
			return p.Err
		}
	}
	if !t.exact {
		return nil
	}
	return t.check(admin, len(found[0].Partitions))
}

// check refuses a topic that somebody else made otherwise: better no start than a record
// that is not kept, or not in one order.
func (t topic) check(admin sarama.ClusterAdmin, partitions int) error {
	if partitions != int(t.partitions) {
		return fmt.Errorf("%w: it has %d partitions and must have %d; make it anew, partitions cannot be taken away", ErrTopic, partitions, t.partitions)
	}
	names := slices.Sorted(maps.Keys(t.config))
	is, err := describe(admin, t.name, names)
	if err != nil {
		return err
	}
	for _, name := range names {
		if is[name] != t.config[name] && !enough(name, is[name]) {
			return fmt.Errorf("%w: %s is %q and must be %q; set it with kafka-configs --alter --entity-type topics --entity-name %s --add-config %s=%s",
				ErrTopic, name, is[name], t.config[name], t.name, name, t.config[name])
		}
	}
	return nil
}

func describe(admin sarama.ClusterAdmin, topic string, names []string) (map[string]string, error) {
	results, err := admin.DescribeConfigs([]*sarama.ConfigResource{
		{Type: sarama.TopicResource, Name: topic, ConfigNames: names},
	}, sarama.DescribeConfigsOptions{})
	if err != nil {
		return nil, err
	}
	is := map[string]string{}
	for _, r := range results {
		if r.ErrorCode != sarama.ErrNoError {
			return nil, r.ErrorCode
		}
		for _, e := range r.Configs {
			is[e.Name] = e.Value
		}
	}
	return is, nil
}

// enough says whether a value that differs will do.
func enough(name, value string) bool {
	n, err := strconv.Atoi(value)
	return name == "max.message.bytes" && err == nil && n >= maxMessageBytes
}
