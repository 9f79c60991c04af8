//go:build realkafka

package ledger_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/IBM/sarama"

	"github.com/bgremover/bgremover/adapters/kafka"
	"github.com/bgremover/bgremover/deploy/dev/kafkatest"
)

// suite is what must hold on every cluster. What concerns Postgres alone is not in it.
var suite = []struct {
	name string
	test func(*testing.T)
}{
	{"life of a picture", TestLifeOfAPicture},
	{"many appenders on few streams", TestManyAppendersOnFewStreams},
	{"repeated request", TestRepeatedRequest},
	{"await", TestAwait},
	{"another process publishes", TestAnotherProcessPublishes},
	{"Kafka away", TestKafkaAwayForAWhile},
	{"batches in doubt", TestBatchesInDoubt},
	{"batches stored in part", TestBatchesStoredInPart},
	{"work is part of a batch", TestWorkIsPartOfABatch},
	{"Postgres away", TestPostgresAwayForAWhile},
	{"sequencer loses its connection", TestSequencerLosesItsConnection},
	{"two sequencers", TestTwoSequencers},
	{"restart", TestRestart},
	{"adoption", TestAdoption},
	{"adoption displaces", TestAdoptionDisplaces},
	{"adoption completes an append", TestAdoptionCompletesAnAppend},
	{"fork", TestForkHaltsEverything},
	{"foreign messages", TestForeignMessagesHalt},
	{"broker lost its end", TestBrokerLostItsEnd},
	{"zombie", TestZombie},
}

// TestRealSuite runs it on one broker and on three.
func TestRealSuite(t *testing.T) {
	embedded := newCluster
	t.Cleanup(func() { newCluster = embedded })
	for _, brokers := range []int{1, 3} {
		t.Run(strconv.Itoa(brokers), func(t *testing.T) {
			all := &clusters{t: t, brokers: brokers}
			newCluster = all.lease
			for _, s := range suite {
				t.Run(s.name, s.test)
			}
		})
	}
}

// clusters are lent to tests, one after the other, and emptied in between.
type clusters struct {
	t       *testing.T
	brokers int
	free    []kafka.Config
}

func (c *clusters) lease(t testing.TB) kafka.Config {
	t.Helper()
	if len(c.free) == 0 {
		c.free = append(c.free, kafka.Config{Brokers: kafkatest.Start(c.t, c.brokers).Brokers()})
	}
	cfg := c.free[len(c.free)-1]
	c.free = c.free[:len(c.free)-1]
	t.Cleanup(func() {
		empty(t, cfg)
		c.free = append(c.free, cfg)
	})
	return cfg
}

// empty removes topics and groups.
func empty(t testing.TB, c kafka.Config) {
	t.Helper()
	admin := administer(t, c)
	defer admin.Close()
	topics, err := admin.ListTopics()
	must(t, err)
	for name := range topics {
		if !strings.HasPrefix(name, "__") {
			must(t, admin.DeleteTopic(name))
		}
	}
	groups, err := admin.ListConsumerGroups()
	must(t, err)
	for name := range groups {
		if err := admin.DeleteConsumerGroup(name); err != nil && !errors.Is(err, sarama.ErrGroupIDNotFound) {
			t.Error(err)
		}
	}
}

func administer(t testing.TB, c kafka.Config) sarama.ClusterAdmin {
	t.Helper()
	settings := sarama.NewConfig()
	settings.Version = sarama.V3_6_0_0
	admin, err := sarama.NewClusterAdmin(c.Brokers, settings)
	must(t, err)
	return admin
}
