// Package analytics counts, hour by hour, what happened to pictures.
//
//	reads:  image.uploaded, image.processing_failed, image.processed, image.downloaded,
//	        image.deleted
//	writes: tally (schema.sql)
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

// Apply queues what some facts add, one row for each tally. Each fact adds once because the
// projector commits its checkpoint with the counts; a fact that nobody counts adds nothing.
func Apply(b *pgx.Batch, facts []event.Envelope) {
	t := tallies{}
	for _, env := range facts {
		t.count(env)
	}
	t.queue(b)
}

// tally is what is counted together.
type tally struct {
	hour        int64 // its start, in seconds since 1970
	kind, class string
}

type tallies map[tally]int64

func (t tallies) count(env event.Envelope) {
	e, ok := env.Fact.(image.Event)
	if !ok {
		return
	}
	hour := env.At.Truncate(time.Hour).Unix()
	one := func(kind, class string) { t[tally{hour, kind, class}]++ }
	switch e := e.(type) {
	case image.Uploaded:
		one(uploads, string(e.SizeClass))
	case image.ProcessingFailed:
		one(failures, e.Code)
	case image.Processed:
		one(results, string(e.Dimensions))
		one(durations, Bucket(e.Stages.Total))
	case image.Downloaded:
		class := Broken
		if e.Whole {
			class = Whole
		}
		one(downloads, class)
	case image.DeletionDueChanged:
	case image.Deleted:
		one(deletions, string(e.Why))
	}
}

func (t tallies) queue(b *pgx.Batch) {
	if len(t) == 0 {
		return
	}
	var (
		hours          []time.Time
		kinds, classes []string
		n              []int64
	)
	for one, more := range t {
		hours = append(hours, time.Unix(one.hour, 0))
		kinds, classes = append(kinds, one.kind), append(classes, one.class)
		n = append(n, more)
	}
	b.Queue(add, hours, kinds, classes, n)
}

const add = `
	insert into tally as t (hour, kind, class, n)
	select * from unnest($1::timestamptz[], $2::text[], $3::text[], $4::bigint[])
	on conflict (hour, kind, class) do update set n = t.n + excluded.n`
