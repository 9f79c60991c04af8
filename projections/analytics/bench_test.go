package analytics_test

import (
	"context"
	"encoding/binary"
	"log/slog"
	"testing"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/internal/projector"
	"github.com/bgremover/bgremover/projections/analytics"
)

// lives is a record of many pictures that are uploaded, processed, downloaded and deleted.
type lives struct{ batches }

func (r *lives) readFrom(after projector.Checkpoint) projector.Reading {
	r.at = after.Seq
	return r
}

func (r *lives) Next(ctx context.Context) ([]projector.Entry, error) {
	if int(r.at) == len(r.facts) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	entries := make([]projector.Entry, 0, 1000)
	for ; int(r.at) < len(r.facts) && len(entries) < 1000; r.at++ {
		entries = append(entries, projector.Entry{Seq: r.at + 1, Body: binary.BigEndian.AppendUint64(nil, uint64(r.at))})
	}
	return entries, nil
}

func (r *lives) decode(_ context.Context, _ int64, body []byte) (event.Envelope, error) {
	return r.facts[binary.BigEndian.Uint64(body)], nil
}

// How fast the view follows a record in memory, of which every hour has a thousand facts.
func BenchmarkFollow(b *testing.B) {
	var r lives
	for i := range 10_000 {
		r.facts = append(r.facts, at(noon.Add(time.Duration(i)*14*time.Second),
			image.Uploaded{SizeClass: image.ClassOfSize(int64(i%20) << 20)}, took(int64(i%1200)),
			image.Downloaded{Whole: true}, image.Deleted{Why: image.BecauseDownloaded})...)
	}
	var seconds float64
	for b.Loop() {
		db := open(b)
		p, err := projector.New(projector.Config{DB: db, Record: r.readFrom, Decode: r.decode, Log: slog.New(slog.DiscardHandler)}, view)
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(b.Context())
		begin := b.Elapsed()
		done := make(chan struct{})
		go func() {
			defer close(done)
			p.Run(ctx)
		}()
		if err := p.WaitFor(ctx, analytics.Name, int64(len(r.facts))); err != nil {
			b.Fatal(err)
		}
		seconds += (b.Elapsed() - begin).Seconds()
		cancel()
		<-done
	}
	b.ReportMetric(float64(b.N*len(r.facts))/seconds, "facts/s")
}
