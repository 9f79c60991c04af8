package ledger

import (
	"context"
	"fmt"

	"github.com/bgremover/bgremover/internal/merkle"
)

// Extent is how far the ledger has come by its own account, for whoever holds the record
// against it.
type Extent struct {
	Published int64       // facts in Kafka
	Size      int64       // facts that have numbers, and are in the tree
	Root      merkle.Hash // of that tree
	Signed    int64       // entries in the topic of checkpoints
}

// Extent asks Postgres.
func (t *Tree) Extent(ctx context.Context) (Extent, error) {
	var e Extent
	var root []byte
	err := t.db.QueryRow(ctx, `
		select p.through, h.seq, h.root,
		       (select coalesce(max(c.n), 0) from ledger.checkpoints c where c."offset" is not null)
		  from ledger.head h, ledger.published p`,
	).Scan(&e.Published, &e.Size, &root, &e.Signed)
	switch {
	case err != nil:
		return Extent{}, fmt.Errorf("ledger: how far it has come: %w", err)
	case len(root) == len(e.Root):
		e.Root = merkle.Hash(root)
	default: // the tree is still to be grown
		e.Size = 0
	}
	return e, nil
}
