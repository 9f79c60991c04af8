package usecase

import (
	"context"
	"time"
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
	// Purge deletes what began at or before a moment, and returns how many that were. When it
	// fails half-way it says how far it came; what is left is deleted the next time.
	Purge(ctx context.Context, upTo time.Time) (purged int64, err error)
}

// Kept is what is there of a kind.
type Kept struct {
	Oldest time.Time // when the oldest began; zero: there is nothing
	Count  int64
}
