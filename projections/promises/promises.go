// Package promises gathers from the record what the figures of the promises show: how often
// each was kept, and what the newest checks, audits and statements say.
//
//	reads:  image.*, visit.*, policy.*, audit.*, model.loaded, retention.*, transfer.decided,
//	        disclosure.*, region.declared, staff.signed_in, staff.data_read, vault.key_destroyed,
//	        vault.key_resurrection_found, incident.suspected, and the decision in every envelope
//	writes: tally, total, picture, visit, permit, newest (schema.sql)
//	shown:  adapters/web, the pages /promises and /privacy, the badge
//
// Read it in this order: schema.sql, promises.go (what each fact counts as), decisions.go,
// pictures.go (those that are not gone yet), newest.go; then state.go (all of it as of one
// moment), figures.go (every figure by its name), and the figures themselves: of_photos.go,
// of_data.go, of_operation.go. purge.go forgets hours.
//
// It keeps no row of a picture or a visitor that outlives them, nothing that names anybody, and
// it judges nothing from silence: what was not recorded is not known.
package promises

import (
	_ "embed"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/domain/disclosure"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/incident"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/domain/staff"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/domain/visit"
)

// Name is the view's name, and its schema's.
const Name = "promises"

// Schema makes the tables.
//
//go:embed schema.sql
var Schema string

// What is counted, as it stands in the column what.
const (
	uploads     = "upload"     // by the role of who uploaded
	cutouts     = "cutout"     // by model
	deletions   = "deletion"   // by inTime, late; worst is how late, negative for early
	delays      = "delay"      // from download to deletion, by bucket
	decisions   = "decision"   // by rule, outcome, and what of its input is told (decisions.go)
	blocks      = "block"      // of visitors, by rule, once a visitor's day
	resurrected = "came back"  // keys
	transfers   = "transfer"   // by allow, deny or unasked, and safeguard
	disclosures = "disclosure" // by what became of them
	suspicions  = "suspicion"  // by promise
	audits      = "audit"      // by whole, partial
	purges      = "purge"      // by kind of data; worst is how late
	sessions    = "session"    // of staff, by role
	reads       = "read"       // of personal data by staff, by allow or unasked
)

// Classes of some of them.
const (
	inTime = "in time"
	late   = "late"

	requested   = "requested"
	permitted   = "permitted"
	refused     = "refused"
	notHeld     = "not held" // permitted, and the service has none of it
	made        = "made"
	unpermitted = "made without a permit"

	whole   = "whole"
	partial = "in part"
)

// Apply queues what some facts change. The rows do not depend on how facts are cut into batches: counts
// add up, and whatever rests on an order keeps to it.
func Apply(b *pgx.Batch, facts []event.Envelope) {
	c := changes{counts: counts{}, pictures: pictures{}, visits: visits{}, newest: newest{}}
	for _, env := range facts {
		c.count(env)
		c.pictures.add(env)
		c.visits.add(env)
		c.newest.add(env)
		disclosed(b, env)
	}
	c.counts.queue(b)
	c.pictures.queue(b)
	c.visits.queue(b)
	c.newest.queue(b)
}

// changes are what a run of facts adds up to.
type changes struct {
	counts   counts
	pictures pictures
	visits   visits
	newest   newest
}

// counted is what is counted together.
type counted struct {
	hour        int64 // its start, in seconds since 1970
	what, class string
}

type amount struct {
	n     int64
	worst *int64
}

type counts map[counted]amount

func (c counts) add(at time.Time, what, class string, n int64) {
	key := counted{at.UTC().Truncate(time.Hour).Unix(), what, class}
	sum := c[key]
	sum.n += n
	c[key] = sum
}

// measure adds one, of which it is known how bad it was.
func (c counts) measure(at time.Time, what, class string, by time.Duration) {
	c.add(at, what, class, 1)
	key := counted{at.UTC().Truncate(time.Hour).Unix(), what, class}
	sum, ms := c[key], by.Milliseconds()
	if sum.worst == nil || *sum.worst < ms {
		sum.worst = &ms
	}
	c[key] = sum
}

// count counts one fact, and the decision that it rests on.
func (c changes) count(env event.Envelope) {
	one := func(what, class string) { c.counts.add(env.At, what, class, 1) }
	if env.Decision != nil {
		one(decisions, classOf(env.Decision.Rule, env.Decision.Outcome, env.Decision.Input))
	}
	switch e := env.Fact.(type) {
	case image.Uploaded:
		one(uploads, string(env.Actor.Role))
	case image.Processed:
		one(cutouts, e.Model)
	case image.Deleted:
		class := inTime
		if e.Actual.After(e.Due) {
			class = late
		}
		c.counts.measure(env.At, deletions, class, e.Actual.Sub(e.Due))
	case policy.DecisionRefused:
		c.refused(e)
	case policy.DecisionsCounted:
		for _, input := range e.Inputs {
			c.counts.add(e.From, decisions, classOf(e.Rule, allowed, input.Input), input.Count)
		}
	case visit.Blocked:
		one(blocks, e.Rule)
	case system.KeyResurrectionFound:
		one(resurrected, "")
	case system.TransferDecided:
		one(transfers, transferClass(e, env.Decision))
	case system.AuditCompleted:
		class := partial
		if e.Whole {
			class = whole
		}
		one(audits, class)
	case system.RetentionPurged:
		c.counts.measure(env.At, purges, e.Kind, e.Actual.Sub(e.Due))
	case incident.Suspected:
		one(suspicions, e.Promise)
	case staff.SignedIn:
		one(sessions, string(env.Actor.Role))
	case staff.DataRead:
		class := unasked
		if d := env.Decision; d != nil && d.Rule == readPersonal && d.Outcome == allowed {
			class = allowed
		}
		one(reads, class)
	case disclosure.Requested:
		one(disclosures, requested)
	case disclosure.Permitted:
		one(disclosures, permitted)
	case disclosure.Refused:
		class := refused
		if e.NotHeld() {
			class = notHeld
		}
		one(disclosures, class)
	}
}

// disclosed counts a disclosure that was made, by whether it had been permitted. There are few, and
// each is queued by itself, so that the order of facts is that of the statements.
func disclosed(b *pgx.Batch, env event.Envelope) {
	switch env.Fact.(type) {
	case disclosure.Permitted:
		b.Queue(`insert into permit (disclosure) values ($1) on conflict do nothing`, string(env.Stream))
	case disclosure.Made:
		b.Queue(disclose, string(env.Stream), env.At.UTC().Truncate(time.Hour), disclosures, made, unpermitted)
	}
}

const disclose = `
	with used as (
	  delete from permit where disclosure = $1 returning 1
	), class as (
	  select case when exists (select from used) then $4 else $5 end as class
	), hourly as (
	  insert into tally as t (hour, what, class, n)
	  select $2, $3, class, 1 from class
	  on conflict (hour, what, class) do update set n = t.n + 1
	)
	insert into total as t (what, class, n)
	select $3, class, 1 from class
	on conflict (what, class) do update set n = t.n + 1`

func (c counts) queue(b *pgx.Batch) {
	if len(c) == 0 {
		return
	}
	var (
		hours         []time.Time
		what, classes []string
		n             []int64
		worst         []*int64
	)
	for one, sum := range c {
		hours = append(hours, time.Unix(one.hour, 0))
		what, classes = append(what, one.what), append(classes, one.class)
		n, worst = append(n, sum.n), append(worst, sum.worst)
	}
	b.Queue(addHourly, hours, what, classes, n, worst)
	b.Queue(addTotal, what, classes, n, worst)
}

const addHourly = `
	insert into tally as t (hour, what, class, n, worst)
	select * from unnest($1::timestamptz[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])
	on conflict (hour, what, class) do update
	   set n = t.n + excluded.n, worst = greatest(t.worst, excluded.worst)`

const addTotal = `
	insert into total as t (what, class, n, worst)
	select what, class, sum(n), max(worst)
	  from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) as c (what, class, n, worst)
	 group by what, class
	on conflict (what, class) do update
	   set n = t.n + excluded.n, worst = greatest(t.worst, excluded.worst)`
