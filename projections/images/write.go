package images

import (
	"time"

	"github.com/jackc/pgx/v5"
)

// columns are changes as arrays, one per column, all of the same length: one statement for
// any number of pictures.
type columns struct {
	image           []string
	version         []int64
	changedDue      []*time.Time
	failure         []*string
	totalMS         []*int64
	deletedWhy      []*string
	deletedAt       []*time.Time
	deletedSeq      []*int64
	keyDestroyedSeq []*int64

	// Of uploads alone.
	sizeClass   []string
	uploadedAt  []time.Time
	uploadedSeq []int64
	due         []time.Time
	capability  []string
}

func (c *columns) add(one *change) {
	c.image = append(c.image, string(one.image))
	c.version = append(c.version, one.version)
	c.changedDue = append(c.changedDue, one.due)
	c.failure = append(c.failure, one.failure)
	c.totalMS = append(c.totalMS, one.totalMS)
	c.deletedWhy = append(c.deletedWhy, one.deletedWhy)
	c.deletedAt = append(c.deletedAt, one.deletedAt)
	c.deletedSeq = append(c.deletedSeq, one.deletedSeq)
	c.keyDestroyedSeq = append(c.keyDestroyedSeq, one.keyDestroyedSeq)
	if up := one.uploaded; up != nil {
		c.sizeClass = append(c.sizeClass, string(up.SizeClass))
		c.uploadedAt = append(c.uploadedAt, one.uploadedAt)
		c.uploadedSeq = append(c.uploadedSeq, one.uploadedSeq)
		due := up.Due
		if one.due != nil && one.due.Before(due) {
			due = *one.due
		}
		c.due = append(c.due, due)
		c.capability = append(c.capability, string(up.Capability))
	}
}

// queue lines up one statement for the pictures that these facts begin, and one for the others.
func (c *changes) queue(b *pgx.Batch) {
	var begun, later columns
	for _, one := range c.order {
		if one.uploaded != nil {
			begun.add(one)
		} else {
			later.add(one)
		}
	}
	if n := begun; len(n.image) > 0 {
		b.Queue(insert, n.image, n.version, n.failure, n.totalMS, n.deletedWhy, n.deletedAt, n.deletedSeq, n.keyDestroyedSeq,
			n.sizeClass, n.uploadedAt, n.uploadedSeq, n.due, n.capability)
	}
	if n := later; len(n.image) > 0 {
		b.Queue(update, n.image, n.version, n.changedDue, n.failure, n.totalMS, n.deletedWhy, n.deletedAt, n.deletedSeq, n.keyDestroyedSeq)
	}
}

// A picture that is there already met these facts before, or some of them: only what follows
// the version that it rests on changes it.
const insert = `
	insert into picture as p (
	       image, version, failure, total_ms, deleted_why, deleted_at, deleted_seq, key_destroyed_seq,
	       size_class, uploaded_at, uploaded_seq, due, capability)
	select * from unnest($1::uuid[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::timestamptz[], $7::bigint[], $8::bigint[],
	                     $9::text[], $10::timestamptz[], $11::bigint[], $12::timestamptz[], $13::text[])
	on conflict (image) do update
	   set version           = greatest(p.version, excluded.version),
	       due               = least(p.due, excluded.due),
	       failure           = coalesce(excluded.failure, p.failure),
	       total_ms          = coalesce(excluded.total_ms, p.total_ms),
	       deleted_why       = coalesce(excluded.deleted_why, p.deleted_why),
	       deleted_at        = coalesce(excluded.deleted_at, p.deleted_at),
	       deleted_seq       = coalesce(excluded.deleted_seq, p.deleted_seq),
	       key_destroyed_seq = coalesce(p.key_destroyed_seq, excluded.key_destroyed_seq)
	 where p.version < excluded.version or (p.key_destroyed_seq is null and excluded.key_destroyed_seq is not null)`

const update = `
	update picture as p
	   set version           = greatest(p.version, c.version),
	       due               = least(p.due, c.due),
	       failure           = coalesce(c.failure, p.failure),
	       total_ms          = coalesce(c.total_ms, p.total_ms),
	       deleted_why       = coalesce(c.deleted_why, p.deleted_why),
	       deleted_at        = coalesce(c.deleted_at, p.deleted_at),
	       deleted_seq       = coalesce(c.deleted_seq, p.deleted_seq),
	       key_destroyed_seq = coalesce(p.key_destroyed_seq, c.key_destroyed_seq)
	  from unnest($1::uuid[], $2::bigint[], $3::timestamptz[], $4::text[], $5::bigint[], $6::text[], $7::timestamptz[], $8::bigint[], $9::bigint[])
	    as c (image, version, due, failure, total_ms, deleted_why, deleted_at, deleted_seq, key_destroyed_seq)
	 where p.image = c.image
	   and (p.version < c.version or (p.key_destroyed_seq is null and c.key_destroyed_seq is not null))`
