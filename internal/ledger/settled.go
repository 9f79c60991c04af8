package ledger

import (
	"context"
	"fmt"
	"time"
)

// Settled returns a seq up to which everything is published, with all that was appended
// before the call. It waits for a sequencer, here or elsewhere, as long as ctx lives.
func (l *Ledger) Settled(ctx context.Context) (int64, error) {
	var last int64
	if err := l.pool.QueryRow(ctx, "select coalesce(max(pos), 0) from ledger.queue").Scan(&last); err != nil {
		return 0, l.failed("ask what is queued", err)
	}
	numbered := int64(-1)
	for {
		var waiting bool
		var head, through int64
		err := l.pool.QueryRow(ctx, `
			select exists (select from ledger.queue where pos <= $1), h.seq, p.through
			  from ledger.head h, ledger.published p`, last).Scan(&waiting, &head, &through)
		if err != nil {
			return 0, l.failed("ask what is published", err)
		}
		if !waiting && numbered < 0 {
			numbered = head
		}
		if numbered >= 0 && through >= numbered {
			return through, nil
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("ledger: wait for what is appended to be published: %w", context.Cause(ctx))
		case <-time.After(5 * time.Millisecond):
		}
	}
}
