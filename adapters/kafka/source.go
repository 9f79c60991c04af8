package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/bgremover/bgremover/internal/ledger"
)

// fetchBytes is how much of the record is fetched at once.
const fetchBytes = 4 << 20

// Source reads a topic of one partition, such as the record. It is safe for concurrent use,
// but one call waits for the other; every reader has its own.
type Source struct {
	cfg   Config
	topic string

	mu     sync.Mutex
	client sarama.Client // nil until the first call
	closed bool
}

// NewSource returns a source of the record. It connects with the first call.
func NewSource(c Config) *Source { return NewSourceOf(c, ledger.TopicRecord) }

// NewSourceOf returns a source of another topic. What has no place in the record has the seq 0.
func NewSourceOf(c Config, topic string) *Source { return &Source{cfg: c, topic: topic} }

// Fetch implements [ledger.Source]. When ctx ends meanwhile it still waits for the broker's
// answer: as long as wait, or until the connection times out.
func (s *Source) Fetch(ctx context.Context, from int64, wait time.Duration) (ledger.Fetched, error) {
	if err := ctx.Err(); err != nil {
		return ledger.Fetched{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := s.fetch(from, wait)
	if err != nil {
		return ledger.Fetched{}, fmt.Errorf("kafka: read the topic %s: %w", s.topic, s.cfg.explain(err))
	}
	return f, nil
}

func (s *Source) fetch(from int64, wait time.Duration) (ledger.Fetched, error) {
	client, err := s.connected()
	if err != nil {
		return ledger.Fetched{}, err
	}
	broker, err := client.Leader(s.topic, 0)
	if err != nil {
		return ledger.Fetched{}, s.refresh(err)
	}
	req := &sarama.FetchRequest{
		Version: 11, MaxWaitTime: int32(wait.Milliseconds()), MinBytes: 1, MaxBytes: fetchBytes,
		Isolation: sarama.ReadCommitted, SessionEpoch: -1, // no session
	}
	req.AddBlock(s.topic, 0, from, fetchBytes, -1)
	res, err := broker.Fetch(req)
	if err != nil {
		_ = broker.Close() // it is opened anew by the next call; what matters is err
		return ledger.Fetched{}, s.refresh(err)
	}
	block := res.GetBlock(s.topic, 0)
	switch {
	case block == nil:
		return ledger.Fetched{}, s.refresh(sarama.ErrIncompleteResponse)
	case errors.Is(block.Err, sarama.ErrOffsetOutOfRange):
		return s.outOfRange(from)
	case block.Err != sarama.ErrNoError:
		return ledger.Fetched{}, s.refresh(block.Err)
	}
	return entries(block, from)
}

// refresh asks again where the partition's leader is, and returns the error that made it necessary.
func (s *Source) refresh(err error) error {
	if refreshErr := s.client.RefreshMetadata(s.topic); refreshErr != nil {
		return errors.Join(err, refreshErr)
	}
	return err
}

// outOfRange says where the partition begins and ends instead.
func (s *Source) outOfRange(from int64) (ledger.Fetched, error) {
	start, err := s.client.GetOffset(s.topic, 0, sarama.OffsetOldest)
	if err != nil {
		return ledger.Fetched{}, err
	}
	end, err := s.client.GetOffset(s.topic, 0, sarama.OffsetNewest)
	return ledger.Fetched{Next: from, Start: start, End: end}, err
}

func (s *Source) connected() (sarama.Client, error) {
	if s.closed {
		return nil, errors.New("the source is closed")
	}
	if s.client == nil {
		client, err := sarama.NewClient(s.cfg.Brokers, s.cfg.base())
		if err != nil {
			return nil, err
		}
		s.client = client
	}
	return s.client, nil
}

// Close ends the connection.
func (s *Source) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.client == nil {
		return nil
	}
	return s.client.Close()
}

// entries unpacks an answer. A batch may begin before the offset that was asked for.
func entries(block *sarama.FetchResponseBlock, from int64) (ledger.Fetched, error) {
	f := ledger.Fetched{Next: from, Start: block.LogStartOffset, End: block.HighWaterMarkOffset}
	for _, records := range block.RecordsSet {
		batch := records.RecordBatch
		if batch == nil {
			return f, errors.New("the record holds messages of a format older than Kafka 0.11")
		}
		if batch.PartialTrailingRecord {
			break
		}
		for _, r := range batch.Records {
			offset := batch.FirstOffset + r.OffsetDelta
			if offset < from || batch.Control {
				continue
			}
			f.Entries = append(f.Entries, ledger.Entry{Seq: seq(r), Offset: offset, Body: r.Value})
		}
		f.Next = max(f.Next, batch.FirstOffset+int64(batch.LastOffsetDelta)+1)
	}
	return f, nil
}

// seq reads the header; a message without it is no fact, which 0 tells the reader.
func seq(r *sarama.Record) int64 {
	for _, h := range r.Headers {
		if string(h.Key) == ledger.MetaSeq {
			n, err := strconv.ParseInt(string(h.Value), 10, 64)
			if err != nil {
				return 0
			}
			return n
		}
	}
	return 0
}
