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
	"github.com/bgremover/bgremover/internal/merkle"
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
// compares with producing the same bytes raw. The aim: 20 000 facts/s, or 60 % of raw.
//
// What the tree costs is done once more by itself, hashes and rows, and told as a share of the
// whole. The aim: less than 15 %. In the whole, much of it is done while Kafka is waited for.
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
		raw, tree := rawProduce(b, w.cfg, body, n), growTree(b, w, body, n)
		b.ReportMetric(100*tree.Seconds()*rate/n, "%-for-the-tree")
		b.ReportMetric(rate, "facts/s")
		b.ReportMetric(raw, "raw-produce/s")
		b.ReportMetric(100*rate/raw, "%-of-raw")
		b.StartTimer()
	}
}

// growTree hashes n facts into a tree, in batches as they are numbered, and stores its tiles.
func growTree(b *testing.B, w *world, body []byte, n int) time.Duration {
	b.Helper()
	w.exec("create table if not exists raw_tiles (like ledger.tiles including all)")
	w.exec("create table if not exists raw_head (root bytea)")
	w.exec("insert into raw_head values ('')")
	start := time.Now()
	var tree merkle.Edge
	for done := 0; done < n; {
		batch := &pgx.Batch{}
		for range min(2000, n-done) {
			tree.Append(merkle.Leaf(body), func(t merkle.FullTile) {
				row := make([]byte, 0, len(t.Hashes)*len(t.Root))
				for _, h := range t.Hashes {
					row = append(row, h[:]...)
				}
				batch.Queue("insert into raw_tiles values ($1, $2, $3, $4)", t.Level, t.Index, t.Root[:], row)
			})
			done++
		}
		root := tree.Root()
		batch.Queue("update raw_head set root = $1", root[:])
		must(b, w.pool.SendBatch(b.Context(), batch).Close())
	}
	took := time.Since(start)
	w.exec("drop table raw_tiles, raw_head")
	return took
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
