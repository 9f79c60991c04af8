package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/internal/merkle"
)

// mendCheckpoints makes Postgres and the topic of checkpoints agree, at the beginning of a
// term, and holds the record against the newest checkpoint. What Kafka has and Postgres does
// not is adopted; what Kafka has not is published again, by [term.signNext].
func (t *term) mendCheckpoints(ctx context.Context) error {
	if t.Signing == nil {
		return nil
	}
	if err := t.readTopic(ctx); err != nil {
		return fmt.Errorf("read the checkpoints back: %w", err)
	}
	book, err := readBook(ctx, t.conn)
	if err != nil {
		return fmt.Errorf("look at the newest checkpoint: %w", err)
	}
	t.signs.last = book.last
	return t.uphold(ctx, book.last.Checkpoint)
}

// uphold fails with an alarm unless the record keeps what was signed.
func (t *term) uphold(ctx context.Context, c merkle.Checkpoint) error {
	if c.Size == 0 {
		return nil
	}
	if c.Size > t.head {
		return fmt.Errorf("ledger: a checkpoint was signed at %d facts, and the record has %d: it was rolled back, in Kafka and in Postgres: %w", c.Size, t.head, ErrFork)
	}
	root, err := merkle.RootOf(ctx, &Tree{t.conn}, c.Size)
	if err != nil {
		return fmt.Errorf("hold the record against the newest checkpoint: %w", err)
	}
	if root != c.Root {
		return fmt.Errorf("ledger: the first %d facts are not those of the checkpoint that was signed over them: %w", c.Size, ErrFork)
	}
	return nil
}

// readTopic reads what was published of the checkpoints since the last that is known to be
// there. When that is not where it was, all of them are read.
func (t *term) readTopic(ctx context.Context) error {
	// The entry at the highest offset: what was lost once and published again may have a lower number.
	var s signed
	var offset int64
	var known bool
	err := t.conn.QueryRow(ctx, `
		select n, note, "offset", not exists (select from ledger.checkpoints where "offset" = -1)
		  from ledger.checkpoints
		 where "offset" >= 0
		 order by "offset" desc, n desc
		 limit 1`).Scan(&s.n, &s.note, &offset, &known)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	r := topicReading{term: t, early: map[int64]Entry{}}
	if known {
		there, err := r.from(ctx, offset, &s)
		if err != nil || there && len(r.early) == 0 {
			return err
		}
		t.Log.WarnContext(ctx, "a checkpoint is not where it was published; all of them are compared", slog.Int64("offset", offset))
	}
	if _, err := r.from(ctx, 0, nil); err != nil {
		return err
	}
	return r.missing(ctx)
}

// topicReading is one reading of the topic.
type topicReading struct {
	*term
	seen  []bool          // those in Postgres, by number: the topic may have half a million a year
	early map[int64]Entry // those that are unknown, and come before one that is unknown, too
}

// from reads from an offset to the end. With an expected first entry it says whether that is there.
func (r *topicReading) from(ctx context.Context, offset int64, first *signed) (there bool, err error) {
	for end := int64(-1); end < 0 || offset < end; {
		wait := fetchWait
		if end < 0 {
			wait = 0 // the first answer says where the end is
		}
		f, err := r.Signing.Topic.Fetch(ctx, offset, wait)
		if err != nil {
			return false, err
		}
		if f.Start > 0 {
			return false, fmt.Errorf("ledger: the topic %s begins at offset %d: %w", TopicCheckpoints, f.Start, ErrCut)
		}
		if offset > f.End {
			return false, nil
		}
		if end < 0 {
			end = f.End
		}
		entries := f.Entries
		if first != nil && len(entries) > 0 {
			if entries[0].Offset != offset || entries[0].Seq != first.n || !bytes.Equal(entries[0].Body, first.note) {
				return false, nil
			}
			first, entries = nil, entries[1:]
		}
		if err := r.take(ctx, entries); err != nil {
			return false, err
		}
		offset = f.Next
	}
	r.signs.top = offset - 1
	return first == nil, nil
}

// take compares entries with those in Postgres, and adopts those that follow on them.
func (r *topicReading) take(ctx context.Context, entries []Entry) error {
	if len(entries) == 0 {
		return nil
	}
	numbers := make([]int64, len(entries))
	for i, e := range entries {
		numbers[i] = e.Seq
	}
	rows, err := r.conn.Query(ctx, `select n, note, "offset" from ledger.checkpoints where n = any($1)`, numbers)
	if err != nil {
		return err
	}
	type row struct {
		N      int64
		Note   []byte
		Offset *int64
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
	if err != nil {
		return err
	}
	known := make(map[int64]row, len(found))
	for _, f := range found {
		known[f.N] = f
	}
	for _, e := range entries {
		k, has := known[e.Seq]
		switch {
		case has && e.Seq == 1 && !bytes.Equal(k.Note, e.Body):
			return fmt.Errorf("ledger: the checkpoints in Kafka begin with the key %s: %w: %w", verifierOf(e.Body), ErrLogKey, ErrFork)
		case has && k.Offset == nil && !bytes.Equal(k.Note, e.Body):
			if err := r.displaceSigned(ctx, e.Seq); err != nil {
				return err
			}
			maps.DeleteFunc(known, func(n int64, k row) bool { return n >= e.Seq && k.Offset == nil })
			r.early[e.Seq] = e
		case has && !bytes.Equal(k.Note, e.Body), !has && r.contradicts(e):
			return fmt.Errorf("ledger: entry %d of the topic %s (offset %d) is another one in Postgres: %w", e.Seq, TopicCheckpoints, e.Offset, ErrFork)
		case has && (k.Offset == nil || *k.Offset < 0):
			if err := r.noteOffset(ctx, e.Seq, e.Offset); err != nil {
				return err
			}
		case !has:
			r.early[e.Seq] = e
		}
		if has {
			r.saw(e.Seq)
		}
	}
	return r.adoptSigned(ctx)
}

func (r *topicReading) saw(n int64) {
	if more := n + 1 - int64(len(r.seen)); more > 0 {
		r.seen = append(r.seen, make([]bool, more)...)
	}
	r.seen[n] = true
}

// contradicts says that another entry with the same number was read before.
func (r *topicReading) contradicts(e Entry) bool {
	before, read := r.early[e.Seq]
	return read && !bytes.Equal(before.Body, e.Body)
}

// displaceSigned removes what a restored Postgres had signed from an entry on, and never
// published: Kafka wins over it.
func (r *topicReading) displaceSigned(ctx context.Context, n int64) error {
	removed, err := r.conn.Exec(ctx, `delete from ledger.checkpoints where n >= $1 and "offset" is null`, n)
	if err == nil {
		r.Log.WarnContext(ctx, "what was signed and not published gave way to what Kafka had", slog.Int64("entries", removed.RowsAffected()))
	}
	return err
}

// adoptSigned takes into Postgres what Kafka has, as far as it goes without a gap.
func (r *topicReading) adoptSigned(ctx context.Context) error {
	if len(r.early) == 0 {
		return nil
	}
	return pgx.BeginFunc(ctx, r.conn, func(tx pgx.Tx) error {
		if err := lockBook(ctx, tx); err != nil {
			return err
		}
		if err := r.ours(ctx, tx); err != nil {
			return err
		}
		var n int64
		if err := tx.QueryRow(ctx, "select coalesce(max(n), 0) from ledger.checkpoints").Scan(&n); err != nil {
			return err
		}
		keys, err := readKeys(ctx, tx)
		if err != nil {
			return err
		}
		for {
			n++
			e, has := r.early[n]
			if !has {
				return nil
			}
			delete(r.early, n)
			s, err := r.judge(e, keys)
			if err != nil {
				return fmt.Errorf("ledger: entry %d of the topic %s (offset %d) is not the log's (%w): %w", n, TopicCheckpoints, e.Offset, err, ErrFork)
			}
			s.offset = &e.Offset
			err = s.insert(ctx, tx, r.Signing.now())
			if isUnique(err, "checkpoints_size") {
				err = fmt.Errorf("ledger: entry %d of the topic %s (offset %d) is a second checkpoint over %d facts: %w", n, TopicCheckpoints, e.Offset, s.size, ErrFork)
			}
			if err != nil {
				return err
			}
			r.saw(n)
			if s.kind == kindRotation {
				if keys, err = readKeys(ctx, tx); err != nil {
					return err
				}
			}
		}
	})
}

// judge says what an entry is, and whether the log's key signed it.
func (r *topicReading) judge(e Entry, keys merkle.Keys) (signed, error) {
	if rotation, err := merkle.OpenRotation(e.Body, keys.Newest()); err == nil {
		return signed{n: e.Seq, kind: kindRotation, size: rotation.From, note: e.Body}, nil
	}
	c, err := keys.Open(e.Body)
	if err != nil {
		return signed{}, err
	}
	kind := kindCheckpoint
	if _, signatures, err := merkle.Split(e.Body); err == nil && len(signatures) > 1 {
		kind = kindCosigned
	}
	return signed{n: e.Seq, kind: kind, size: c.Size, note: e.Body}, nil
}

// missing has everything published again that a reading from the beginning did not find.
func (r *topicReading) missing(ctx context.Context) error {
	for n, e := range r.early {
		return fmt.Errorf("ledger: the topic %s has an entry %d (offset %d), and those before it are lost: %w", TopicCheckpoints, n, e.Offset, ErrFork)
	}
	var gaps []int64
	for n, seen := range r.seen {
		if !seen {
			gaps = append(gaps, int64(n))
		}
	}
	lost, err := r.conn.Exec(ctx, `update ledger.checkpoints set "offset" = null where "offset" is not null and (n >= $1 or n = any($2))`, len(r.seen), gaps)
	if err == nil && lost.RowsAffected() > 0 {
		r.counts.Lost.Add(1)
		r.Log.ErrorContext(ctx, "ALARM: the broker lost checkpoints that it had acknowledged; they are published again", slog.Int64("checkpoints", lost.RowsAffected()))
	}
	return err
}
