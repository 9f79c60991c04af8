package projector_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/internal/projector"
)

// How fast a view that writes one row per fact follows a record in memory, beside the same
// rows in bare pgx batches of the same size.
func BenchmarkFollow(b *testing.B) {
	const facts, batch = 50_000, 1000
	insert := func(q *pgx.Batch, table string, seq int64) {
		q.Queue(`insert into `+table+` (seq, n) values ($1, $1)`, seq)
	}
	view := projector.View{
		Name:   "kept",
		Schema: `create table if not exists row (seq bigint primary key, n bigint not null)`,
		Apply: func(q *pgx.Batch, facts []event.Envelope) {
			for _, env := range facts {
				insert(q, "row", env.Seq)
			}
		},
	}
	values := make([]int64, facts)
	var followed, bare float64
	for b.Loop() {
		db := open(b)
		p := newProjector(b, db, remembering(values...), view)
		p.Hurry(batch)
		if err := p.Prepare(b.Context()); err != nil {
			b.Fatal(err)
		}
		begin := b.Elapsed()
		stop := start(p)
		if err := p.WaitFor(b.Context(), "kept", facts); err != nil {
			b.Fatal(err)
		}
		followed += (b.Elapsed() - begin).Seconds()
		stop()

		begin = b.Elapsed()
		for from := int64(facts + 1); from <= 2*facts; from += batch {
			q := &pgx.Batch{}
			for i := range int64(batch) {
				insert(q, "kept.row", from+i)
			}
			if err := db.SendBatch(b.Context(), q).Close(); err != nil {
				b.Fatal(err)
			}
		}
		bare += (b.Elapsed() - begin).Seconds()
	}
	b.ReportMetric(float64(b.N)*facts/followed, "facts/s")
	b.ReportMetric(bare/followed, "of_bare")
}
