package schedule

import (
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/domain/system"
)

// queue lines up one statement for what begins to wait, one for what is due earlier, and one for
// what has ended.
func (c *changes) queue(b *pgx.Batch) {
	var (
		begun, earlier columns
		ended          []string
	)
	for _, one := range c.order {
		switch {
		case one.ended:
			ended = append(ended, one.subject)
		case one.kind != "":
			begun.add(one)
		default:
			earlier.add(one)
		}
	}
	if n := begun; len(n.subject) > 0 {
		b.Queue(`
			insert into waiting (subject, kind, started, due, revision)
			select * from unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::bigint[])
			on conflict (subject) do nothing`, n.subject, n.kind, n.started, n.due, n.revision)
	}
	if n := earlier; len(n.subject) > 0 {
		b.Queue(`
			update waiting as w
			   set due = least(w.due, c.due), revision = greatest(w.revision, c.revision)
			  from unnest($1::text[], $2::timestamptz[], $3::bigint[]) as c (subject, due, revision)
			 where w.subject = c.subject`, n.subject, n.due, n.revision)
	}
	if len(ended) > 0 {
		b.Queue(`delete from waiting where subject = any($1::text[])`, ended)
	}
}

// columns are changes as arrays, all of the same length.
type columns struct {
	subject, kind []string
	started       []time.Time
	due           []*time.Time
	revision      []int64
}

func (c *columns) add(one *change) {
	c.subject = append(c.subject, one.subject)
	c.kind = append(c.kind, one.kind)
	c.started = append(c.started, one.started)
	c.due = append(c.due, one.due)
	c.revision = append(c.revision, one.revision)
}

// rare queues what a fact about retention itself changes, one by one.
func rare(b *pgx.Batch, env event.Envelope) {
	switch e := env.Fact.(type) {
	case system.RetentionPurged:
		b.Queue(`
			insert into purged as p (kind, due, actual, up_to, count, total)
			values ($1, $2, $3, $4, $5, $5)
			on conflict (kind) do update
			   set due = excluded.due, actual = excluded.actual, up_to = greatest(p.up_to, excluded.up_to), count = excluded.count, total = p.total + excluded.count`,
			e.Kind, e.Due, e.Actual, upTo(env.Decision), e.Count)
	case system.RetentionStalled:
		b.Queue(`
			insert into late (kind, due, waiting, since)
			values ($1, $2, $3, $4)
			on conflict (kind) do update
			   set due = excluded.due, waiting = excluded.waiting`,
			e.Kind, e.Due, e.Waiting, env.At)
	case system.RetentionResumed:
		b.Queue(`delete from late where kind = $1`, e.Kind)
	case system.HoldProposed:
		b.Queue(putHold, e.Hold, e.Kind, e.Fields, system.HoldAsked, env.At)
	case system.HoldPlaced:
		b.Queue(putHold, e.Hold, e.Kind, e.Fields, system.HoldInForce, env.At)
	case system.HoldReleaseProposed:
		b.Queue(`update hold set state = $2, since = $3 where hold = $1::uuid`, e.Hold, system.HoldReleasing, env.At)
	case system.HoldReleased:
		b.Queue(`delete from hold where hold = $1::uuid`, e.Hold)
	case system.ClockJumpNoticed:
		b.Queue(`
			insert into clock (latest, jump_from, jump_to)
			values ($1, $2, $3)
			on conflict (only_row) do update
			   set jump_from = coalesce(clock.jump_from, excluded.jump_from), jump_to = excluded.jump_to`, env.At, e.From, e.To)
	case policy.BundleStored:
		stored(b, e)
	case policy.Activated:
		b.Queue(`
			insert into reign (revision, since)
			values ($1, $2)
			on conflict (revision) do nothing`, e.Revision, env.At)
	case system.ClockJumpConfirmed:
		b.Queue(`update clock set jump_from = null, jump_to = null`)
	}
}

const putHold = `
	insert into hold (hold, kind, fields, state, since)
	values ($1::uuid, $2, $3, $4, $5)
	on conflict (hold) do update
	   set state = excluded.state, since = excluded.since`

// upTo returns what the rule was asked about: when the youngest began of what was deleted. The
// question stands in the record with its answer.
func upTo(d *event.Decision) *time.Time {
	var asked struct {
		Started *time.Time `json:"started"`
	}
	if d == nil || json.Unmarshal(d.Input, &asked) != nil {
		return nil
	}
	return asked.Started
}

// latest queues the latest time of some facts.
func latest(b *pgx.Batch, facts []event.Envelope) {
	var at time.Time
	for _, env := range facts {
		if env.At.After(at) {
			at = env.At
		}
	}
	b.Queue(`
		insert into clock as c (latest)
		values ($1)
		on conflict (only_row) do update
		   set latest = excluded.latest
		 where c.latest < excluded.latest`, at)
}
