package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/personal"
)

// Vault makes, locks and destroys keys inside the transaction of an append.
type Vault interface {
	Keys
	// Make stores a key that so far was only in memory. One that is there already is an error.
	Make(ctx context.Context, tx pgx.Tx, key personal.Key) error
	// Lock keeps keys alive until the transaction ends. It locks in the order given, and
	// fails with [personal.ErrDestroyed] or [personal.ErrNoKey].
	Lock(ctx context.Context, tx pgx.Tx, keys []personal.KeyID) error
	// Destroy turns a key into a tombstone; why is a permanent code ("image.deleted").
	Destroy(ctx context.Context, tx pgx.Tx, key personal.KeyID, why string) error
}

// Options of a ledger.
type Options struct {
	Source string          // names this cell in every envelope; "bgremover" if empty
	Facts  *event.Registry // nil: [Facts]
	NewID  id.Source       // makes ids of facts; required
	Log    *slog.Logger    // nil: silence
	// Follow puts the rules in force here that the record has in force. It is called when an
	// append's decisions rest on others. Nil: nothing is done.
	Follow func(context.Context) error
	// Patience bounds how long a call waits for Postgres or Kafka when its context does
	// not; 30 s if zero.
	Patience time.Duration
}

// Ledger appends facts and loads streams. It is safe for concurrent use, and implements
// usecase.Record. [Ledger.Run] MUST run beside it: it wakes those who wait.
type Ledger struct {
	pool     *pgxpool.Pool
	vault    Vault
	codec    *Codec
	newID    id.Source
	log      *slog.Logger
	patience time.Duration
	rules    func(context.Context) error
	board    *board
	queued   chan struct{} // wakes a sequencer in this process
	counters Counters
}

// Counters count what happened in this process since it started.
type Counters struct {
	Appends   atomic.Int64 // answered: their facts are published
	Repeated  atomic.Int64 // of those, requests that had been carried out before
	Conflicts atomic.Int64
	Refused   atomic.Int64 // too large
	Away      atomic.Int64 // given up, because Postgres or Kafka was away
	Retries   atomic.Int64 // transactions tried again
	Sweeps    atomic.Int64 // questions to Postgres on behalf of all who wait
}

// New returns a ledger over a migrated database. vault may be nil in a process that
// appends nothing personal and opens nothing.
func New(pool *pgxpool.Pool, vault Vault, o Options) *Ledger {
	if o.Source == "" {
		o.Source = "bgremover"
	}
	if o.Facts == nil {
		o.Facts = Facts()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Patience == 0 {
		o.Patience = 30 * time.Second
	}
	var keys Keys
	if vault != nil {
		keys = vault
	}
	return &Ledger{
		pool:     pool,
		vault:    vault,
		codec:    NewCodec(o.Source, o.Facts, keys),
		newID:    o.NewID,
		log:      o.Log,
		patience: o.Patience,
		rules:    o.Follow,
		board:    newBoard(),
		queued:   make(chan struct{}, 1),
	}
}

// Counters returns the live counters.
func (l *Ledger) Counters() *Counters { return &l.counters }

// errPatience is the cause of a context that ended because of [Options.Patience].
var errPatience = errors.New("ledger: waited long enough")

// patient bounds a call that may have to wait.
func (l *Ledger) patient(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, l.patience, errPatience)
}

// unavailable is the refusal of a call that cannot be answered now, with our reason for the log.
func (l *Ledger) unavailable(why error) error {
	l.counters.Away.Add(1)
	return fmt.Errorf("%w (%w)", event.ErrUnavailable, why)
}

// State is how far the record has come, as Postgres knows it.
type State struct {
	Term      int64 // of the sequencer that was last seen
	Head      int64 // the highest seq given
	Published int64 // the highest seq in Kafka
	Queued    int64 // appends that wait for their numbers
	Halted    string
}

// State asks Postgres.
func (l *Ledger) State(ctx context.Context) (State, error) {
	var s State
	err := l.pool.QueryRow(ctx, `
		select h.term, h.seq, p.through, (select count(*) from ledger.queue), coalesce(h.halted, '')
		  from ledger.head h, ledger.published p`,
	).Scan(&s.Term, &s.Head, &s.Published, &s.Queued, &s.Halted)
	if err != nil {
		return State{}, fmt.Errorf("ledger: state: %w", err)
	}
	return s, nil
}
