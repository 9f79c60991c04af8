// Package schedule keeps what is due when: the pictures and keys that wait for their end, what was
// deleted last of each kind of data, what is late, what a hold keeps, and what the record knows
// of the time.
//
//	reads:  image.uploaded, image.deletion_due_changed, image.deleted, the beginnings of visits and
//	        disclosures, vault.key_destroyed, retention.*, policy.bundle_stored, policy.activated; of all
//	        facts their time
//	writes: waiting, purged, late, hold, clock, period, reign (schema.sql)
//	shown:  the retention engine, bgremover retention, the officers' page of retention
//
// Read it in this order: schema.sql, schedule.go (what each fact changes), write.go (how it is
// written), periods.go (which periods were in force), queries.go.
//
// It judges by no period: where no fact says by when a thing is gone, whoever reads asks the rule. What
// lies in tables by rows or partitions is not listed here; its executor knows how old it is. It
// decides nothing, and holds nothing that the codec seals.
package schedule

import (
	_ "embed"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/system"
)

// Name is the view's name, and its schema's.
const Name = "schedule"

// Schema makes the tables.
//
//go:embed schema.sql
var Schema string

// Picture is the kind of pictures with their results and previews, which end together.
const Picture = "image"

// byKey are the kinds that wait from the first fact of a stream until the stream's key is
// destroyed, by the first part of the stream's name.
var byKey = map[string]string{
	"visit":      "technical",
	"disclosure": "disclosure",
}

// ByKey lists the kinds that end with their keys, sorted.
func ByKey() []string { return slices.Sorted(maps.Values(byKey)) }

// KeyOf returns the kind of the keys that things of a kind end with; ok is false for one that ends otherwise.
func KeyOf(kind string) (key string, ok bool) {
	for key, ends := range byKey {
		if ends == kind {
			return key, true
		}
	}
	return "", false
}

// Apply queues what some facts change.
func Apply(b *pgx.Batch, facts []event.Envelope) {
	if len(facts) == 0 {
		return
	}
	c := changes{of: map[string]*change{}}
	for _, env := range facts {
		c.add(env)
	}
	c.queue(b)
	for _, env := range facts {
		rare(b, env)
	}
	latest(b, facts)
}

// change is what a run of facts makes of one thing that waits. A deadline only moves forward.
type change struct {
	subject  string
	kind     string // "" unless it begins here
	started  time.Time
	due      *time.Time // nil: unchanged, or the rule says
	revision int64
	ended    bool
}

type changes struct {
	of    map[string]*change
	order []*change
}

func (c *changes) to(subject string) *change {
	one, ok := c.of[subject]
	if !ok {
		one = &change{subject: subject}
		c.of[subject] = one
		c.order = append(c.order, one)
	}
	return one
}

func (c *changes) add(env event.Envelope) {
	switch e := env.Fact.(type) {
	case image.Uploaded:
		c.begin(env, Picture).duesAt(e.Due, env)
	case image.DeletionDueChanged:
		c.to(string(env.Stream)).duesAt(e.Due, env)
	case image.Deleted:
		c.to(string(env.Stream)).ended = true
	case system.KeyDestroyed:
		c.to(string(e.Key)).ended = true
	default:
		prefix, _, _ := strings.Cut(string(env.Stream), "/")
		if kind, ok := byKey[prefix]; ok && env.Version == 1 {
			c.begin(env, kind)
		}
	}
}

func (c *changes) begin(env event.Envelope, kind string) *change {
	one := c.to(string(env.Stream))
	one.kind, one.started = kind, env.At
	return one
}

// duesAt notes by when it is gone, and by which rules.
func (one *change) duesAt(due time.Time, env event.Envelope) {
	if one.due == nil || due.Before(*one.due) {
		one.due = &due
	}
	if env.Decision != nil {
		one.revision = max(one.revision, env.Decision.Revision)
	}
}
