package schedule_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/projections/schedule"
)

// How many facts are applied at once, as the projector does, and how many rows are listed.
const (
	atOnce = 1000
	listed = 500
)

// Memory does not grow with what waits: the most that is alive at any time with a million pictures, in
// applying their facts, asking what is due and going through all that waits, beside the same with ten
// thousand, in one run over a real PostgreSQL.
func BenchmarkSchedule(b *testing.B) {
	for b.Loop() {
		small, _ := scheduleOf(b, 10_000)
		large, took := scheduleOf(b, 1_000_000)
		ratio := float64(large) / float64(small)
		b.ReportMetric(ratio, "memory-ratio")
		b.ReportMetric(float64(large)/(1<<20), "MiB")
		b.ReportMetric(1_000_000/took.Seconds(), "facts/s")
		if ratio > 1.2 {
			b.Errorf("%d bytes with a million pictures, %d with ten thousand", large, small)
		}
	}
	b.ReportMetric(0, "ns/op")
}

// scheduleOf has pictures wait, and returns the most memory that was alive at a time, and how long applying
// their facts took.
func scheduleOf(b *testing.B, pictures int) (most uint64, took time.Duration) {
	b.Helper()
	db := open(b)
	look := func() {
		var now runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&now)
		most = max(most, now.HeapAlloc)
	}
	every := max(1, pictures/atOnce/10)
	for done := 0; done < pictures; done += atOnce {
		facts := uploads(done, atOnce)
		began := time.Now()
		applyTo(b, db, facts)
		took += time.Since(began)
		if done/atOnce%every == 0 {
			look()
		}
		runtime.KeepAlive(facts)
	}
	if due, err := schedule.DueOf(b.Context(), db, schedule.Picture, noon.Add(48*time.Hour)); err != nil || due.Overdue != int64(pictures) {
		b.Fatalf("due are %+v, %v", due, err)
	}
	look()
	if kinds, err := schedule.Kinds(b.Context(), db, noon); err != nil || len(kinds) != 1 || kinds[0].Count != int64(pictures) {
		b.Fatalf("what waits: %+v, %v", kinds, err)
	}
	look()
	seen, pages := 0, 0
	for after := ""; ; pages++ {
		page, err := schedule.Decided(b.Context(), db, schedule.Picture, 5, after, listed)
		if err != nil {
			b.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		seen += len(page)
		after = page[len(page)-1].Subject
		if pages%(2*every) == 0 {
			look()
		}
		runtime.KeepAlive(page)
	}
	if seen != pictures {
		b.Fatalf("went through %d of %d", seen, pictures)
	}
	return most, took
}

func uploads(from, n int) []event.Envelope {
	facts := make([]event.Envelope, n)
	for i := range facts {
		facts[i] = event.Envelope{
			Seq: int64(from + i + 1), Version: 1, At: noon, Stream: event.Stream(fmt.Sprintf("image/01900000-0000-7000-8000-%012d", from+i)),
			Fact:     image.Uploaded{Due: noon.Add(time.Duration(from+i) * time.Millisecond)},
			Decision: &event.Decision{Rule: "retention.deadline", Revision: 4},
		}
	}
	return facts
}

func applyTo(b *testing.B, db *pgxpool.Pool, facts []event.Envelope) {
	b.Helper()
	batch := &pgx.Batch{}
	schedule.Apply(batch, facts)
	if err := db.SendBatch(context.Background(), batch).Close(); err != nil {
		b.Fatal(err)
	}
}
