package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5"
)

// Topics that the sequencer writes.
const (
	TopicRecord      = "record"      // one partition, every fact, in order, for ever
	TopicWork        = "work.image"  // uploads, for the processors; each at least once
	TopicCheckpoints = "checkpoints" // one partition, what was signed about the record, for ever
)

// Metadata of the messages. A publisher passes MetaSeq on as a header, and MetaKey as the
// Kafka key; where it learns at which offset a message was stored, it puts that into MetaOffset.
const (
	MetaSeq    = "seq"  // in the topic of checkpoints: the place in its own order
	MetaKind   = "kind" // in the topic of checkpoints: "key", "checkpoint", "cosigned" or "rotation"
	MetaKey    = "key"
	MetaOffset = "offset"
)

// SequencerConfig says what a sequencer works with.
type SequencerConfig struct {
	// Publisher stores messages in the order given, acknowledged by all replicas. Publish
	// returns nil only when every one of them is stored; on an error any of them may be.
	Publisher message.Publisher
	// Record reads the record back at the beginning of each term, and where it ends while
	// there is nothing to do.
	Record Source
	// Conn is for the connection that holds the lock; it MUST NOT lead through a pooler in
	// transaction mode. Nil: as the ledger's pool.
	Conn *pgx.ConnConfig
	Log  *slog.Logger // nil: silence
	// Signing signs heads of the tree; nil: there are no checkpoints.
	Signing *Signing
	// BatchFacts and BatchBytes bound what is numbered and published at once; 2 000 and
	// 2 MiB if zero. A batch ends with the append that reaches one of them.
	BatchFacts, BatchBytes int
	// Pause is the first pause between two terms, doubled while none gets to its work, up to
	// 20 times of it; 250 ms if zero.
	Pause time.Duration
	// Watch is how often it looks, while there is nothing to do, whether the broker still has
	// what it acknowledged; 10 s if zero.
	Watch time.Duration
}

// Sequencer gives facts their numbers and publishes them. Any number of them may run; one
// at a time holds the lock and a term.
type Sequencer struct {
	ledger *Ledger
	SequencerConfig
	mu     sync.Mutex
	health Health
	counts SequencerCounters
}

// SequencerCounters count what a sequencer did since it started.
type SequencerCounters struct {
	Terms     atomic.Int64
	Facts     atomic.Int64 // published
	Batches   atomic.Int64 // published; with Facts it tells how many round trips a fact costs
	Failures  atomic.Int64 // batches whose storing was in doubt; each ended a term
	Uploads   atomic.Int64 // handed to the processors
	Adopted   atomic.Int64 // facts that Kafka had and Postgres did not
	Displaced atomic.Int64 // appends that were removed, because Kafka had others in their place
	Lost      atomic.Int64 // times the broker had less than it once acknowledged
	Signed    atomic.Int64 // checkpoints
}

// Health is how a sequencer is.
type Health struct {
	Term       int64     // 0: another one holds the lock, or nobody
	Head       int64     // the highest seq given
	Published  int64     // the highest seq in Kafka
	Publishing time.Time // since when the batch in flight is tried; zero if there is none
	Trouble    string    // what keeps it from working at the moment
	Halted     string    // why it stopped for good
}

const (
	idlePoll  = 10 * time.Millisecond  // how long an append of another process waits at most to be seen
	lockPoll  = 500 * time.Millisecond // how often the lock is tried for
	pauseTops = 20                     // the longest pause, in first pauses
)

// NewSequencer returns a sequencer beside a ledger of the same process.
func NewSequencer(l *Ledger, c SequencerConfig) *Sequencer {
	if c.Conn == nil {
		c.Conn = l.pool.Config().ConnConfig
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.BatchFacts == 0 {
		c.BatchFacts = 2000
	}
	if c.BatchBytes == 0 {
		c.BatchBytes = 2 << 20
	}
	if c.Pause == 0 {
		c.Pause = 250 * time.Millisecond
	}
	if c.Watch == 0 {
		c.Watch = 10 * time.Second
	}
	return &Sequencer{ledger: l, SequencerConfig: c}
}

// Health returns how the sequencer is.
func (s *Sequencer) Health() Health {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.health
}

// Counters returns the live counters.
func (s *Sequencer) Counters() *SequencerCounters { return &s.counts }

func (s *Sequencer) report(change func(*Health)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.health)
}

// Run works until ctx ends, one term after the other; an error in one ends it and, after
// a pause, begins the next. It returns an error only when the record is forked
// or cut ([ErrFork], [ErrCut]): then nothing is appended, by anybody, until a sequencer
// finds it whole.
func (s *Sequencer) Run(ctx context.Context) error {
	pause := s.Pause
	for ctx.Err() == nil {
		began, err := s.hold(ctx)
		s.report(func(h *Health) { h.Term, h.Publishing = 0, time.Time{} })
		switch {
		case ctx.Err() != nil:
			return nil
		case halting(err):
			s.report(func(h *Health) { h.Halted = err.Error() })
			s.Log.ErrorContext(ctx, "ALARM: the record is damaged, nothing is appended any more", slog.Any("err", err))
			return err
		case errors.Is(err, ErrLost):
			s.counts.Lost.Add(1)
			s.Log.ErrorContext(ctx, "ALARM: the broker lost a part of the record; it is published again", slog.Any("err", err))
		default:
			s.Log.WarnContext(ctx, "the sequencer's term ended", slog.Any("err", err))
		}
		s.report(func(h *Health) { h.Trouble = err.Error() })
		if began {
			pause = s.Pause
		}
		if sleep(ctx, pause) != nil {
			return nil
		}
		pause = min(2*pause, pauseTops*s.Pause)
	}
	return nil
}

// hold waits for the lock and works for one term. Whatever ends it also ends the
// connection, and with it the lock. began says that the term got to its work.
func (s *Sequencer) hold(ctx context.Context) (began bool, err error) {
	cfg := keptAlive(s.Conn)
	// The tables grow from nothing faster than their statistics: no plan that reads all of them.
	cfg.RuntimeParams["enable_seqscan"] = "off"
	cfg.RuntimeParams["enable_hashjoin"] = "off"
	cfg.RuntimeParams["enable_mergejoin"] = "off"
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return false, fmt.Errorf("connect to postgres: %w", err)
	}
	defer closeQuietly(conn)
	if err := s.takeLock(ctx, conn); err != nil {
		return false, err
	}
	t, err := s.begin(ctx, conn)
	if err != nil {
		return false, err
	}
	err = t.work(ctx)
	switch {
	case ctx.Err() != nil:
		t.signOff(context.WithoutCancel(ctx))
	case halting(err):
		err = errors.Join(err, t.halt(ctx, err))
	}
	return true, err
}

// takeLock tries until it has the lock. It never waits inside Postgres: a statement that
// waits there keeps the queue's dead rows from being cleaned away.
func (s *Sequencer) takeLock(ctx context.Context, conn *pgx.Conn) error {
	for {
		var got bool
		if err := conn.QueryRow(ctx, "select pg_try_advisory_lock($1)", int64(sequencerLock)).Scan(&got); err != nil {
			return fmt.Errorf("take the sequencer's lock: %w", err)
		}
		if got {
			return nil
		}
		s.report(func(h *Health) { h.Trouble = "" }) // another one works: that is as it should be
		if err := sleep(ctx, lockPoll); err != nil {
			return err
		}
	}
}
