package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/internal/merkle"
)

// Tree reads the Merkle tree over the record: leaf i is fact i+1, as it is stored. It is
// safe for concurrent use.
type Tree struct{ db querier }

// querier is a pool, a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// NewTree returns the tree of a migrated database.
func NewTree(pool *pgxpool.Pool) *Tree { return &Tree{pool} }

// errBeyond says that the tree does not reach as far as it was asked about.
var errBeyond = errors.New("ledger: the tree has no such tile")

// Tile implements [merkle.Tiles], for all facts that have numbers. Tiles that are not full
// are made of what is below them: facts, or full tiles.
func (t *Tree) Tile(ctx context.Context, tile merkle.Tile) ([]merkle.Hash, error) {
	var row []byte
	err := t.db.QueryRow(ctx, "select hashes from ledger.tiles where level = $1 and index = $2", tile.Level, tile.Index).Scan(&row)
	var hashes []merkle.Hash
	from, through := tile.Index*merkle.TileWidth, tile.Index*merkle.TileWidth+int64(tile.Width)-1
	switch {
	case err == nil:
		hashes, err = splitHashes(row)
	case !errors.Is(err, pgx.ErrNoRows):
	case tile.Level == 0:
		hashes, err = t.leaves(ctx, from+1, through+1)
	default:
		hashes, err = t.hashes(ctx, `
			select root from ledger.tiles where level = $1 and index between $2 and $3 order by index`, tile.Level-1, from, through)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("ledger: read tile %s: %w", tile.Path(), err)
	case len(hashes) < tile.Width:
		return nil, fmt.Errorf("%w: %s", errBeyond, tile.Path())
	}
	return hashes[:tile.Width], nil
}

// leaves hashes facts where they are: their bytes are not moved for it.
func (t *Tree) leaves(ctx context.Context, from, through int64) ([]merkle.Hash, error) {
	return t.hashes(ctx, `
		select sha256('\x00'::bytea || f.body)
		  from ledger.numbers n join ledger.facts f using (pos, idx)
		 where n.seq between $1 and $2
		 order by n.seq`, from, through)
}

func (t *Tree) hashes(ctx context.Context, sql string, args ...any) ([]merkle.Hash, error) {
	rows, err := t.db.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (h merkle.Hash, err error) {
		var raw []byte
		if err := row.Scan(&raw); err != nil {
			return h, err
		}
		if len(raw) != len(h) {
			return h, fmt.Errorf("ledger: a hash of %d bytes", len(raw))
		}
		return merkle.Hash(raw), nil
	})
}

func splitHashes(row []byte) ([]merkle.Hash, error) {
	const size = len(merkle.Hash{})
	if len(row) != merkle.TileWidth*size {
		return nil, fmt.Errorf("ledger: a tile of %d bytes", len(row))
	}
	hashes := make([]merkle.Hash, merkle.TileWidth)
	for i := range hashes {
		copy(hashes[i][:], row[i*size:])
	}
	return hashes, nil
}

func joinHashes(hashes []merkle.Hash) []byte {
	row := make([]byte, 0, len(hashes)*len(merkle.Hash{}))
	for _, h := range hashes {
		row = append(row, h[:]...)
	}
	return row
}

// ErrNoFact is the refusal of a seq that no published fact has.
var ErrNoFact = refusal.New(refusal.Missing, "record.no_such_fact", "No fact of the record has this number.", "Ask for one between 1 and the number of the newest fact.")

// Facts returns the stored bytes of published facts, of those that there are.
func (t *Tree) Facts(ctx context.Context, seqs ...int64) (map[int64][]byte, error) {
	rows, err := t.db.Query(ctx, `
		select n.seq, f.body
		  from ledger.numbers n join ledger.facts f using (pos, idx)
		 where n.seq = any($1) and n.seq <= (select through from ledger.published)`, seqs)
	if err != nil {
		return nil, fmt.Errorf("ledger: read facts: %w", err)
	}
	found := make(map[int64][]byte, len(seqs))
	var seq int64
	var body []byte
	if _, err := pgx.ForEachRow(rows, []any{&seq, &body}, func() error { found[seq] = body; return nil }); err != nil {
		return nil, fmt.Errorf("ledger: read facts: %w", err)
	}
	return found, nil
}

// Fact returns the stored bytes of a published fact.
func (t *Tree) Fact(ctx context.Context, seq int64) ([]byte, error) {
	found, err := t.Facts(ctx, seq)
	if err != nil {
		return nil, err
	}
	body, has := found[seq]
	if !has {
		return nil, ErrNoFact
	}
	return body, nil
}
