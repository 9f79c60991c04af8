package kafka

import (
	"crypto/tls"
	"log/slog"
	"net"
	"time"

	"github.com/IBM/sarama"
	"github.com/xdg-go/scram"
)

// Config says how to reach a cluster.
type Config struct {
	Brokers   []string
	User      string // empty: no authentication by password
	Password  string
	Mechanism Mechanism   // [Plain] if empty
	TLS       *tls.Config // nil: none, for brokers on this machine only
	ClientID  string      // shown in the brokers' logs; "bgremover" if empty

	// RetryFor is about how long a batch is tried again before [Publisher.Publish] gives up;
	// 15 s if zero.
	RetryFor time.Duration
	// Dial connects to a broker; nil: directly. TLS is spoken over what it returns.
	Dial func(network, addr string) (net.Conn, error)
	// Log is told by [EnsureTopics] what an operator should know; nil: silence.
	Log *slog.Logger
}

// Mechanism is how a user proves to have the password.
type Mechanism string

// Mechanisms, as the configuration names them. With SCRAM the password does not travel.
const (
	Plain       Mechanism = "plain"
	ScramSHA256 Mechanism = "scram-sha-256"
	ScramSHA512 Mechanism = "scram-sha-512"
)

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
		c.logIn(s)
	}
	if c.TLS != nil {
		s.Net.TLS.Enable, s.Net.TLS.Config = true, c.TLS
	}
	if c.Dial != nil {
		s.Net.Proxy.Enable, s.Net.Proxy.Dialer = true, dialer(c.Dial)
	}
	return s
}

type dialer func(network, addr string) (net.Conn, error)

func (d dialer) Dial(network, addr string) (net.Conn, error) { return d(network, addr) }

func (c Config) mechanism() Mechanism {
	if c.Mechanism == "" {
		return Plain
	}
	return c.Mechanism
}

func (c Config) logIn(s *sarama.Config) {
	s.Net.SASL.Enable = true
	s.Net.SASL.User, s.Net.SASL.Password = c.User, c.Password
	switch c.mechanism() {
	case ScramSHA256:
		s.Net.SASL.Mechanism, s.Net.SASL.SCRAMClientGeneratorFunc = sarama.SASLTypeSCRAMSHA256, newScram(scram.SHA256)
	case ScramSHA512:
		s.Net.SASL.Mechanism, s.Net.SASL.SCRAMClientGeneratorFunc = sarama.SASLTypeSCRAMSHA512, newScram(scram.SHA512)
	case Plain:
		s.Net.SASL.Mechanism = sarama.SASLTypePlaintext
	default: // sarama refuses it
		s.Net.SASL.Mechanism = sarama.SASLMechanism(c.Mechanism)
	}
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
	s.Producer.Retry.BackoffFunc = backoff
	s.Producer.Timeout = 10 * time.Second // how long the other replicas may take
	if c.RetryFor != 0 {
		s.Producer.Retry.Max = max(1, int(c.RetryFor/pause))
		s.Producer.Timeout = min(s.Producer.Timeout, c.RetryFor)
	}
	s.Producer.MaxMessageBytes = maxMessageBytes
	s.Producer.Return.Successes = true
	s.Producer.Return.Errors = true
	return s
}

// pause is between two attempts.
const pause = 250 * time.Millisecond

// backoff is no pause before the first attempt: sarama asks for it once for each message of
// a batch that has no leader to go to, one after the other, and thousands would take minutes
// to be given up.
func backoff(retries, _ int) time.Duration {
	if retries == 0 {
		return 0
	}
	return pause
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
