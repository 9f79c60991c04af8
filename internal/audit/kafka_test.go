package audit

import (
	"context"
	"crypto/sha256"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/bgremover/bgremover/adapters/kafka"
	"github.com/bgremover/bgremover/internal/embedded/embeddedtest"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/merkle"
)

// copyTo writes a tape into the topic "record" of a Kafka of its own.
func copyTo(t testing.TB, record tape) kafka.Config {
	t.Helper()
	k := embeddedtest.NewKafka(t)
	cfg := kafka.Config{Brokers: k.Brokers(), User: k.Username(), Password: k.Password()}
	must(t, kafka.EnsureTopics(t.Context(), cfg))
	publish(t, cfg, record)
	return cfg
}

func publish(t testing.TB, cfg kafka.Config, record tape) {
	t.Helper()
	pub := kafka.NewPublisher(cfg)
	for page := range slices.Chunk(record, 1000) {
		messages := make([]*message.Message, len(page))
		for i, e := range page {
			messages[i] = &message.Message{Payload: e.Body, Metadata: message.Metadata{ledger.MetaSeq: strconv.FormatInt(e.Seq, 10)}}
		}
		must(t, pub.Publish(ledger.TopicRecord, messages...))
	}
	must(t, pub.Close())
}

// A real copy of the topic, tampered with, over the real protocol.
func TestTamperedTopics(t *testing.T) {
	l := newLog(t, 3000, 20)
	l.checkpoint(1000, 2800)
	flipped := slices.Clone(l.record[1233].Body)
	flipped[len(flipped)-5] ^= 1
	tests := map[string]struct {
		given func(tape) tape
		then  string
	}{
		"as it is":                      {func(r tape) tape { return r }, "<nil>"},
		"repeated":                      {func(r tape) tape { return slices.Concat(r[:2000], r[1500:]) }, "<nil>"},
		"a flipped bit":                 {func(r tape) tape { r[1233].Body = flipped; return r }, "changed 1234–1234"},
		"one after the last checkpoint": {func(r tape) tape { r[2900].Body = r[2901].Body; return r }, "changed 2901–2901"},
		"a removed one":                 {func(r tape) tape { return slices.Delete(r, 700, 701) }, "missing 701–701"},
		"two swapped":                   {func(r tape) tape { r[10], r[30] = r[30], r[10]; return r }, "reordered 12–12"},
		"no tail":                       {func(r tape) tape { return r[:2500] }, "truncated tail 2501–2501"},
		"nothing":                       {func(r tape) tape { return r[:0] }, "truncated tail 1–1"},
		"another beside one":            {func(r tape) tape { return slices.Insert(r, 99, ledger.Entry{Seq: 98, Body: r[0].Body}) }, "changed 98–98"},
		"another number":                {func(r tape) tape { r[499].Seq = 5000; return r }, "bad numbering 500–500"},
		"no number":                     {func(r tape) tape { r[499].Seq = -1; return r }, "bad numbering 500–500"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			source := kafka.NewSource(copyTo(t, tt.given(l.record.clone())))
			defer source.Close()
			o := l.options()
			o.Dir, o.Record, o.Tiles, o.Head = t.TempDir(), source, l.leaves, l.head()
			got := "<nil>"
			if f := verify(t, o).Finding; f != nil {
				got = fmt.Sprintf("%s %d–%d", f.What, f.Seq, f.Through)
			}
			if got != tt.then {
				t.Errorf("found %s, expected %s", got, tt.then)
			}
		})
	}
}

// What is being written while it is verified, and has not come yet, is waited for.
func TestAMissingFactIsWaitedFor(t *testing.T) {
	l := newLog(t, 500, 21)
	l.checkpoint(400)
	cfg := copyTo(t, slices.Concat(l.record[:400], l.record[450:]))
	source := kafka.NewSource(cfg)
	defer source.Close()
	o := l.options()
	o.Record, o.Patience = source, time.Minute
	read := make(chan struct{})
	o.Progress = func(Progress) {
		select {
		case <-read:
		default:
			close(read)
		}
	}
	done := make(chan Report)
	go func() {
		r, err := Verify(t.Context(), o)
		if err != nil {
			t.Error(err)
		}
		done <- r
	}()
	<-read
	publish(t, cfg, l.record[400:])
	if r := <-done; r.Finding != nil || r.Facts != 500 || r.Early != 50 {
		t.Errorf("%+v", r)
	}
}

// BenchmarkVerify verifies a record of facts as the service writes them, and compares with a
// bare reading of the same topic that takes the SHA-256 of each. The aim: 60 % of it.
func BenchmarkVerify(b *testing.B) {
	const facts = 200_000
	l := newLog(b, facts, 30)
	l.checkpoint(facts/2, facts)
	cfg := copyTo(b, l.record)
	size := 0
	for _, e := range l.record {
		size += len(e.Body)
	}
	l.record, l.leaves = nil, nil // what is measured does not have them
	for b.Loop() {
		var bare, rate float64 // the best of three, in turns: what else runs meanwhile is not measured
		for range 3 {
			bare, rate = max(bare, readBare(b, cfg, facts)), max(rate, readVerifying(b, cfg, l.options(), facts))
		}
		b.ReportMetric(rate, "facts/s")
		b.ReportMetric(bare, "bare-facts/s")
		b.ReportMetric(100*rate/bare, "%-of-bare")
		b.ReportMetric(float64(size)/facts, "B/fact")
	}
}

func readVerifying(b *testing.B, cfg kafka.Config, o Options, facts int) float64 {
	b.Helper()
	source := kafka.NewSource(cfg)
	o.Record = source
	start := time.Now()
	r := holds(b, o)
	rate := float64(facts) / time.Since(start).Seconds()
	must(b, source.Close())
	if r.Covered != int64(facts) {
		b.Fatalf("%+v", r)
	}
	return rate
}

func readBare(b *testing.B, cfg kafka.Config, facts int) float64 {
	b.Helper()
	source := kafka.NewSource(cfg)
	defer source.Close()
	start := time.Now()
	for from, n := int64(0), 0; n < facts; {
		f, err := source.Fetch(b.Context(), from, time.Second)
		must(b, err)
		for _, e := range f.Entries {
			sha256.Sum256(e.Body)
			n++
		}
		from = f.Next
	}
	return float64(facts) / time.Since(start).Seconds()
}

// BenchmarkVerifyMemory verifies a million facts and reports how much memory and temporary
// files it took at most.
func BenchmarkVerifyMemory(b *testing.B) {
	const facts = 1_000_000
	record := endless{facts}
	head := record.head()
	for b.Loop() {
		runtime.GC()
		var before, most runtime.MemStats
		runtime.ReadMemStats(&before)
		o := Options{Record: record, Checkpoints: tape{}, Head: head, Dir: b.TempDir()}
		pages := 0
		o.Progress = func(Progress) {
			if pages++; pages%100 == 0 {
				var now runtime.MemStats
				runtime.ReadMemStats(&now)
				most.HeapInuse = max(most.HeapInuse, now.HeapInuse)
			}
		}
		start := time.Now()
		holds(b, o)
		b.ReportMetric(float64(most.HeapInuse-before.HeapInuse)/(1<<20), "MiB")
		b.ReportMetric(facts/time.Since(start).Seconds(), "facts/s")
	}
}

// endless is a record that is made while it is read: four facts a stream.
type endless struct{ size int64 }

// body returns the bytes of a fact.
func (endless) body(seq int64) []byte {
	const id, stream, version = "000000000001", "image/0190b0a0-0000-7000-8000-0000000000aa", `"streamversion":3`
	body := strings.Replace(sample, id, fmt.Sprintf("%012x", seq), 1)
	body = strings.Replace(body, stream, fmt.Sprintf("image/%d", (seq-1)/4), 1)
	return []byte(strings.Replace(body, version, fmt.Sprintf(`"streamversion":%d`, (seq-1)%4+1), 1))
}

// Fetch implements [ledger.Source].
func (e endless) Fetch(_ context.Context, from int64, _ time.Duration) (ledger.Fetched, error) {
	const page = 5000
	f := ledger.Fetched{Next: min(from+page, e.size), End: e.size}
	for offset := from; offset < f.Next; offset++ {
		f.Entries = append(f.Entries, ledger.Entry{Seq: offset + 1, Offset: offset, Body: e.body(offset + 1)})
	}
	return f, nil
}

func (e endless) head() func(context.Context) (Head, error) {
	var f merkle.Frontier
	for seq := range e.size {
		f.Append(merkle.Leaf(e.body(seq + 1)))
	}
	return headOf(Head{Published: e.size, Size: e.size, Root: f.Root()})
}
