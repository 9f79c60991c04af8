package embedded

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"
)

// childKafka tells a copy of this test binary to run Kafka there until it is killed.
const childKafka = "BGREMOVER_TEST_CHILD_KAFKA"

// access is what a client needs.
type access struct {
	Brokers        []string
	User, Password string
}

func accessTo(k *Kafka) access { return access{k.Brokers(), k.Username(), k.Password()} }

func startTestKafka(t *testing.T, cfg KafkaConfig, settings map[string]string) *Kafka {
	t.Helper()
	k, err := startKafka(t.Context(), cfg, settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

// client is sarama with the settings of the ledger's publisher.
func client(t *testing.T, a access) sarama.Client {
	t.Helper()
	c, err := newClient(a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func newClient(a access) (sarama.Client, error) {
	cfg := sarama.NewConfig()
	cfg.Version = sarama.V3_6_0_0
	cfg.Net.SASL.Enable, cfg.Net.SASL.User, cfg.Net.SASL.Password = true, a.User, a.Password
	cfg.Net.MaxOpenRequests = 1
	cfg.Metadata.Retry.Max = 0
	cfg.Producer.Idempotent, cfg.Producer.RequiredAcks = true, sarama.WaitForAll
	cfg.Producer.Return.Successes = true
	cfg.Producer.Partitioner = sarama.NewManualPartitioner
	return sarama.NewClient(a.Brokers, cfg)
}

func createTopic(t *testing.T, a access, name string, configs map[string]string) {
	t.Helper()
	admin, err := sarama.NewClusterAdminFromClient(client(t, a))
	if err != nil {
		t.Fatal(err)
	}
	detail := &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1, ConfigEntries: map[string]*string{}}
	for key, value := range configs {
		detail.ConfigEntries[key] = &value
	}
	if err := admin.CreateTopic(name, detail, false); err != nil {
		t.Fatal(err)
	}
}

func produce(t *testing.T, a access, topic string, at time.Time, values ...string) {
	t.Helper()
	producer, err := sarama.NewSyncProducerFromClient(client(t, a))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	for _, value := range values {
		message := &sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(value), Timestamp: at}
		if _, _, err := producer.SendMessage(message); err != nil {
			t.Fatal(err)
		}
	}
}

// firstOffset and nextOffset bound what the topic holds.
func firstOffset(t *testing.T, c sarama.Client, topic string) int64 {
	return offset(t, c, topic, sarama.OffsetOldest)
}

func nextOffset(t *testing.T, c sarama.Client, topic string) int64 {
	return offset(t, c, topic, sarama.OffsetNewest)
}

func offset(t *testing.T, c sarama.Client, topic string, which int64) int64 {
	t.Helper()
	n, err := c.GetOffset(topic, 0, which)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// consume returns all that the topic holds.
func consume(t *testing.T, a access, topic string) (values []string) {
	t.Helper()
	c := client(t, a)
	consumer, err := sarama.NewConsumerFromClient(c)
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	from, to := firstOffset(t, c, topic), nextOffset(t, c, topic)
	partition, err := consumer.ConsumePartition(topic, 0, from)
	if err != nil {
		t.Fatal(err)
	}
	defer partition.Close()
	for range to - from {
		select {
		case message := <-partition.Messages():
			values = append(values, string(message.Value))
		case <-time.After(20 * time.Second):
			t.Fatalf("got %d of %d messages", len(values), to-from)
		}
	}
	return values
}

func TestKafkaKeepsRecordsAcrossARestart(t *testing.T) {
	dir := t.TempDir()
	first := startTestKafka(t, KafkaConfig{Dir: dir}, kafkaSettings)
	createTopic(t, accessTo(first), "record", map[string]string{"retention.ms": "-1"})
	produce(t, accessTo(first), "record", time.Now(), "one", "two")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}

	second := startTestKafka(t, KafkaConfig{Dir: dir}, kafkaSettings)
	produce(t, accessTo(second), "record", time.Now(), "three")
	if got := strings.Join(consume(t, accessTo(second), "record"), " "); got != "one two three" {
		t.Errorf("the record holds %q", got)
	}
	if second.Password() == first.Password() {
		t.Error("the password outlived its process")
	}
}

func TestKafkaKeepsAcknowledgedRecordsAfterKill(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for round := range 3 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childKafka+"="+dir)
		child.Stderr = os.Stderr
		stdout, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		var a access
		err = json.NewDecoder(bufio.NewReader(stdout)).Decode(&a)
		if err == nil && round == 0 {
			createTopic(t, a, "record", map[string]string{"retention.ms": "-1"})
		}
		if err == nil {
			for i := range 50 {
				value := fmt.Sprintf("%d.%d", round, i)
				produce(t, a, "record", time.Now(), value)
				want = append(want, value)
			}
		}
		_ = child.Process.Kill()
		_ = child.Wait() // killed
		if err != nil {
			t.Fatal(err)
		}
	}
	k := startTestKafka(t, KafkaConfig{Dir: dir}, kafkaSettings)
	if got := consume(t, accessTo(k), "record"); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("acknowledged %d, kept %d", len(want), len(got))
	}
}

func runChildKafka(dir string) {
	k, err := StartKafka(context.Background(), KafkaConfig{Dir: dir})
	if err != nil {
		panic(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(accessTo(k)); err != nil {
		panic(err)
	}
	select {}
}

func TestKafkaRefusesStrangers(t *testing.T) {
	k := startTestKafka(t, KafkaConfig{Dir: t.TempDir()}, kafkaSettings)
	createTopic(t, accessTo(k), "record", nil)
	for name, a := range map[string]access{
		"a wrong password":                    {k.Brokers(), k.Username(), "guess"},
		"an empty password":                   {k.Brokers(), k.Username(), ""},
		"a user who does not exist, an empty": {k.Brokers(), "nobody", ""},
	} {
		if c, err := newClient(a); err == nil {
			c.Close()
			t.Errorf("%s: let in", name)
		}
	}
}

// The guard is one wall; without it the broker's own must hold too.
func TestKafkaBehindTheGuardRefusesStrangers(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.EnableACLs(), kfake.SeedTopics(1, "record"), kfake.Superuser("PLAIN", kafkaUser, "secret"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	c, err := newClient(access{cluster.ListenAddrs(), "nobody", ""})
	if err != nil {
		return
	}
	defer c.Close()
	if n, err := c.GetOffset("record", 0, sarama.OffsetNewest); err == nil {
		t.Errorf("a stranger reads that the next offset is %d", n)
	}
}

func TestKafkaFilesAreClosedToOthers(t *testing.T) {
	dir := t.TempDir()
	k := startTestKafka(t, KafkaConfig{Dir: dir}, kafkaSettings)
	info, err := os.Stat(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o700 {
		t.Errorf("the record's folder has mode %v", info.Mode())
	}
	for _, when := range []string{"while it runs", "after it ran"} {
		err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			content, err := os.ReadFile(path)
			if strings.Contains(string(content), k.Password()) {
				t.Errorf("%s, %s holds the password", when, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if when == "while it runs" {
			if err := k.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestKafkaIsRefusedToASecondProcess(t *testing.T) {
	dir := t.TempDir()
	startTestKafka(t, KafkaConfig{Dir: dir}, kafkaSettings)
	if _, err := StartKafka(t.Context(), KafkaConfig{Dir: dir}); !errors.Is(err, ErrInUse) {
		t.Errorf("a second start says %v", err)
	}
}

func TestKafkaServesAConsumerGroup(t *testing.T) {
	k := startTestKafka(t, KafkaConfig{Dir: t.TempDir()}, kafkaSettings)
	a := accessTo(k)
	createTopic(t, a, "work", nil)
	produce(t, a, "work", time.Now(), "one", "two")
	c := client(t, a)
	c.Config().Consumer.Offsets.Initial = sarama.OffsetOldest
	group, err := sarama.NewConsumerGroupFromClient("processor", c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	began := time.Now()
	var got handler
	got.enough = func() {
		t.Logf("from joining to the last message: %v", time.Since(began).Round(time.Millisecond))
		cancel()
	}
	if err := group.Consume(ctx, []string{"work"}, &got); err != nil {
		t.Error(err)
	}
	if err := group.Close(); err != nil {
		t.Error(err)
	}
	if strings.Join(got.values, " ") != "one two" {
		t.Errorf("the group got %v", got.values)
	}
}

type handler struct {
	values []string
	enough func()
}

func (h *handler) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (h *handler) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (h *handler) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		h.values = append(h.values, string(message.Value))
		session.MarkMessage(message, "")
		if len(h.values) == 2 {
			h.enough()
		}
	}
	return nil
}

// One topic with a retention starts a ticker that goes over all of them.
func TestKafkaRetentionSparesTheRecord(t *testing.T) {
	settings := maps.Clone(kafkaSettings)
	settings["log.cleaner.backoff.ms"] = "20" // how often the ticker ticks
	k := startTestKafka(t, KafkaConfig{Dir: t.TempDir()}, settings)
	a, longAgo := accessTo(k), time.Now().AddDate(-5, 0, 0)
	createTopic(t, a, "record", map[string]string{"retention.ms": "-1"})
	createTopic(t, a, "forgotten", nil) // somebody forgot to say -1
	createTopic(t, a, "work", map[string]string{"retention.ms": "1000"})
	for _, topic := range []string{"record", "forgotten", "work"} {
		produce(t, a, topic, longAgo, "fact")
	}

	c := client(t, a)
	waitFor(t, func() bool { return firstOffset(t, c, "work") == 1 })
	produce(t, a, "work", longAgo, "fact")
	waitFor(t, func() bool { return firstOffset(t, c, "work") == 2 }) // a whole round after the first

	for _, topic := range []string{"record", "forgotten"} {
		if first := firstOffset(t, c, topic); first != 0 {
			t.Errorf("%s lost what was before offset %d", topic, first)
		}
	}
}

func TestKafkaSaysThatAFileIsDamaged(t *testing.T) {
	dir := t.TempDir()
	k := startTestKafka(t, KafkaConfig{Dir: dir}, kafkaSettings)
	createTopic(t, accessTo(k), "record", map[string]string{"retention.ms": "-1"})
	produce(t, accessTo(k), "record", time.Now(), "one", "two")
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	segments, err := filepath.Glob(filepath.Join(dir, "log", "partitions", "*", "*.dat"))
	if err != nil || len(segments) != 1 {
		t.Fatalf("segments %v, %v", segments, err)
	}
	content, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(segments[0], content[:len(content)-3], 0o600); err != nil {
		t.Fatal(err)
	}
	// the summary that an orderly stop left would hide it; a crash leaves none
	snapshots, err := filepath.Glob(filepath.Join(dir, "log", "partitions", "*", "snapshot.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, snapshot := range snapshots {
		if err := os.Remove(snapshot); err != nil {
			t.Fatal(err)
		}
	}

	var log logBuffer
	startTestKafka(t, KafkaConfig{Dir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))}, kafkaSettings)
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "corrupt bytes") {
		t.Errorf("the log says %q", log.String())
	}
}
