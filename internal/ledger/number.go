package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/internal/fault"
)

// numbered is a fact with its number, and its bytes.
type numbered struct {
	announcement
	body []byte
}

// numberNext gives the next appends of the queue their numbers: whole appends, in the
// queue's order, without a hole. It returns none when nothing is queued.
//
// It is one transaction in two round trips, because each waits its turn among all who
// append. An error leaves the transaction open: it ends the term, and the connection with it.
func (t *term) numberNext(ctx context.Context) ([]numbered, error) {
	take := &pgx.Batch{}
	take.Queue("begin")
	take.Queue(holdHead, t.number, t.head)
	// The bounds are looked at before an append, so that one that is larger still goes.
	take.Queue(`
		select f.pos, f.idx, f.id, f.stream, f.version, f.body
		  from (select pos, sum(facts) over before as facts, sum(bytes) over before as bytes
		          from (select pos, facts, bytes from ledger.queue order by pos limit $1) q
		        window before as (order by pos rows between unbounded preceding and 1 preceding)) q
		  join ledger.facts f using (pos)
		 where coalesce(q.facts, 0) < $1 and coalesce(q.bytes, 0) < $2
		 order by f.pos, f.idx`, t.BatchFacts, t.BatchBytes)
	batch, err := readTaken(t.conn.SendBatch(ctx, take))
	if err != nil {
		return nil, fmt.Errorf("take from the queue: %w", err)
	}
	give := &pgx.Batch{}
	if len(batch) > 0 {
		t.give(give, batch)
		give.Queue(raiseHead, t.head+int64(len(batch)), t.root())
		fault.Point("number.begin")
	}
	give.Queue("commit")
	if err := t.conn.SendBatch(ctx, give).Close(); err != nil {
		return nil, fmt.Errorf("number what is queued: %w", err)
	}
	if t.raised(len(batch)); len(batch) > 0 {
		fault.Point("number.committed")
	}
	return batch, nil
}

func readTaken(results pgx.BatchResults) ([]numbered, error) {
	batch, err := func() ([]numbered, error) {
		if _, err := results.Exec(); err != nil {
			return nil, err
		}
		if err := held(results.QueryRow()); err != nil {
			return nil, err
		}
		rows, err := results.Query()
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, scanFact)
	}()
	return batch, errors.Join(err, results.Close())
}

// The head is held from the first statement on, and raised by the last. Another term's
// sequencer waits in between.
const (
	holdHead  = "select true from ledger.head where term = $1 and seq = $2 for update"
	raiseHead = "update ledger.head set seq = $1, root = $2"
)

func held(row pgx.Row) error {
	var ours bool
	err := row.Scan(&ours)
	if errors.Is(err, pgx.ErrNoRows) {
		return errTermOver
	}
	return err
}

func (t *term) raised(by int) {
	t.head += int64(by)
	t.report(func(h *Health) { h.Head = t.head })
}

// scanFact reads a fact that has no number yet.
func scanFact(row pgx.CollectableRow) (n numbered, err error) {
	err = row.Scan(&n.pos, &n.idx, &n.id, &n.stream, &n.version, &n.body)
	return n, err
}

// change runs one transaction on the head of the record, which do raises by as many facts
// as it returns.
func (t *term) change(ctx context.Context, do func(pgx.Tx) (given int, err error)) error {
	var given int
	err := pgx.BeginFunc(ctx, t.conn, func(tx pgx.Tx) error {
		err := held(tx.QueryRow(ctx, holdHead, t.number, t.head))
		if err != nil {
			return err
		}
		if given, err = do(tx); err != nil || given == 0 {
			return err
		}
		_, err = tx.Exec(ctx, raiseHead, t.head+int64(given), t.root())
		return err
	})
	if err == nil {
		t.raised(given)
	}
	return err
}

// give writes down the numbers after head, in the order of facts, extends the tree over
// them, and takes the appends off the queue. The tree in memory is ahead of Postgres until
// that is committed; if it is not, the term is over.
func (t *term) give(batch *pgx.Batch, facts []numbered) {
	seqs, positions, idxs := make([]int64, len(facts)), make([]int64, len(facts)), make([]int32, len(facts))
	for i := range facts {
		facts[i].seq = t.head + int64(i) + 1
		seqs[i], positions[i], idxs[i] = facts[i].seq, facts[i].pos, facts[i].idx
	}
	batch.Queue("insert into ledger.numbers (seq, pos, idx) select * from unnest($1::bigint[], $2::bigint[], $3::int[])", seqs, positions, idxs)
	t.extend(batch, facts)
	// An append of which only a part is numbered, because Kafka had only that part, stays.
	batch.Queue(`
		delete from ledger.queue q
		 where q.pos = any($1)
		   and q.facts = (select count(*) from ledger.numbers n where n.pos = q.pos)`, positions)
}
