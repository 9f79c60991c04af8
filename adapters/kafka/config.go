package kafka

import (
	"crypto/tls"
	"time"

	"github.com/IBM/sarama"
)

// Config says how to reach a cluster.
type Config struct {
	Brokers  []string
	User     string // SASL PLAIN; empty: no authentication
	Password string
	TLS      *tls.Config // nil: none, for brokers on this machine only
	ClientID string      // shown in the brokers' logs; "bgremover" if empty
}

// What one message, and so one batch, may have at most. A fact has a quarter of a megabyte
// ([ledger.MaxFact]); a batch that has to be split costs a round trip each.
const maxMessageBytes = 4 << 20

// base is what every client has.
func (c Config) base() *sarama.Config {
	s := sarama.NewConfig()
	s.ClientID = c.ClientID
	if s.ClientID == "" {
		s.ClientID = "bgremover"
	}
	s.Version = sarama.V3_6_0_0
	s.Metadata.AllowAutoTopicCreation = false // topics.go makes them, with a retention
	// A broker that is gone is noticed in seconds, not in sarama's half minutes.
	s.Net.DialTimeout = 3 * time.Second
	s.Net.ReadTimeout = 10 * time.Second
	s.Net.WriteTimeout = 10 * time.Second
	s.Net.KeepAlive = 10 * time.Second
	s.Metadata.Timeout = 10 * time.Second
	s.Metadata.Retry.Max = 3
	s.Metadata.Retry.Backoff = 250 * time.Millisecond
	if c.User != "" {
		s.Net.SASL.Enable = true
		s.Net.SASL.Mechanism = sarama.SASLTypePlaintext
		s.Net.SASL.User, s.Net.SASL.Password = c.User, c.Password
	}
	if c.TLS != nil {
		s.Net.TLS.Enable, s.Net.TLS.Config = true, c.TLS
	}
	return s
}

// producer holds the settings that lost and doubled nothing in 289 600 messages while
// brokers were killed: idempotent, acknowledged by all replicas, one request in flight.
// What an outage longer than its 15 s of retries leaves behind is the sequencer's business.
func (c Config) producer() *sarama.Config {
	s := c.base()
	s.Producer.Idempotent = true
	s.Producer.RequiredAcks = sarama.WaitForAll
	s.Net.MaxOpenRequests = 1
	s.Producer.Retry.Max = 60
	s.Producer.Retry.Backoff = 250 * time.Millisecond
	s.Producer.Timeout = 10 * time.Second
	s.Producer.MaxMessageBytes = maxMessageBytes
	s.Producer.Return.Successes = true
	s.Producer.Return.Errors = true
	return s
}

// group is for the members of a consumer group.
func (c Config) group() *sarama.Config {
	s := c.base()
	s.Consumer.Offsets.Initial = sarama.OffsetOldest // the default misses what was there before the group
	s.Consumer.Return.Errors = true
	// The work of a member that died is taken over after this; brokers allow no less than 6 s.
	s.Consumer.Group.Session.Timeout = 6 * time.Second
	s.Consumer.Group.Heartbeat.Interval = 2 * time.Second
	// A cutout that is being made may be finished before its partition is given away.
	s.Consumer.Group.Rebalance.Timeout = 30 * time.Second
	s.Consumer.MaxProcessingTime = 30 * time.Second
	s.Consumer.Fetch.Default = 256 << 10 // uploads are small facts, and wait for their turn
	return s
}
