package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/internal/merkle"
)

// term is one sequencer's time in office. Everything it does in Postgres it does on the
// connection that holds the lock, and on condition that no later term has begun.
type term struct {
	*Sequencer
	conn   *pgx.Conn
	number int64

	head    int64        // the highest seq given
	tree    *merkle.Edge // over the facts up to there
	scanned place        // up to here the record was read back; it need not be published again
	through int64        // up to here everything is published
	offset  int64        // a copy of through stands there or later
	top     int64        // the highest offset that the broker returned; -1 while there is none
	short   bool         // when it was last looked at, the partition ended before top
	signs   signs
	stale   time.Time // uploads that are older are not handed to the processors again
}

// place is a fact's seq, and an offset at which it stands.
type place struct{ seq, offset int64 }

// errTermOver says that another sequencer has begun a term.
var errTermOver = errors.New("ledger: another sequencer has begun a term")

// begin starts a term: no older one can give a number any more. It reads back what Kafka
// has and Postgres does not know, and only then is the record known to be whole.
func (s *Sequencer) begin(ctx context.Context, conn *pgx.Conn) (*term, error) {
	t := &term{Sequencer: s, conn: conn, top: -1, signs: newSigns()}
	var root []byte
	err := conn.QueryRow(ctx, `
		with raised as (update ledger.head set term = term + 1 returning term, seq, root)
		select r.term, r.seq, r.root, p.through, p."offset" from raised r, ledger.published p`,
	).Scan(&t.number, &t.head, &root, &t.through, &t.offset)
	if err != nil {
		return nil, fmt.Errorf("begin a term: %w", err)
	}
	s.counts.Terms.Add(1)
	s.report(func(h *Health) { h.Trouble = "it reads the record back" }) // until then nothing is answered
	err = t.prepare(ctx, root)
	if halting(err) {
		return nil, errors.Join(err, t.halt(ctx, err))
	}
	if err != nil {
		return nil, fmt.Errorf("begin term %d: %w", t.number, err)
	}
	s.report(func(h *Health) {
		h.Term, h.Head, h.Published, h.Trouble, h.Halted = t.number, t.head, t.through, "", ""
	})
	s.Log.InfoContext(ctx, "the sequencer began a term",
		slog.Int64("term", t.number), slog.Int64("head", t.head), slog.Int64("published", t.through))
	return t, nil
}

// prepare is what comes before the first number of a term.
func (t *term) prepare(ctx context.Context, root []byte) error {
	if err := t.plant(ctx, root); err != nil {
		return fmt.Errorf("look at the tree: %w", err)
	}
	if err := t.scan(ctx); err != nil {
		return fmt.Errorf("read the record back: %w", err)
	}
	if err := t.complete(ctx); err != nil {
		return fmt.Errorf("complete what was published in part: %w", err)
	}
	if err := t.noteStale(ctx); err != nil {
		return fmt.Errorf("read the newest fact: %w", err)
	}
	if err := t.mendCheckpoints(ctx); err != nil { // before anything more is published, or appended
		return err
	}
	_, err := t.conn.Exec(ctx, "update ledger.head set halted = null where term = $1 and halted is not null", t.number)
	if err != nil {
		return fmt.Errorf("lift the halt: %w", err)
	}
	return t.catchUp(ctx)
}

// halting says whether an error is one that no later term can put right by itself.
func halting(err error) bool { return errors.Is(err, ErrFork) || errors.Is(err, ErrCut) }

// halt keeps everybody from appending.
func (t *term) halt(ctx context.Context, why error) error {
	_, err := t.conn.Exec(ctx, "update ledger.head set halted = $2 where term = $1", t.number, why.Error())
	if err != nil {
		return fmt.Errorf("halt: %w", err)
	}
	return nil
}

// work numbers and publishes until something goes wrong or ctx ends. One batch is in
// flight at a time. What is queued meanwhile gets its numbers when it has landed, so that
// it is one batch; only behind a full batch the next is numbered during the flight.
func (t *term) work(ctx context.Context) error {
	db, end := outlive(ctx, stopTime)
	defer end()
	poll := time.NewTicker(idlePoll)
	defer poll.Stop()
	var flying, next []numbered
	landed := make(chan flight, 1)
	watch := time.NewTicker(t.Watch)
	defer watch.Stop()
	seen := make(chan sighting, 1)
	watching := false
	sign, stop := t.Signing.ticks()
	defer stop()
	look := true // at the queue
	for {
		if look && len(next) == 0 && (len(flying) == 0 || t.full(flying)) {
			var err error
			if next, err = t.numberNext(db); err != nil {
				return err
			}
			look = len(next) > 0
		}
		if len(flying) == 0 && len(next) > 0 {
			flying, next = next, nil
			t.launch(flying, landed)
			continue
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case f := <-landed:
			if err := t.land(db, flying, f); err != nil {
				return err
			}
			flying, look = nil, true
		case <-t.ledger.queued:
			look = true
		case <-sign:
			if err := t.signNext(db); err != nil {
				return err
			}
		case then := <-t.signs.done:
			if err := then(db); err != nil {
				return err
			}
		case <-poll.C:
			// Also during a flight: a connection that is gone has given the lock away.
			var queued bool
			if err := t.conn.QueryRow(db, "select exists (select from ledger.queue)").Scan(&queued); err != nil {
				return fmt.Errorf("look at the queue: %w", err)
			}
			look = look || queued
		case <-watch.C:
			if watching || len(flying) > 0 {
				continue // it will tell
			}
			watching = true
			t.watch(seen)
		case s := <-seen:
			watching = false
			if err := t.watched(s); err != nil {
				return err
			}
		}
	}
}

// sighting is where the partition ended when the broker had acknowledged all up to top.
type sighting struct {
	top, end int64
	err      error
}

// watch looks where the record ends: while nothing is published, nothing else would tell that
// the broker lost something. It waits for nobody, not even for a broker that does not answer.
func (t *term) watch(seen chan<- sighting) {
	top := t.top
	go func() {
		f, err := t.Record.Fetch(context.Background(), max(top, 0), 0) // ends by the connection's own limits
		seen <- sighting{top, f.End, err}
	}()
}

// watched fails when the record ended before what the broker had acknowledged, twice in a row:
// right after a change of leaders the end may lag. A broker that is away has lost nothing yet.
func (t *term) watched(s sighting) error {
	if s.err != nil {
		return nil
	}
	was := t.short
	t.short = s.end <= s.top
	if was && t.short {
		return fmt.Errorf("ledger: the partition ends at offset %d, and offset %d was acknowledged: %w", s.end, s.top, ErrLost)
	}
	return nil
}

// stopTime is how long what is under way may go on after a term is asked to end.
const stopTime = 5 * time.Second

// outlive returns a context that ends so much later than ctx: a statement that is broken off
// costs the connection, which a term needs once more to end in good order.
func outlive(ctx context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	later, cancel := context.WithCancel(context.WithoutCancel(ctx))
	forget := context.AfterFunc(ctx, func() { time.AfterFunc(by, cancel) })
	return later, func() { forget(); cancel() }
}

// full says that there was more in the queue than one batch takes.
func (t *term) full(batch []numbered) bool {
	size := 0
	for _, n := range batch {
		size += len(n.body)
	}
	return len(batch) >= t.BatchFacts || size >= t.BatchBytes
}
