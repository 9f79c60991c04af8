package main

import (
	"context"
	"flag"
	"log/slog"
	"testing"
	"time"

	"github.com/bgremover/bgremover/internal/config"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/ledger/ledgertest"
	"github.com/bgremover/bgremover/internal/projector"
)

var rebuildFacts = flag.Int("rebuild.facts", 200_000, "how many facts the record of BenchmarkRebuild has")

// How fast views are made anew from our own Kafka into our own PostgreSQL, from whole lives
// of pictures with sealed fields: all of it, with the comparison.
func BenchmarkRebuild(b *testing.B) {
	data := dataFolder(b)
	if err := fillRecord(b, data, *rebuildFacts/ledgertest.FactsPerPicture); err != nil {
		b.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	open, err := openTools(b.Context(), config.Ground{Folder: config.Folder{Data: data}}, log)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := open.close(); err != nil {
			b.Error(err)
		}
	})
	record := ledger.New(open.pool, nil, ledger.Options{NewID: newID})
	r := projector.Rebuild{
		Config:    projector.Config{DB: open.pool, Record: readRecord(open.kafka, log), Decode: sealedCodec().Decode, Log: log},
		Published: record.Published, Now: time.Now,
	}
	facts, err := record.Published(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	live, err := projector.New(r.Config, views()...)
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan struct{})
	began := time.Now()
	go func() {
		defer close(ended)
		live.Run(ctx)
	}()
	until(b, "the live views to have everything", func() bool {
		for _, h := range live.Health() {
			if h.Seq < facts {
				return false
			}
		}
		return true
	})
	followed := time.Since(began)
	stop()
	<-ended
	for _, names := range [][]string{{"images", "analytics"}, {"images", "analytics", "trail"}} {
		b.Run(names[len(names)-1], func(b *testing.B) {
			wanted, err := viewsNamed(names)
			if err != nil {
				b.Fatal(err)
			}
			var took time.Duration
			for b.Loop() {
				took += timed(b, func() error {
					reports, err := r.Run(b.Context(), true, wanted...)
					for _, report := range reports {
						if !report.Identical() {
							b.Errorf("%+v", report)
						}
					}
					return err
				})
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(facts)*float64(b.N)/took.Seconds(), "facts/s")
			b.ReportMetric(float64(facts)/followed.Seconds(), "live-facts/s") // all three views, each for itself
		})
	}
}
