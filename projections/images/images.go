// Package images keeps the status of every picture and the list of due deletions.
//
//	reads:  image.uploaded, image.processing_failed, image.processed, image.downloaded,
//	        image.deleted, vault.key_destroyed
//	writes: images.picture (schema.sql)
//	shown:  adapters/web (a picture's page, the proof of its deletion), the janitor, metrics
//
// Read it in this order: schema.sql, images.go (what each fact changes), queries.go, purge.go.
//
// It holds nothing that the codec seals: no owner, no file name. It decides nothing; whether a
// picture is deleted is for domain/image to say from the record.
package images

import (
	_ "embed"

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

// Apply queues what one fact changes. Applying a fact again has no further effect, because
// a picture's row knows the version it rests on.
func Apply(b *pgx.Batch, env event.Envelope) {
	if e, ok := env.Fact.(system.KeyDestroyed); ok {
		applyKeyDestroyed(b, env.Seq, e)
		return
	}
	img, ok := image.OfStream(env.Stream)
	if !ok {
		return
	}
	e, ok := env.Fact.(image.Event)
	if !ok { // of a newer release
		queueVersion(b, img, env.Version)
		return
	}
	switch e := e.(type) {
	case image.Uploaded:
		b.Queue(`insert into images.picture (image, version, size_class, uploaded_at, uploaded_seq, due, capability)
		         values ($1, $2, $3, $4, $5, $6, $7)
		         on conflict (image) do nothing`,
			img, env.Version, e.SizeClass, env.At, env.Seq, e.Due, e.Capability)
	case image.ProcessingFailed:
		b.Queue(`update images.picture set version = $2, failure = $3
		         where image = $1 and version < $2`,
			img, env.Version, e.Code)
	case image.Processed:
		b.Queue(`update images.picture set version = $2, total_ms = $3
		         where image = $1 and version < $2`,
			img, env.Version, e.Stages.Total)
	case image.Downloaded:
		queueVersion(b, img, env.Version)
	case image.Deleted:
		b.Queue(`update images.picture set version = $2, deleted_why = $3, deleted_at = $4, deleted_seq = $5
		         where image = $1 and version < $2`,
			img, env.Version, e.Why, e.Actual, env.Seq)
	}
}

func queueVersion(b *pgx.Batch, img id.Image, version int64) {
	b.Queue(`update images.picture set version = $2 where image = $1 and version < $2`, img, version)
}

// applyKeyDestroyed notes the fact's place. It stands in the vault's stream, so that the
// picture's version says nothing about it.
func applyKeyDestroyed(b *pgx.Batch, seq int64, e system.KeyDestroyed) {
	img, ok := ofKey(e.Key)
	if !ok {
		return
	}
	b.Queue(`update images.picture set key_destroyed_seq = $2
	         where image = $1 and key_destroyed_seq is null`, img, seq)
}

// ofKey returns the picture whose key this is: a key has the name of its subject's stream.
func ofKey(key personal.KeyID) (id.Image, bool) { return image.OfStream(event.Stream(key)) }
