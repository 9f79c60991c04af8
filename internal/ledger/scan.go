package ledger

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
)

// How much of the record is compared and adopted in one transaction.
const (
	scanFacts = 1000
	scanBytes = 8 << 20
)

// scan reads the record from the fact published last, by the readers' rule, to the
// partition's end, and settles what it finds with Postgres. When the fact published last
// is not there, the broker lost a part of the record: then all of it is read, and what is
// missing is no longer called published.
func (t *term) scan(ctx context.Context) error {
	reached, err := t.scanFrom(ctx, max(t.through-1, 0), t.offset)
	if err != nil {
		return err
	}
	if reached.seq < t.through {
		t.counts.Lost.Add(1)
		t.Log.ErrorContext(ctx, "ALARM: the broker does not have what it acknowledged; the whole record is compared, and what is missing published again",
			slog.Int64("published", t.through), slog.Int64("offset", t.offset))
		if reached, err = t.scanFrom(ctx, 0, 0); err != nil {
			return err
		}
		if reached.seq < t.through {
			if err := t.setPublished(ctx, reached.seq, max(reached.offset, 0)); err != nil {
				return fmt.Errorf("take back what is not published: %w", err)
			}
		}
	}
	t.scanned = reached
	return nil
}

// scanFrom reads on after a seq from an offset, and returns up to where the record goes
// without a gap.
func (t *term) scanFrom(ctx context.Context, last, offset int64) (reached place, err error) {
	rule := newRule(last, offset)
	page, size := []Entry{}, 0
	wait := time.Duration(0) // the first answer says where the end is
	for end := int64(-1); end < 0 || offset < end; wait = fetchWait {
		f, err := t.Record.Fetch(ctx, offset, wait)
		if err != nil {
			return place{}, err
		}
		if f.Start > 0 {
			return place{}, fmt.Errorf("ledger: the partition begins at offset %d: %w", f.Start, ErrCut)
		}
		if offset > f.End {
			return place{seq: last, offset: -1}, nil
		}
		if end < 0 {
			end = f.End // what comes later only repeats: older terms give no number any more
		}
		for _, e := range f.Entries {
			ruled, err := rule.take(e)
			if err != nil {
				return place{}, err
			}
			if ruled == accept {
				page, size = append(page, e), size+len(e.Body)
			}
		}
		offset = f.Next
		if len(page) >= scanFacts || size >= scanBytes {
			if err := t.settle(ctx, page); err != nil {
				return place{}, err
			}
			page, size = page[:0], 0
		}
	}
	t.top = rule.next - 1
	return place{seq: rule.last, offset: rule.lastAt}, t.settle(ctx, page)
}

// settle compares facts of the record, which follow each other, with those in Postgres,
// and adopts those that Postgres has not numbered.
func (t *term) settle(ctx context.Context, found []Entry) error {
	if len(found) == 0 {
		return nil
	}
	numbered := found[:min(max(t.head-found[0].Seq+1, 0), int64(len(found)))]
	if err := t.compare(ctx, numbered); err != nil {
		return err
	}
	if rest := found[len(numbered):]; len(rest) > 0 {
		return t.adopt(ctx, rest)
	}
	return nil
}

// compare fails with an alarm unless Postgres has the same bytes under the same numbers.
func (t *term) compare(ctx context.Context, found []Entry) error {
	if len(found) == 0 {
		return nil
	}
	rows, err := t.conn.Query(ctx, `
		select n.seq, f.body
		  from ledger.numbers n join ledger.facts f using (pos, idx)
		 where n.seq between $1 and $2
		 order by n.seq`, found[0].Seq, found[len(found)-1].Seq)
	if err != nil {
		return err
	}
	known, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct {
		Seq  int64
		Body []byte
	}])
	if err != nil {
		return err
	}
	for i, e := range found {
		if i >= len(known) || known[i].Seq != e.Seq {
			return fmt.Errorf("ledger: fact %d is numbered and not in Postgres: %w", e.Seq, ErrFork)
		}
		if !bytes.Equal(known[i].Body, e.Body) {
			return fmt.Errorf("ledger: fact %d is another one in Kafka (offset %d) than in Postgres: %w", e.Seq, e.Offset, ErrFork)
		}
	}
	return nil
}
