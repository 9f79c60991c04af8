// Package ledgertest fills a record for tests and benchmarks that need a large one: whole
// lives of pictures, encoded and sealed as the service does it, copied into the queue of a
// ledger instead of being appended one by one. A sequencer numbers and publishes them like
// everything else.
//
// It checks nothing that an append checks, and no service uses it.
package ledgertest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/ledger"
)

// FactsPerPicture is how many facts the life of one picture has.
const FactsPerPicture = 5

// NewKey makes a key of the vault that is to be used: a picture's name is sealed under it.
type NewKey func(personal.KeyID) (personal.Key, error)

// chunk is how many pictures live at the same time, and are copied at once.
const chunk = 2000

// Queue queues the lives of so many pictures: each was uploaded, processed, downloaded and
// deleted between from and until, and its key is destroyed. The queue then holds three
// appends of a picture; those of a thousand pictures are mixed, as they are in life.
func Queue(ctx context.Context, pool *pgxpool.Pool, newKey NewKey, pictures int, from, until time.Time) error {
	l := loader{pool: pool, newKey: newKey, codec: ledger.NewCodec("bgremover", ledger.Facts(), nil)}
	step := until.Sub(from) / time.Duration(max(pictures, 1))
	for begun := 0; begun < pictures; begun += chunk {
		n := min(chunk, pictures-begun)
		if err := l.copyLives(ctx, n, from.Add(time.Duration(begun)*step), step); err != nil {
			return fmt.Errorf("ledgertest: queue pictures %d to %d: %w", begun, begun+n, err)
		}
	}
	// What was copied is on the disk before anything is timed.
	for _, sql := range []string{"vacuum (analyze) ledger.facts", "checkpoint"} {
		if _, err := pool.Exec(ctx, sql); err != nil {
			return fmt.Errorf("ledgertest: %s: %w", sql, err)
		}
	}
	return nil
}

type loader struct {
	pool   *pgxpool.Pool
	newKey NewKey
	codec  *ledger.Codec
}

// life is one picture's.
type life struct {
	image id.Image
	key   personal.Key
	at    time.Time
}

// rows are what the tables get.
type rows struct{ facts, queue, streams, keys [][]any }

func (l loader) copyLives(ctx context.Context, n int, from time.Time, step time.Duration) error {
	lives := make([]life, n)
	for i := range lives {
		img := id.Image(newID())
		key, err := l.newKey(image.Key(img))
		if err != nil {
			return err
		}
		lives[i] = life{img, key, from.Add(time.Duration(i) * step).Truncate(time.Millisecond)}
	}
	return pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		var positions int64
		// A sequence has no call that takes many at once.
		if err := tx.QueryRow(ctx, "select setval('ledger.position', nextval('ledger.position') + $1)", 3*n).Scan(&positions); err != nil {
			return err
		}
		r, err := l.rows(lives, positions-int64(3*n))
		if err != nil {
			return err
		}
		return r.copy(ctx, tx)
	})
}

// rows makes three appends of each life.
func (l loader) rows(lives []life, position int64) (rows, error) {
	var r rows
	for stage := range 3 {
		for _, one := range lives {
			position++
			if err := l.append(&r, position, one.stage(stage), one); err != nil {
				return rows{}, err
			}
		}
	}
	for _, one := range lives {
		img := string(one.image)
		r.streams = append(r.streams, []any{"image/" + img, int64(4)}, []any{"vault/" + img, int64(1)})
		r.keys = append(r.keys, []any{string(one.key.ID()), "image", one.at.Add(4 * time.Second), string(image.BecauseDownloaded)})
	}
	return r, nil
}

// stage returns what one append of a life adds.
func (l life) stage(n int) []event.Envelope {
	stream := image.Stream(l.image)
	env := func(version int64, after time.Duration, role event.Role, fact event.Fact) event.Envelope {
		return event.Envelope{
			ID: id.Fact(newID()), Stream: stream, Version: version, At: l.at.Add(after),
			Actor: event.Actor{Role: role}, Fact: fact, Decision: decision(fact, l.at),
		}
	}
	switch due := l.at.Add(24 * time.Hour); n {
	case 0:
		hash := sha256.Sum256([]byte(l.image))
		return []event.Envelope{env(1, 0, event.Visitor, image.Uploaded{
			SizeClass: image.UpTo1MiB, Due: due, Basis: "contract",
			Capability: image.CapabilityHash(hex.EncodeToString(hash[:])), FileName: personal.Of("photo.jpg"),
		})}
	case 1:
		return []event.Envelope{env(2, time.Second, event.Processor, image.Processed{
			Model: "u2net", Dimensions: image.UpTo4MP,
			Stages: image.Stages{Decode: 20, Resize: 5, Run: 480, Mask: 4, Foreground: 30, Encode: 25, Total: 570},
		})}
	default:
		gone := env(4, 3*time.Second, event.Clock, image.Deleted{
			Why: image.BecauseDownloaded, Due: due, Actual: l.at.Add(3 * time.Second), Copies: []string{"original", "result"},
		})
		key := env(1, 3*time.Second, event.Clock, system.KeyDestroyed{Key: l.key.ID(), Why: "image.deleted"})
		key.Stream = system.VaultStream(l.key.ID())
		return []event.Envelope{env(3, 3*time.Second, event.Visitor, image.Downloaded{Whole: true}), gone, key}
	}
}

// decision is as large as those that the policy gives.
func decision(fact event.Fact, at time.Time) *event.Decision {
	rule := map[event.Name]string{"image.uploaded.v1": "retention.deadline", "image.deleted.v1": "retention.downloaded"}[fact.EventName()]
	if rule == "" {
		return nil
	}
	input, err := json.Marshal(map[string]any{"kind": "image", "uploaded": at.UTC().Format(time.RFC3339Nano)})
	if err != nil {
		panic(err) // two strings are JSON
	}
	return &event.Decision{Rule: rule, Promises: []string{"image.delete-24h", "image.delete-after-download"}, Revision: 1, Outcome: "allow", Input: input}
}

func (l loader) append(r *rows, position int64, facts []event.Envelope, one life) error {
	size := 0
	for i, env := range facts {
		body, err := l.codec.Encode(env, one.key)
		if err != nil {
			return err
		}
		var uuid pgtype.UUID
		if err := uuid.Scan(string(env.ID)); err != nil {
			return err
		}
		r.facts = append(r.facts, []any{position, i, uuid, string(env.Stream), env.Version, body})
		size += len(body)
	}
	r.queue = append(r.queue, []any{position, len(facts), size})
	return nil
}

func (r rows) copy(ctx context.Context, tx pgx.Tx) error {
	for _, t := range []struct {
		table   pgx.Identifier
		columns []string
		rows    [][]any
	}{
		{pgx.Identifier{"ledger", "facts"}, []string{"pos", "idx", "id", "stream", "version", "body"}, r.facts},
		{pgx.Identifier{"ledger", "streams"}, []string{"stream", "version"}, r.streams},
		{pgx.Identifier{"vault", "keys"}, []string{"id", "kind", "destroyed_at", "destroyed_why"}, r.keys},
		{pgx.Identifier{"ledger", "queue"}, []string{"pos", "facts", "bytes"}, r.queue},
	} {
		if _, err := tx.CopyFrom(ctx, t.table, t.columns, pgx.CopyFromRows(t.rows)); err != nil {
			return fmt.Errorf("copy into %s: %w", t.table.Sanitize(), err)
		}
	}
	return nil
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }
