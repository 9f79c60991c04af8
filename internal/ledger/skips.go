package ledger

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/domain/system"
)

// Skips returns the facts that a view passes over, because somebody has recorded that, in
// ascending order. Nothing personal is opened.
func (l *Ledger) Skips(ctx context.Context, view string) ([]int64, error) {
	// The pattern is that of the index facts_of_projections.
	rows, err := l.pool.Query(ctx, `
		select n.seq, f.body
		  from ledger.facts f join ledger.numbers n using (pos, idx) cross join ledger.published p
		 where f.stream like 'projection/%' and n.seq <= p.through
		 order by n.seq`)
	if err != nil {
		return nil, l.failed("list skips", err)
	}
	sealed := NewCodec(l.codec.source, l.codec.facts, nil)
	skips := map[int64]bool{}
	var seq int64
	var body []byte
	_, err = pgx.ForEachRow(rows, []any{&seq, &body}, func() error {
		env, err := sealed.Decode(ctx, seq, body)
		if err != nil {
			return err
		}
		switch e := env.Fact.(type) {
		case system.ProjectionSkipped:
			if e.View == view {
				skips[e.Seq] = true
			}
		case system.ProjectionSkipWithdrawn:
			if e.View == view {
				delete(skips, e.Seq)
			}
		}
		return nil
	})
	if err != nil {
		return nil, l.failed("list skips", err)
	}
	found := make([]int64, 0, len(skips))
	for seq := range skips {
		found = append(found, seq)
	}
	slices.Sort(found)
	return found, nil
}
