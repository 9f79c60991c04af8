package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"

	"github.com/bgremover/bgremover/internal/ledger"
)

// topic is one entry of the table: how it is made, and what must hold of it for ever.
type topic struct {
	name       string
	partitions int32
	config     map[string]string
	exact      bool // another number of partitions, or another value, or too few copies, is refused
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
			// A replica that lags must not become the one that counts.
			"unclean.leader.election.enable": "false",
		},
	},
	{
		name: ledger.TopicCheckpoints, partitions: 1, exact: true, // one order, as it was signed
		config: map[string]string{
			"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete",
			"max.message.bytes":              strconv.Itoa(maxMessageBytes),
			"unclean.leader.election.enable": "false",
		},
	},
	{
		name: ledger.TopicWork, partitions: 12,
		config: map[string]string{
			"retention.ms": strconv.FormatInt(ledger.WorkKept.Milliseconds(), 10), "cleanup.policy": "delete",
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
// the record is [ErrTopic], a cluster that does not let us in [ErrAccess]. Of a cluster that
// is too small to survive the loss of a broker, [Config.Log] is warned.
func EnsureTopics(ctx context.Context, c Config) error {
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		err := c.explain(ensureTopics(ctx, c))
		if err == nil || errors.Is(err, ErrTopic) || errors.Is(err, ErrAccess) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("kafka: make the topics: %w", errors.Join(err, context.Cause(ctx)))
		case <-time.After(pause):
		}
	}
}

func ensureTopics(ctx context.Context, c Config) (err error) {
	admin, err := sarama.NewClusterAdmin(c.Brokers, c.base())
	if errors.Is(err, sarama.ErrOutOfBrokers) {
		return errors.Join(err, c.probe())
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, admin.Close()) }()
	k := cluster{ClusterAdmin: admin, at: strings.Join(c.Brokers, ",")}
	if err := k.count(); err != nil {
		return err
	}
	var weak []string
	for _, t := range topics {
		enough, err := k.ensure(t)
		if err != nil {
			return fmt.Errorf("topic %s: %w", t.name, err)
		}
		if !enough {
			weak = append(weak, t.name)
		}
	}
	k.warn(ctx, c.Log, weak)
	return nil
}

// cluster is what the topics are made on.
type cluster struct {
	sarama.ClusterAdmin
	at      string // its brokers, for commands
	brokers []int32
}

// count finds out which brokers there are: those that are up.
func (k *cluster) count() error {
	brokers, _, err := k.DescribeCluster()
	if err != nil {
		return err
	}
	for _, b := range brokers {
		k.brokers = append(k.brokers, b.ID())
	}
	slices.Sort(k.brokers)
	return nil
}

// ensure makes a topic or checks it. durable is what [cluster.durable] says about it.
func (k *cluster) ensure(t topic) (durable bool, err error) {
	if err := k.create(t); err != nil {
		return false, err
	}
	found, err := k.DescribeTopics([]string{t.name})
	if err != nil {
		return false, err
	}
	if len(found) != 1 || found[0].Err != sarama.ErrNoError {
		return false, errors.New("it is not there yet")
	}
	for _, p := range found[0].Partitions {
		if p.Err != sarama.ErrNoError {
			return false, p.Err
		}
	}
	is, err := k.describe(t.name, append(slices.Sorted(maps.Keys(t.config)), minInSync))
	if err != nil {
		return false, err
	}
	if t.exact {
		if err := k.check(t, len(found[0].Partitions), is); err != nil {
			return false, err
		}
	}
	return k.durable(t, found[0].Partitions, is)
}

// create makes a topic that is missing, with as many copies as the cluster bears.
func (k *cluster) create(t topic) error {
	err := k.createWith(t, copies, copiesInSync)
	if errors.Is(err, sarama.ErrInvalidReplicationFactor) { // not so many brokers
		err = k.createWith(t, min(len(k.brokers), copies), 1)
	}
	if errors.Is(err, sarama.ErrTopicAlreadyExists) {
		return nil
	}
	return err
}

func (k *cluster) createWith(t topic, copies, inSync int) error {
	inSyncText := strconv.Itoa(inSync)
	config := map[string]*string{minInSync: &inSyncText}
	for name, value := range t.config {
		config[name] = &value
	}
	return k.CreateTopic(t.name, &sarama.TopicDetail{NumPartitions: t.partitions, ReplicationFactor: int16(copies), ConfigEntries: config}, false)
}

// check refuses a topic that somebody else made otherwise: better no start than a record
// that is not kept, or not in one order.
func (k *cluster) check(t topic, partitions int, is map[string]string) error {
	if partitions != int(t.partitions) {
		return fmt.Errorf("%w: it has %d partitions and must have %d; make it anew, partitions cannot be taken away", ErrTopic, partitions, t.partitions)
	}
	for _, name := range slices.Sorted(maps.Keys(t.config)) {
		if is[name] != t.config[name] && !enough(name, is[name]) {
			return fmt.Errorf("%w: %s is %q and must be %q; set it with %s", ErrTopic, name, is[name], t.config[name], k.configure(t.name, name, t.config[name]))
		}
	}
	return nil
}

// configure is the command that gives a topic a setting.
func (k *cluster) configure(topic, name, value string) string {
	return fmt.Sprintf("kafka-configs --bootstrap-server %s --alter --entity-type topics --entity-name %s --add-config %s=%s", k.at, topic, name, value)
}

func (k *cluster) describe(topic string, names []string) (map[string]string, error) {
	results, err := k.DescribeConfigs([]*sarama.ConfigResource{
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
	switch name {
	case "max.message.bytes":
		n, err := strconv.Atoi(value)
		return err == nil && n >= maxMessageBytes
	case "unclean.leader.election.enable":
		return value == "" // a broker that does not have the setting does not do it
	}
	return false
}
