package ledger

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/domain/event"
)

// Load returns the facts of a stream, oldest first, opened; none for a stream that does
// not exist. It waits until all of them are published: an answer may rest on any of them.
func (l *Ledger) Load(ctx context.Context, stream event.Stream) ([]event.Envelope, error) {
	ctx, cancel := l.patient(ctx)
	defer cancel()
	for {
		facts, waitFor, err := l.load(ctx, stream)
		if err != nil {
			return nil, l.failed("load a stream", err)
		}
		if waitFor == 0 {
			return facts, nil
		}
		if _, err := l.board.awaitAppend(ctx, waitFor, nil); err != nil {
			return nil, l.unavailable(fmt.Errorf("ledger: the stream's newest facts are not published yet: %w", err))
		}
	}
}

// load reads a stream once. When its last append is not published yet, it returns that
// append's position instead: those before it in the stream are published before it.
func (l *Ledger) load(ctx context.Context, stream event.Stream) (facts []event.Envelope, waitFor int64, err error) {
	rows, err := l.pool.Query(ctx, `
		select coalesce(n.seq, 0), f.body, f.pos, coalesce(n.seq <= p.through, false)
		  from ledger.facts f
		 cross join ledger.published p
		  left join ledger.numbers n using (pos, idx)
		 where f.stream = $1
		 order by f.version`, stream)
	if err != nil {
		return nil, 0, err
	}
	type row struct {
		seq       int64
		body      []byte
		pos       int64
		published bool
	}
	found, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (got row, err error) {
		err = r.Scan(&got.seq, &got.body, &got.pos, &got.published)
		return got, err
	})
	if err != nil || len(found) == 0 {
		return nil, 0, err
	}
	if last := found[len(found)-1]; !last.published {
		return nil, last.pos, nil
	}
	facts = make([]event.Envelope, len(found))
	for i, r := range found {
		if facts[i], err = l.codec.Decode(ctx, r.seq, r.body); err != nil {
			return nil, 0, err
		}
	}
	return facts, 0, nil
}

// decodeRows reads rows of seq and body. It decodes after the last row, because opening
// may need a connection of its own.
func (l *Ledger) decodeRows(ctx context.Context, rows pgx.Rows) ([]event.Envelope, error) {
	type row struct {
		Seq  int64
		Body []byte
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
	if err != nil {
		return nil, err
	}
	facts := make([]event.Envelope, len(found))
	for i, r := range found {
		if facts[i], err = l.codec.Decode(ctx, r.Seq, r.Body); err != nil {
			return nil, err
		}
	}
	return facts, nil
}

// Await returns once the stream has published facts after the given version, or the
// context ends.
func (l *Ledger) Await(ctx context.Context, stream event.Stream, after int64) error {
	if err := l.board.awaitStream(ctx, stream, after); err != nil {
		return fmt.Errorf("ledger: await a stream: %w", err)
	}
	return nil
}

// Published returns the highest seq that is published.
func (l *Ledger) Published(ctx context.Context) (int64, error) {
	var through int64
	if err := l.pool.QueryRow(ctx, "select through from ledger.published").Scan(&through); err != nil {
		return 0, l.failed("ask what is published", err)
	}
	return through, nil
}
