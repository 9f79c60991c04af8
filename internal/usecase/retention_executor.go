package usecase

import (
	"context"
	"time"

	"github.com/bgremover/bgremover/domain/id"
)

// Executor deletes what is kept of one kind of the retention data, all that began up to a
// moment at once: rows, partitions, files. What is kept under a key or as an object of its own ends
// with a fact of its own instead (due.go, keys.go).
//
// An executor decides nothing and knows no period: the rules say up to which moment.
type Executor interface {
	// Kind is the kind, as the retention data names it: "api_log".
	Kind() string
	// Oldest says what is there: when the oldest of it began, by the service's time, and how many
	// there are in the unit of the kind (rows, partitions, files). A partition began with the
	// first moment that it can hold. Nothing there is the zero value.
	Oldest(ctx context.Context) (Kept, error)
	// Purge deletes what began at or before a moment, all of it or nothing. If anything went, the note of that
	// many is left with [Purges] in the same transaction: a process that dies leaves both or neither.
	Purge(ctx context.Context, upTo time.Time, note func(count int64) Purged) error
}

// Purges are notes of what executors deleted, until the record has it.
type Purges interface {
	// Unrecorded lists them, the oldest first.
	Unrecorded(ctx context.Context) ([]Purged, error)
	// Recorded drops one.
	Recorded(ctx context.Context, note id.Request) error
}

// Purged is what an executor deleted of a kind at one time.
type Purged struct {
	Note   id.Request // also the request of the fact, so that it is recorded once
	Kind   string
	UpTo   time.Time // what began by then is gone
	Held   bool      // by a hold that does not stop it
	Due    time.Time // when the first of it had to be gone
	Actual time.Time
	Count  int64
}

// Kept is what is there of a kind.
type Kept struct {
	Oldest time.Time // when the oldest began; zero: there is nothing
	Count  int64
}
