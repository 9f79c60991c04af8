package kafka

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/IBM/sarama"
	watermill "github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/bgremover/bgremover/internal/ledger"
)

// Publisher is a watermill publisher that sends a whole batch in as few round trips as
// fit (watermill-kafka's own sends one message each). It is safe for concurrent use.
type Publisher struct {
	cfg Config

	mu       sync.Mutex
	producer *producer // nil until the first batch, and after an error
	closed   bool
}

// producer is closed when nobody uses it any more: sarama's does not bear batches while it closes.
type producer struct {
	sarama.SyncProducer
	users sync.WaitGroup
}

// end closes a producer that nobody can find any more.
func (p *producer) end() error {
	p.users.Wait()
	return p.Close()
}

// NewPublisher returns a publisher. It connects with the first batch, so that a cluster
// that is away for a while is waited for where everything else is waited for.
func NewPublisher(c Config) *Publisher { return &Publisher{cfg: c} }

// Publish stores messages in their order and returns once all replicas have all of them. On
// an error any of them may be stored, and any may be missing.
//
// The value is the payload, byte for byte; metadata become headers, but for
// [ledger.MetaKey], which is the key, and [ledger.MetaOffset], which is set here.
func (p *Publisher) Publish(topic string, messages ...*message.Message) error {
	if len(messages) == 0 {
		return nil
	}
	producer, err := p.connected()
	if err != nil {
		return fmt.Errorf("kafka: connect: %w", p.cfg.explain(err))
	}
	batch := make([]*sarama.ProducerMessage, len(messages))
	for i, m := range messages {
		batch[i] = toKafka(topic, m)
	}
	err = producer.SendMessages(batch)
	producer.users.Done()
	if err != nil {
		// A new producer shares no sequence numbers with this one: nothing that is sent
		// again is taken for a repetition of what may not have been stored.
		return errors.Join(fmt.Errorf("kafka: %w", firstCause(err)), p.discard(producer))
	}
	for i, m := range messages {
		if offset := batch[i].Offset; offset >= 0 {
			m.Metadata.Set(ledger.MetaOffset, strconv.FormatInt(offset, 10))
		}
	}
	return nil
}

// connected returns a producer that is in use from then on.
func (p *Publisher) connected() (*producer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errors.New("the publisher is closed")
	}
	if p.producer == nil {
		connected, err := sarama.NewSyncProducer(p.cfg.Brokers, p.cfg.producer())
		if err != nil {
			return nil, err
		}
		p.producer = &producer{SyncProducer: connected}
	}
	p.producer.users.Add(1)
	return p.producer, nil
}

// discard closes a producer, unless another call or Close does.
func (p *Publisher) discard(failed *producer) error {
	p.mu.Lock()
	ours := p.producer == failed
	if ours {
		p.producer = nil
	}
	p.mu.Unlock()
	if !ours {
		return nil
	}
	return failed.end()
}

// Close waits for what is being sent.
func (p *Publisher) Close() error {
	p.mu.Lock()
	last := p.producer
	p.producer, p.closed = nil, true
	p.mu.Unlock()
	if last == nil {
		return nil
	}
	return last.end()
}

func toKafka(topic string, m *message.Message) *sarama.ProducerMessage {
	if m.Metadata == nil {
		m.Metadata = message.Metadata{}
	}
	k := &sarama.ProducerMessage{Topic: topic, Value: sarama.ByteEncoder(m.Payload), Offset: -1} // -1: not known
	if m.UUID != "" {
		k.Headers = append(k.Headers, header(watermill.UUIDHeaderKey, m.UUID))
	}
	for _, name := range slices.Sorted(maps.Keys(m.Metadata)) {
		switch value := m.Metadata[name]; name {
		case ledger.MetaKey:
			k.Key = sarama.StringEncoder(value)
		case ledger.MetaOffset:
		default:
			k.Headers = append(k.Headers, header(name, value))
		}
	}
	return k
}

func header(name, value string) sarama.RecordHeader {
	return sarama.RecordHeader{Key: []byte(name), Value: []byte(value)}
}

// firstCause keeps one error of thousands that say the same, and of it only the cause:
// sarama's carry the message.
func firstCause(err error) error {
	if all, ok := errors.AsType[sarama.ProducerErrors](err); ok && len(all) > 0 {
		return fmt.Errorf("%d messages were not stored, the first because: %w", len(all), all[0].Err)
	}
	return err
}
