// Package analytics counts, hour by hour, what happened to pictures.
//
//	reads:  image.uploaded, image.processing_failed, image.processed, image.downloaded,
//	        image.deleted
//	writes: analytics.tally (schema.sql)
//	shown:  adapters/web, the page /stats
//
// Read it in this order: schema.sql, analytics.go (what each fact counts as), hours.go (the
// figures of a span of time), small.go (which of them are shown), purge.go.
//
// It never holds an id, a time finer than the hour, or anything from which a picture or a
// person could be told (promises usage.anonymous, usage.improve).
package analytics

import (
	_ "embed"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
)

// Name is the view's name, and its schema's.
const Name = "analytics"

// Schema makes the tables.
//
//go:embed schema.sql
var Schema string

// What is counted, as it stands in the column kind.
const (
	uploads   = "upload"   // by size class
	results   = "result"   // by dimensions class
	durations = "duration" // of results, by bucket
	failures  = "failure"  // by refusal code
	downloads = "download" // by whether they were whole
	deletions = "deletion" // by reason
)

// The classes of downloads.
const (
	Whole  = "whole"
	Broken = "broken off"
)

// Bounds are the upper bounds, inclusive, of the processing times' buckets, in milliseconds;
// one more bucket holds what took longer. A new list needs a new name for the kind
// "duration": buckets already counted cannot be cut anew.
var Bounds = []int64{100, 200, 300, 500, 750, 1000, 1500, 2000, 3000, 5000, 10_000}

// Longer is the class of the bucket above the last bound.
const Longer = "longer"

// Bucket returns the class of a processing time.
func Bucket(ms int64) string {
	for _, bound := range Bounds {
		if ms <= bound {
			return strconv.FormatInt(bound, 10)
		}
	}
	return Longer
}

// Apply queues what one fact adds. Each fact adds once because the projector commits its
// checkpoint with the counts; a fact that nobody counts queues nothing.
func Apply(b *pgx.Batch, env event.Envelope) {
	e, ok := env.Fact.(image.Event)
	if !ok {
		return
	}
	switch e := e.(type) {
	case image.Uploaded:
		count(b, env.At, uploads, string(e.SizeClass))
	case image.ProcessingFailed:
		count(b, env.At, failures, e.Code)
	case image.Processed:
		count(b, env.At, results, string(e.Dimensions))
		count(b, env.At, durations, Bucket(e.Stages.Total))
	case image.Downloaded:
		class := Broken
		if e.Whole {
			class = Whole
		}
		count(b, env.At, downloads, class)
	case image.Deleted:
		count(b, env.At, deletions, string(e.Why))
	}
}

const add = `
	insert into analytics.tally as t (hour, kind, class, n)
	values ($1, $2, $3, $4)
	on conflict (hour, kind, class) do update set n = t.n + excluded.n`

// count adds one to a tally. What the batch already adds to the same one is raised instead:
// a row that is updated a thousand times in a transaction costs the square of that.
func count(b *pgx.Batch, at time.Time, kind, class string) {
	hour := at.UTC().Truncate(time.Hour)
	for _, q := range slices.Backward(b.QueuedQueries) {
		if q.SQL == add && q.Arguments[0] == hour && q.Arguments[1] == kind && q.Arguments[2] == class {
			q.Arguments[3] = q.Arguments[3].(int64) + 1
			return
		}
	}
	b.Queue(add, hour, kind, class, int64(1))
}
