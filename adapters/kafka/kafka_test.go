package kafka

import (
	"testing"

	"github.com/bgremover/bgremover/internal/embedded/embeddedtest"
)

// newCluster starts an embedded Kafka of this test's own.
func newCluster(t testing.TB) Config {
	t.Helper()
	k := embeddedtest.NewKafka(t)
	return Config{Brokers: k.Brokers(), User: k.Username(), Password: k.Password()}
}
