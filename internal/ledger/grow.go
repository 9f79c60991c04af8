package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/internal/merkle"
)

// ErrTree says that Postgres does not have the facts that it had numbered, or not their
// tree. It is an [ErrFork].
var ErrTree error = forkInside{}

type forkInside struct{}

func (forkInside) Error() string {
	return "the record is forked inside Postgres: its tree does not fit what is stored (a row of ledger.facts, ledger.numbers, " +
		"ledger.tiles or ledger.head was changed, or a disk failed); see with \"bgremover log verify\" that Kafka has " +
		"everything, and make Postgres's part anew from it with \"bgremover restore --from-kafka\""
}

func (forkInside) Unwrap() error { return ErrFork }

// growFacts is how many facts are hashed in one transaction by a term that finds no tree.
const growFacts = 64 * merkle.TileWidth

// plant reads the tree's edge, as it was when the head was raised last. A database of a
// release without a tree has none: then it is grown now.
func (t *term) plant(ctx context.Context, root []byte) error {
	if root == nil {
		return t.grow(ctx)
	}
	var err error
	t.tree, err = merkle.EdgeOf(ctx, &Tree{t.conn}, t.head)
	switch {
	case errors.Is(err, errBeyond):
		return fmt.Errorf("%w: %w", err, ErrTree)
	case err != nil:
		return err
	case !bytes.Equal(t.root(), root):
		return fmt.Errorf("ledger: the tree over facts 1 to %d has the root %s, and %x was noted: %w", t.head, t.tree.Root(), root, ErrTree)
	}
	return nil
}

// grow makes the tree over what has numbers, at bounded memory. It goes on after the tiles
// that are there: those of one transaction belong together.
func (t *term) grow(ctx context.Context) error {
	var tiles int64
	err := t.conn.QueryRow(ctx, "select coalesce(max(index) + 1, 0) from ledger.tiles where level = 0").Scan(&tiles)
	if err != nil {
		return err
	}
	stored := &Tree{t.conn}
	if t.tree, err = merkle.EdgeOf(ctx, stored, tiles*merkle.TileWidth); err != nil {
		return err
	}
	if t.head > t.tree.Size() {
		t.Log.InfoContext(ctx, "the Merkle tree over the record is grown", slog.Int64("from", t.tree.Size()), slog.Int64("to", t.head))
	}
	for t.tree.Size() < t.head {
		from, through := t.tree.Size()+1, min(t.tree.Size()+growFacts, t.head)
		leaves, err := stored.leaves(ctx, from, through)
		if err != nil {
			return err
		}
		if int64(len(leaves)) != through-from+1 {
			return fmt.Errorf("ledger: of facts %d to %d only %d are stored: %w", from, through, len(leaves), ErrTree)
		}
		batch := &pgx.Batch{} // one implicit transaction
		t.append(batch, leaves)
		if err := t.conn.SendBatch(ctx, batch).Close(); err != nil {
			return err
		}
	}
	_, err = t.conn.Exec(ctx, "update ledger.head set root = $3 where term = $1 and seq = $2", t.number, t.head, t.root())
	return err
}

// extend adds facts to the tree.
func (t *term) extend(batch *pgx.Batch, facts []numbered) {
	leaves := make([]merkle.Hash, len(facts))
	for i, f := range facts {
		leaves[i] = merkle.Leaf(f.body)
	}
	t.append(batch, leaves)
}

// append adds leaves to the tree, and writes down the tiles that they fill.
func (t *term) append(batch *pgx.Batch, leaves []merkle.Hash) {
	var levels []int32
	var indexes []int64
	var roots, rows [][]byte
	for _, leaf := range leaves {
		t.tree.Append(leaf, func(full merkle.FullTile) {
			levels, indexes = append(levels, int32(full.Level)), append(indexes, full.Index)
			roots, rows = append(roots, full.Root[:]), append(rows, joinHashes(full.Hashes))
		})
	}
	if len(levels) > 0 {
		batch.Queue(`
			insert into ledger.tiles (level, index, root, hashes)
			select * from unnest($1::int[], $2::bigint[], $3::bytea[], $4::bytea[])`, levels, indexes, roots, rows)
	}
}

// root is that of the tree up to head.
func (t *term) root() []byte {
	root := t.tree.Root()
	return root[:]
}
