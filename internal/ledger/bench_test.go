package ledger_test

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/adapters/kafka"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/internal/embedded/embeddedtest"
	"github.com/bgremover/bgremover/internal/ledger"
)

// Absolute figures are this machine's; the ratios to raw work in the same run are what to look at.

const callers = 64

// fsynced is a world whose Postgres and Kafka both fsync.
func fsynced(b *testing.B) *world {
	b.Helper()
	server := embeddedtest.StartPostgres(b, map[string]string{"max_connections": "100"})
	return worldOver(b, server.DSN(), newCluster(b))
}

// share runs do n times, by 64 callers, and returns how many that makes a second.
func share(b *testing.B, n int, do func() error) float64 {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for range callers {
		wg.Go(func() {
			for next.Add(1) <= int64(n) {
				if err := do(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return float64(n) / time.Since(start).Seconds()
}

// BenchmarkAppend64 appends from 64 callers, each fact acknowledged by Kafka with fsync, and
// compares with 64 callers who insert the same rows raw. The aim: 1 500/s or 40 % of raw.
func BenchmarkAppend64(b *testing.B) {
	kinds := map[string]func(*world) event.Append{
		"fact":           func(*world) event.Append { return processed(newImage(), 0) },
		"upload-and-key": func(w *world) event.Append { return w.upload(newImage()) },
	}
	for name, next := range kinds {
		b.Run(name, func(b *testing.B) {
			w := fsynced(b)
			seq, _ := w.sequencer()
			appendOne := func() error { _, err := w.ledger.Append(b.Context(), next(w)); return err }
			share(b, 500, appendOne)
			facts, batches := seq.Counters().Facts.Load(), seq.Counters().Batches.Load()
			raw := share(b, 3000, rawInsert(b, w))
			for b.Loop() {
				rate := share(b, 5000, appendOne)
				b.ReportMetric(rate, "appends/s")
				b.ReportMetric(raw, "raw-inserts/s")
				b.ReportMetric(100*rate/raw, "%-of-raw")
			}
			facts, batches = seq.Counters().Facts.Load()-facts, seq.Counters().Batches.Load()-batches
			b.ReportMetric(float64(batches)/float64(facts), "round-trips/append")
		})
	}
}

// rawInsert inserts the rows that an append of one fact leaves, in one transaction.
func rawInsert(b *testing.B, w *world) func() error {
	b.Helper()
	for _, table := range []string{"streams", "facts", "queue"} {
		w.exec("create table raw_" + table + " (like ledger." + table + " including all)")
	}
	body := make([]byte, w.number("select coalesce(max(octet_length(body)), 600) from ledger.facts"))
	var position atomic.Int64
	return func() error {
		pos, stream := position.Add(1), "image/"+newID()
		return pgx.BeginFunc(b.Context(), w.pool, func(tx pgx.Tx) error {
			batch := &pgx.Batch{}
			batch.Queue("insert into raw_streams values ($1, 1)", stream)
			batch.Queue("insert into raw_facts values ($1, 0, $2, $3, 1, $4)", pos, uuid.Must(uuid.NewV7()), stream, body)
			batch.Queue("insert into raw_queue values ($1, 1, $2)", pos, len(body))
			return tx.SendBatch(b.Context(), batch).Close()
		})
	}
}

// BenchmarkSequence numbers and publishes a filled queue of facts of about 1 KB, and
// compares with producing the same bytes raw. The aim: 20 000 facts/s.
func BenchmarkSequence(b *testing.B) {
	w := fsynced(b)
	const n = 60_000
	// given: a full queue
	body := make([]byte, 1000)
	for i := range body {
		body[i] = 'a' + byte(i%26)
	}
	for b.Loop() {
		b.StopTimer()
		w.exec(`
			with f as (select nextval('ledger.position') as pos, 'bench/' || gen_random_uuid() as stream from generate_series(1, $1)),
			     s as (insert into ledger.streams select stream, 1 from f),
			     q as (insert into ledger.queue select pos, 1, $3 from f)
			insert into ledger.facts select pos, 0, gen_random_uuid(), stream, 1, $2 from f`, n, body, len(body))
		w.exec("checkpoint")
		b.StartTimer()
		start := time.Now()
		seq, stop := w.sequencer()
		eventually(b, "everything is published", func() bool { return seq.Counters().Facts.Load() == n })
		rate := n / time.Since(start).Seconds()
		stop()
		b.StopTimer()
		raw := rawProduce(b, w.cfg, body, n)
		b.ReportMetric(rate, "facts/s")
		b.ReportMetric(raw, "raw-produce/s")
		b.ReportMetric(100*rate/raw, "%-of-raw")
		b.StartTimer()
	}
}

// rawProduce publishes batches of the same size, without a ledger, into the other topic.
func rawProduce(b *testing.B, cfg kafka.Config, body []byte, n int) float64 {
	b.Helper()
	pub := kafka.NewPublisher(cfg)
	defer pub.Close()
	const size = 2000
	start := time.Now()
	for sent := 0; sent < n; sent += size {
		batch := make([]*message.Message, size)
		for i := range batch {
			batch[i] = &message.Message{Payload: body, Metadata: message.Metadata{ledger.MetaSeq: strconv.Itoa(sent + i), ledger.MetaKey: "one partition"}}
		}
		must(b, pub.Publish(ledger.TopicWork, batch...))
	}
	return float64(n) / time.Since(start).Seconds()
}
