package ledger

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/internal/fault"
)

// catchUp publishes everything that is numbered and not published.
func (t *term) catchUp(ctx context.Context) error {
	for t.through < t.head {
		page, err := t.page(ctx)
		if err != nil {
			return fmt.Errorf("read what is not published yet: %w", err)
		}
		landed := make(chan flight, 1)
		t.launch(page, landed)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case f := <-landed:
			if err := t.land(ctx, page, f); err != nil {
				return err
			}
		}
	}
	return nil
}

// page reads the next facts to publish, whole appends only.
func (t *term) page(ctx context.Context) ([]numbered, error) {
	rows, err := t.conn.Query(ctx, `
		select pos, idx, id, stream, version, body, seq
		  from (select f.pos, f.idx, f.id, f.stream, f.version, f.body, n.seq,
		               sum(octet_length(f.body)) over (order by n.seq) as bytes
		          from (select seq, pos, idx from ledger.numbers where seq > $1 order by seq limit $2) n
		          join ledger.facts f using (pos, idx)) p
		 where bytes <= $3
		 order by seq`, t.through, max(t.BatchFacts, 2*maxFacts), max(t.BatchBytes, 2*maxBytes))
	if err != nil {
		return nil, err
	}
	page, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (n numbered, err error) {
		err = row.Scan(&n.pos, &n.idx, &n.id, &n.stream, &n.version, &n.body, &n.seq)
		return n, err
	})
	if err != nil {
		return nil, err
	}
	end := len(page)
	if end > 0 && page[end-1].seq < t.head {
		for last := page[end-1].pos; end > 0 && page[end-1].pos == last; end-- {
		}
	}
	if end == 0 {
		return nil, fmt.Errorf("ledger: the numbers after %d are missing in Postgres: %w", t.through, ErrFork)
	}
	return page[:end], nil
}

// flight is what became of a batch that was sent.
type flight struct {
	offset int64 // of its last fact, or -1 where that is not known
	err    error
}

// launch sends a batch, which follows on what is published, without waiting: not even for
// a term that ends meanwhile. What is stored after that is a repetition.
func (t *term) launch(batch []numbered, landed chan<- flight) {
	t.report(func(h *Health) { h.Publishing = time.Now() })
	go func() {
		offset, err := t.send(batch)
		landed <- flight{offset, err}
	}()
}

// land notes that a batch is stored. When that is in doubt (any part of it may be stored,
// and what was stored before may be lost) the term ends: the next one looks at what is
// there, and publishes everything from the first fact that is not.
func (t *term) land(ctx context.Context, batch []numbered, f flight) error {
	if f.err != nil {
		t.counts.Failures.Add(1)
		return fmt.Errorf("publish facts %d to %d: %w", batch[0].seq, batch[len(batch)-1].seq, f.err)
	}
	t.short = false // it is where it belongs
	return t.mark(ctx, batch, f.offset)
}

// send publishes a batch once: first what the record does not have yet, then the uploads
// among all of it. It returns the offset of the last fact, or -1 where that is not known.
func (t *term) send(batch []numbered) (offset int64, err error) {
	record := make([]*message.Message, 0, len(batch))
	var work []*message.Message
	for _, n := range batch {
		if n.seq > t.scanned.seq {
			record = append(record, recordMessage(n))
		}
		if m := workMessage(n, t.stale); m != nil {
			work = append(work, m)
		}
	}
	fault.Point("publish.begin")
	if err := t.deliver(TopicRecord, record); err != nil {
		return -1, err
	}
	fault.Point("publish.recorded")
	if offset, err = t.risen(record); err != nil {
		return -1, err
	}
	t.counts.Uploads.Add(int64(len(work)))
	err = t.deliver(TopicWork, work)
	fault.Point("publish.delivered")
	return offset, err
}

func (t *term) deliver(topic string, messages []*message.Message) error {
	if len(messages) == 0 {
		return nil
	}
	if err := t.Publisher.Publish(topic, messages...); err != nil {
		return fmt.Errorf("topic %s: %w", topic, err)
	}
	return nil
}

func recordMessage(n numbered) *message.Message {
	return &message.Message{
		Payload:  n.body,
		Metadata: message.Metadata{MetaSeq: strconv.FormatInt(n.seq, 10)},
	}
}

var nameOfUpload = image.Uploaded{}.EventName()

// WorkKept is how long [TopicWork] keeps an upload: far longer than any picture lives.
const WorkKept = 48 * time.Hour

// noteStale looks up how old the newest fact is. Uploads that are older by as much as the
// topic of the processors keeps them are not handed over again: there they would be gone,
// and a record of years that is restored holds a great many of them.
func (t *term) noteStale(ctx context.Context) error {
	var body []byte
	err := t.conn.QueryRow(ctx, `
		select f.body from ledger.numbers n join ledger.facts f using (pos, idx) where n.seq = $1`, t.head).Scan(&body)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	if h, _, err := readEnvelope(body); err == nil { // what is no envelope holds up nothing here
		t.stale = h.at.Add(-WorkKept)
	}
	return nil
}

// workMessage returns what the processors get of a fact: the fact itself, if it is an upload
// that is not stale.
func workMessage(n numbered, stale time.Time) *message.Message {
	img, about := image.OfStream(n.stream)
	if !about || !strings.Contains(string(n.body), string(nameOfUpload)) {
		return nil
	}
	h, _, err := readEnvelope(n.body)
	if err != nil || h.name != nameOfUpload || h.at.Before(stale) {
		return nil
	}
	m := message.NewMessage(string(h.id), n.body)
	m.Metadata = message.Metadata{MetaSeq: strconv.FormatInt(n.seq, 10), MetaKey: string(img)}
	return m
}

// risen checks that the offsets that the broker returned lie above all that it returned before.
func (t *term) risen(record []*message.Message) (last int64, err error) {
	if len(record) == 0 {
		return t.scanned.offset, nil
	}
	first, err := strconv.ParseInt(record[0].Metadata.Get(MetaOffset), 10, 64)
	if err != nil {
		return -1, nil //nolint:nilerr // This publisher does not say, or does not know.
	}
	if first <= t.top {
		return -1, fmt.Errorf("ledger: the broker stored at offset %d after offset %d: %w", first, t.top, ErrLost)
	}
	last, err = strconv.ParseInt(record[len(record)-1].Metadata.Get(MetaOffset), 10, 64)
	if err != nil {
		return -1, nil //nolint:nilerr // As above.
	}
	t.top = max(t.top, last)
	return last, nil
}

// mark notes that a batch is published, and tells everybody. It need not be durable: the
// next term finds it in Kafka.
func (t *term) mark(ctx context.Context, batch []numbered, offset int64) error {
	through := batch[len(batch)-1].seq
	if offset < 0 {
		offset = t.offset // an older one only makes the next term read more
	}
	fault.Point("mark.begin")
	if err := t.setPublished(ctx, through, offset); err != nil {
		return fmt.Errorf("note what is published: %w", err)
	}
	fault.Point("mark.committed")
	facts := make([]announcement, len(batch))
	for i, n := range batch {
		facts[i] = n.announcement
	}
	t.counts.Facts.Add(int64(len(batch)))
	t.counts.Batches.Add(1)
	t.ledger.board.announce(through, facts)
	t.report(func(h *Health) { h.Published, h.Publishing, h.Trouble = through, time.Time{}, "" })
	return nil
}

func (t *term) setPublished(ctx context.Context, through, offset int64) error {
	batch := &pgx.Batch{} // one implicit transaction, one round trip
	batch.Queue("select set_config('synchronous_commit', 'off', true)")
	batch.Queue(`
		with ours as (select from ledger.head where term = $1 for share),
		     marked as (update ledger.published set through = $2, "offset" = $3 from ours returning through)
		select pg_notify('`+channel+`', through::text) from marked`, t.number, through, offset)
	results := t.conn.SendBatch(ctx, batch)
	_, err := results.Exec()
	var marked pgconn.CommandTag
	if err == nil {
		marked, err = results.Exec()
	}
	if err := errors.Join(err, results.Close()); err != nil {
		return err
	}
	if marked.RowsAffected() != 1 {
		return errTermOver
	}
	t.through, t.offset = through, offset
	return nil
}
