package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// numbered is a fact with its number, and its bytes.
type numbered struct {
	announcement
	body []byte
}

// numberNext gives the next appends of the queue their numbers: whole appends, in the
// queue's order, without a hole. It returns none when nothing is queued.
func (t *term) numberNext(ctx context.Context) ([]numbered, error) {
	var batch []numbered
	err := t.change(ctx, func(tx pgx.Tx) (given int, err error) {
		// The bounds are looked at before an append, so that one that is larger still goes.
		rows, err := tx.Query(ctx, `
			select f.pos, f.idx, f.stream, f.version, f.body
			  from (select pos, sum(facts) over before as facts, sum(bytes) over before as bytes
			          from (select pos, facts, bytes from ledger.queue order by pos limit $1) q
			        window before as (order by pos rows between unbounded preceding and 1 preceding)) q
			  join ledger.facts f using (pos)
			 where coalesce(q.facts, 0) < $1 and coalesce(q.bytes, 0) < $2
			 order by f.pos, f.idx`, t.BatchFacts, t.BatchBytes)
		if err != nil {
			return 0, err
		}
		if batch, err = pgx.CollectRows(rows, scanFact); err != nil || len(batch) == 0 {
			return 0, err
		}
		return len(batch), t.give(ctx, tx, batch)
	})
	if err != nil {
		return nil, fmt.Errorf("number the queue: %w", err)
	}
	return batch, nil
}

// scanFact reads a fact that has no number yet.
func scanFact(row pgx.CollectableRow) (n numbered, err error) {
	return n, row.Scan(&n.pos, &n.idx, &n.stream, &n.version, &n.body)
}

// change runs one transaction on the head of the record, which do raises by as many facts
// as it returns. It holds the head from its first statement on, and fails when another
// term has begun.
func (t *term) change(ctx context.Context, do func(pgx.Tx) (given int, err error)) error {
	head := t.head
	err := pgx.BeginFunc(ctx, t.conn, func(tx pgx.Tx) error {
		var ours bool
		err := tx.QueryRow(ctx, "select true from ledger.head where term = $1 and seq = $2 for update", t.number, t.head).Scan(&ours)
		if errors.Is(err, pgx.ErrNoRows) {
			return errTermOver
		}
		if err != nil {
			return err
		}
		given, err := do(tx)
		if err != nil || given == 0 {
			return err
		}
		head += int64(given)
		_, err = tx.Exec(ctx, "update ledger.head set seq = $1", head)
		return err
	})
	if err == nil {
		t.head = head
		t.report(func(h *Health) { h.Head = head })
	}
	return err
}

// give writes down the numbers after head, in the order of facts, and takes the appends
// off the queue. All the facts' bytes are at hand here.
func (t *term) give(ctx context.Context, tx pgx.Tx, facts []numbered) error {
	seqs, positions, idxs := make([]int64, len(facts)), make([]int64, len(facts)), make([]int32, len(facts))
	for i := range facts {
		facts[i].seq = t.head + int64(i) + 1
		seqs[i], positions[i], idxs[i] = facts[i].seq, facts[i].pos, facts[i].idx
	}
	batch := &pgx.Batch{}
	batch.Queue("insert into ledger.numbers (seq, pos, idx) select * from unnest($1::bigint[], $2::bigint[], $3::int[])", seqs, positions, idxs)
	// An append of which only a part is numbered, because Kafka had only that part, stays.
	batch.Queue(`
		delete from ledger.queue q
		 where q.pos = any($1)
		   and q.facts = (select count(*) from ledger.numbers n where n.pos = q.pos)`, positions)
	return tx.SendBatch(ctx, batch).Close()
}
