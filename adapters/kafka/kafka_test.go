package kafka

import (
	"context"
	"testing"

	"github.com/bgremover/bgremover/internal/embedded"
)

// newCluster starts an embedded Kafka of this test's own.
func newCluster(t testing.TB) Config {
	t.Helper()
	k, err := embedded.StartKafka(context.WithoutCancel(t.Context()), embedded.KafkaConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return Config{Brokers: k.Brokers(), User: k.Username(), Password: k.Password()}
}
