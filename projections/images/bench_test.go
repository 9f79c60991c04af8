package images_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/projections/images"
)

// How fast whole lives of pictures are applied, a thousand facts a batch.
func BenchmarkApply(b *testing.B) {
	var r record
	for range 10_000 {
		img := newImage()
		for version, fact := range []image.Event{
			image.Uploaded{SizeClass: image.UpTo1MiB, Due: noon.Add(time.Hour), Capability: image.HashCapability("token")},
			image.Processed{Stages: image.Stages{Total: 300}},
			image.Downloaded{Whole: true},
			image.Deleted{Why: image.BecauseDownloaded, Due: noon.Add(time.Hour), Actual: noon},
		} {
			r.place(image.Stream(img), int64(version)+1, noon, fact)
		}
		r.place(system.VaultStream(image.Key(img)), 1, noon, system.KeyDestroyed{Key: image.Key(img), Why: "image.deleted"})
	}
	var seconds float64
	for b.Loop() {
		db := open(b)
		begin := b.Elapsed()
		for from := 0; from < len(r.facts); from += 1000 {
			q := &pgx.Batch{}
			images.Apply(q, r.facts[from:from+1000])
			if err := db.SendBatch(b.Context(), q).Close(); err != nil {
				b.Fatal(err)
			}
		}
		seconds += (b.Elapsed() - begin).Seconds()
	}
	b.ReportMetric(float64(b.N*len(r.facts))/seconds, "facts/s")
}
