// Package custody keeps what the record says must be there, for the sentinel alone.
//
//	reads:  image.uploaded, image.deletion_due_changed, image.deleted, visit.began, vault.key_destroyed
//	writes: picture, ended_key, visitor_day (schema.sql)
//	shown:  nobody; the sentinel compares the blob store and the vault with it
//
// Read it in this order: schema.sql, custody.go (what each fact changes), queries.go.
//
// It shares neither code nor tables with the views that the janitor works by: a mistake in those
// must not be able to hide itself here. It decides nothing, and holds nothing that the codec seals.
package custody

import (
	_ "embed"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/domain/visit"
)

// Name is the view's name, and its schema's.
const Name = "custody"

// Schema makes the tables.
//
//go:embed schema.sql
var Schema string

// Apply queues what some facts change. Applying them again changes nothing.
func Apply(b *pgx.Batch, facts []event.Envelope) {
	c := changes{of: map[id.Image]int{}}
	for _, env := range facts {
		c.add(env)
	}
	if len(c.image) > 0 {
		b.Queue(`
			insert into picture as p (image, uploaded_seq, due, deleted_at, key_ended)
			select * from unnest($1::uuid[], $2::bigint[], $3::timestamptz[], $4::timestamptz[], $5::boolean[])
			on conflict (image) do update
			   set uploaded_seq = coalesce(p.uploaded_seq, excluded.uploaded_seq),
			       due          = least(p.due, excluded.due),
			       deleted_at   = coalesce(p.deleted_at, excluded.deleted_at),
			       key_ended    = p.key_ended or excluded.key_ended`,
			c.image, c.uploadedSeq, c.due, c.deletedAt, c.keyEnded)
	}
	if len(c.keys) > 0 {
		b.Queue(`insert into ended_key (key) select unnest($1::text[]) on conflict do nothing`, c.keys)
	}
	if len(c.visits) > 0 {
		b.Queue(`
			insert into visitor_day (visit, began_at)
			select * from unnest($1::uuid[], $2::timestamptz[]) c (visit, began_at)
			 where not exists (select from ended_key where key = 'visit/' || c.visit)
			on conflict do nothing`, c.visits, c.began)
	}
	if len(c.over) > 0 {
		b.Queue(`delete from visitor_day where visit = any ($1::uuid[])`, c.over)
	}
}

// changes are what a run of facts makes of pictures, one array per column, and the keys of other
// things that it ends. What is nil stays as it is.
type changes struct {
	of          map[id.Image]int // its place in the arrays
	image       []string
	uploadedSeq []*int64
	due         []*time.Time
	deletedAt   []*time.Time
	keyEnded    []bool

	keys []string

	visits []string
	began  []time.Time
	over   []string // visits whose key is destroyed
}

// at returns a picture's place in the arrays.
func (c *changes) at(img id.Image) int {
	i, ok := c.of[img]
	if !ok {
		i = len(c.image)
		c.of[img] = i
		c.image = append(c.image, string(img))
		c.uploadedSeq, c.due = append(c.uploadedSeq, nil), append(c.due, nil)
		c.deletedAt, c.keyEnded = append(c.deletedAt, nil), append(c.keyEnded, false)
	}
	return i
}

// dueBy keeps the earliest time that was promised.
func (c *changes) dueBy(i int, due time.Time) {
	if c.due[i] == nil || due.Before(*c.due[i]) {
		c.due[i] = &due
	}
}

func (c *changes) add(env event.Envelope) {
	switch f := env.Fact.(type) {
	case image.Uploaded:
		if img, ok := image.OfStream(env.Stream); ok {
			i := c.at(img)
			if c.uploadedSeq[i] == nil {
				c.uploadedSeq[i] = &env.Seq
			}
			c.dueBy(i, f.Due)
		}
	case image.DeletionDueChanged:
		if img, ok := image.OfStream(env.Stream); ok {
			c.dueBy(c.at(img), f.Due)
		}
	case image.Deleted:
		if img, ok := image.OfStream(env.Stream); ok {
			if i := c.at(img); c.deletedAt[i] == nil {
				c.deletedAt[i] = &f.Actual
			}
		}
	case system.KeyDestroyed:
		// A key has the name of its subject's stream.
		if img, ok := image.OfStream(event.Stream(f.Key)); ok {
			c.keyEnded[c.at(img)] = true
			return
		}
		c.keys = append(c.keys, string(f.Key))
		if v, ok := visitOf(event.Stream(f.Key)); ok {
			c.over = append(c.over, v)
		}
	case visit.Began:
		if v, ok := visitOf(env.Stream); ok {
			c.visits, c.began = append(c.visits, v), append(c.began, env.At)
		}
	}
}

// visitOf returns the visitor's day that a stream is about, if it is about one.
func visitOf(s event.Stream) (string, bool) {
	rest, ok := strings.CutPrefix(string(s), string(visit.Stream("")))
	_, isID := id.ParseImage(rest) // all ids have one form
	return rest, ok && isID
}
