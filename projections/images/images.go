// Package images keeps the status of every picture and the list of due deletions.
//
//	reads:  image.uploaded, image.processing_failed, image.processed, image.downloaded,
//	        image.deletion_due_changed, image.deleted, vault.key_destroyed
//	writes: picture (schema.sql)
//	shown:  adapters/web (a picture's page, the proof of its deletion), the janitor, metrics
//
// Read it in this order: schema.sql, images.go (what each fact changes), write.go (how many
// pictures' changes are written at once), queries.go, purge.go.
//
// It holds nothing that the codec seals: no owner, no file name. It decides nothing; whether a
// picture is deleted is for domain/image to say from the record.
package images

import (
	_ "embed"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/system"
)

// Name is the view's name, and its schema's.
const Name = "images"

// Schema makes the tables.
//
//go:embed schema.sql
var Schema string

// Apply queues what some facts change. Applying a run of facts again has no further effect,
// because a picture's row knows the version it rests on.
func Apply(b *pgx.Batch, facts []event.Envelope) {
	c := changes{of: map[id.Image]*change{}}
	for _, env := range facts {
		c.add(env)
	}
	c.queue(b)
}

// change is what a run of facts makes of one picture. What is nil stays as it is.
type change struct {
	image           id.Image
	uploaded        *image.Uploaded
	uploadedAt      time.Time
	uploadedSeq     int64
	version         int64      // of the last fact in the picture's stream; 0 if there is none
	due             *time.Time // where it was changed
	failure         *string
	totalMS         *int64
	deletedWhy      *string
	deletedAt       *time.Time
	deletedSeq      *int64
	keyDestroyedSeq *int64
}

// changes are those of many pictures, in the order in which these first occur.
type changes struct {
	of    map[id.Image]*change
	order []*change
}

func (c *changes) to(img id.Image) *change {
	one, ok := c.of[img]
	if !ok {
		one = &change{image: img}
		c.of[img] = one
		c.order = append(c.order, one)
	}
	return one
}

func (c *changes) add(env event.Envelope) {
	if e, ok := env.Fact.(system.KeyDestroyed); ok {
		// It stands in the vault's stream, so that the picture's version says nothing about it.
		if img, ok := ofKey(e.Key); ok {
			if one := c.to(img); one.keyDestroyedSeq == nil {
				one.keyDestroyedSeq = &env.Seq
			}
		}
		return
	}
	img, ok := image.OfStream(env.Stream)
	if !ok {
		return
	}
	one := c.to(img)
	one.version = env.Version // also of a fact of a newer release
	e, ok := env.Fact.(image.Event)
	if !ok {
		return
	}
	switch e := e.(type) {
	case image.Uploaded:
		one.uploaded, one.uploadedAt, one.uploadedSeq = &e, env.At, env.Seq
	case image.ProcessingFailed:
		one.failure = &e.Code
	case image.Processed:
		one.totalMS = &e.Stages.Total
	case image.Downloaded:
	case image.DeletionDueChanged:
		one.due = &e.Due
	case image.Deleted:
		one.deletedWhy, one.deletedAt, one.deletedSeq = (*string)(&e.Why), &e.Actual, &env.Seq
	}
}

// ofKey returns the picture whose key this is: a key has the name of its subject's stream.
func ofKey(key personal.KeyID) (id.Image, bool) { return image.OfStream(event.Stream(key)) }
