//go:build realkafka

package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/tests"

	"github.com/bgremover/bgremover/deploy/dev/kafkatest"
)

// The same as on the embedded Kafka, and what watermill asks of everybody's publishers and
// subscribers.
func TestReal(t *testing.T) {
	for _, brokers := range []int{1, 3} {
		t.Run(strconv.Itoa(brokers), func(t *testing.T) {
			c := Config{Brokers: kafkatest.Start(t, brokers).Brokers()}
			if brokers == 1 {
				conformCopies(t, c, "1", "1", true)
			} else {
				conformMending(t, c)
				conformCopies(t, c, "3", "2", false)
			}
			conform(t, c)
			conformWatermill(t, c)
		})
	}
}

// conformMending does what the refusals of a record with too few copies say.
func conformMending(t *testing.T, c Config) {
	t.Helper()
	record := topics[0]
	makeTopic(t, c, record, 1, "1")
	admin := administer(t, c)

	err := EnsureTopics(t.Context(), c)
	if err == nil {
		t.Fatal("one copy on three brokers is accepted")
	}
	text := err.Error()
	var plan struct{ Partitions []struct{ Replicas []int32 } }
	if err := json.Unmarshal([]byte(text[strings.Index(text, "{"):strings.LastIndex(text, "}")+1]), &plan); err != nil {
		t.Fatal(err)
	}
	if err := admin.AlterPartitionReassignments(record.name, [][]int32{plan.Partitions[0].Replicas}); err != nil {
		t.Fatal(err)
	}
	// The copies are counted while they are made; that they are in sync is Kafka's business.
	err = EnsureTopics(t.Context(), c)
	if err == nil || !strings.Contains(err.Error(), "--add-config min.insync.replicas=2") {
		t.Fatalf("got %v", err)
	}
	two := "2"
	if err := admin.IncrementalAlterConfig(sarama.TopicResource, record.name, map[string]sarama.IncrementalAlterConfigsEntry{
		minInSync: {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &two},
	}, false); err != nil {
		t.Fatal(err)
	}
	if err := EnsureTopics(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

func TestRealAccess(t *testing.T) {
	k := kafkatest.Secured(t)
	s := k.Secure()
	pem, err := os.ReadFile(s.CA)
	if err != nil {
		t.Fatal(err)
	}
	w := ways{
		open: k.Brokers(), users: s.Users, scram: s.Scram, certificates: s.Certificates,
		user: s.User, password: s.Password, authority: x509.NewCertPool(),
	}
	if !w.authority.AppendCertsFromPEM(pem) {
		t.Fatal("the authority has no certificate")
	}
	if w.client, err = tls.LoadX509KeyPair(s.Cert, s.Key); err != nil {
		t.Fatal(err)
	}
	named := Config{
		Brokers: w.users, User: w.user, Password: w.password, Mechanism: ScramSHA512,
		TLS: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: w.authority},
	}
	if err := EnsureTopics(t.Context(), named); !errors.Is(err, ErrAccess) || !strings.Contains(err.Error(), "see kafka-acls") {
		t.Fatalf("a user without rights: %v", err)
	}
	admin := administer(t, Config{Brokers: w.open})
	for _, who := range []string{w.user, "CN=client"} {
		var all []*sarama.ResourceAcls
		for _, right := range rights {
			all = append(all, &sarama.ResourceAcls{Resource: right.Resource, Acls: []*sarama.Acl{{
				Principal: "User:" + who, Host: "*", Operation: right.operation, PermissionType: sarama.AclPermissionAllow,
			}}})
		}
		if err := admin.CreateACLs(all); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("ways in", func(t *testing.T) { conformAccess(t, w) })
	t.Run("with no more rights than these", func(t *testing.T) {
		if err := EnsureTopics(t.Context(), named); err != nil {
			t.Fatal(err)
		}
		conformWork(t, named, "processor")
	})
}

type right struct {
	sarama.Resource
	operation sarama.AclOperation
}

// rights are all that the service needs on a cluster with access lists. docs/operating.md and
// [Config.why] name them.
var rights = func() (all []right) {
	for _, operation := range []sarama.AclOperation{
		sarama.AclOperationCreate, sarama.AclOperationDescribe, sarama.AclOperationRead, sarama.AclOperationWrite, sarama.AclOperationDescribeConfigs,
	} {
		for _, topic := range topics {
			all = append(all, right{sarama.Resource{
				ResourceType: sarama.AclResourceTopic, ResourceName: topic.name, ResourcePatternType: sarama.AclPatternLiteral,
			}, operation})
		}
	}
	return append(all, right{sarama.Resource{
		ResourceType: sarama.AclResourceGroup, ResourceName: "processor", ResourcePatternType: sarama.AclPatternLiteral,
	}, sarama.AclOperationRead})
}()

// conformWatermill runs those of watermill's universal tests that fit: groups, persistent, in
// order, at least once. Not among them are those for subscribers without a group, which there are
// none of, and the one that restarts the broker: internal/ledger kills it under load.
func conformWatermill(t *testing.T, c Config) {
	features := tests.Features{ConsumerGroups: true, Persistent: true, GuaranteedOrder: true, ForceShort: true}
	ofGroup := func(t *testing.T, group string) (message.Publisher, message.Subscriber) {
		sub, err := NewSubscriber(c, group, nil)
		if err != nil {
			t.Fatal(err)
		}
		made := &madeTopics{config: c}
		return topicMaker{NewPublisher(c), made}, topicTaker{sub, made}
	}
	ofOne := func(t *testing.T) (message.Publisher, message.Subscriber) { return ofGroup(t, "watermill") }
	for name, test := range map[string]func(*testing.T, tests.TestContext, tests.PubSubConstructor){
		"publish and subscribe":   tests.TestPublishSubscribe,
		"concurrent":              tests.TestConcurrentSubscribe,
		"concurrent, many topics": tests.TestConcurrentSubscribeMultipleTopics,
		"resend on error":         tests.TestResendOnError,
		"not acknowledged":        tests.TestNoAck,
		"after a close":           tests.TestContinueAfterSubscribeClose,
		"concurrent close":        tests.TestConcurrentClose,
		"after errors":            tests.TestContinueAfterErrors,
		"in order":                tests.TestPublishSubscribeInOrder,
		"publisher's close":       tests.TestPublisherClose,
		"topics":                  tests.TestTopic,
		"message's context":       tests.TestMessageCtx,
		"subscription's context":  tests.TestSubscribeCtx,
		"groups": func(t *testing.T, tc tests.TestContext, _ tests.PubSubConstructor) {
			tests.TestConsumerGroups(t, tc, ofGroup)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, tests.TestContext{TestID: tests.NewTestID(), Features: features}, ofOne)
		})
	}
}

// madeTopics makes a topic of one partition, which is one order, before its first use.
type madeTopics struct {
	config Config
	mu     sync.Mutex
	made   map[string]bool
}

func (m *madeTopics) make(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.made[name] {
		return nil
	}
	admin, err := sarama.NewClusterAdmin(m.config.Brokers, m.config.base())
	if err != nil {
		return err
	}
	err = admin.CreateTopic(name, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}, false)
	if errors.Is(err, sarama.ErrTopicAlreadyExists) {
		err = nil
	}
	if err == nil {
		m.made = map[string]bool{name: true}
	}
	return errors.Join(err, admin.Close())
}

type topicMaker struct {
	message.Publisher
	*madeTopics
}

func (p topicMaker) Publish(topic string, messages ...*message.Message) error {
	if err := p.make(topic); err != nil {
		return err
	}
	return p.Publisher.Publish(topic, messages...)
}

type topicTaker struct {
	message.Subscriber
	*madeTopics
}

func (s topicTaker) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	if err := s.make(topic); err != nil {
		return nil, err
	}
	return s.Subscriber.Subscribe(ctx, topic)
}
