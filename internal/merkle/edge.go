package merkle

import (
	"context"
	"fmt"
	"slices"
)

// Edge is a growing tree's right edge: its frontier, and of every level the tile that is
// not full yet. With it the tree's tiles are made while it grows, without reading any.
// Its zero value is the empty tree.
type Edge struct {
	Frontier
	rows [][]Hash // by level
}

// FullTile is a tile that nothing will change any more.
type FullTile struct {
	Level  int
	Index  int64
	Root   Hash // of its 256 hashes: one hash of the tile above
	Hashes []Hash
}

// Append adds the next leaf and hands out the tiles that it fills, the lowest first.
func (e *Edge) Append(leaf Hash, full func(FullTile)) {
	at := e.size
	var filled []FullTile
	e.grow(leaf, func(level int, root Hash) {
		if level%tileHeight != 0 {
			return
		}
		row := level / tileHeight
		if row > 0 {
			filled[row-1].Root = root
		}
		if row == len(e.rows) {
			e.rows = append(e.rows, make([]Hash, 0, TileWidth))
		}
		e.rows[row] = append(e.rows[row], root)
		if len(e.rows[row]) == TileWidth {
			filled = append(filled, FullTile{Level: row, Index: at >> (level + tileHeight), Hashes: e.rows[row]})
			e.rows[row] = make([]Hash, 0, TileWidth)
		}
	})
	for _, t := range filled {
		full(t)
	}
}

// Clone returns an edge that grows on its own.
func (e *Edge) Clone() Edge {
	c := Edge{Frontier: e.Frontier.Clone(), rows: make([][]Hash, len(e.rows))}
	for i, row := range e.rows {
		c.rows[i] = append(make([]Hash, 0, TileWidth), row...)
	}
	return c
}

// EdgeOf reads the edge of a tree of a size from its partial tiles: one of each level.
func EdgeOf(ctx context.Context, tiles Tiles, size int64) (*Edge, error) {
	e := &Edge{}
	for level := 0; size>>(level*tileHeight) > 0; level++ {
		hashes := size >> (level * tileHeight)
		t := Tile{Level: level, Index: hashes >> tileHeight, Width: int(hashes % TileWidth)}
		row := make([]Hash, 0, TileWidth)
		if t.Width > 0 {
			read, err := readTile(ctx, tiles, t)
			if err != nil {
				return nil, err
			}
			row = append(row, read...)
		}
		e.rows = append(e.rows, row)
	}
	for _, row := range slices.Backward(e.rows) {
		var peaks Frontier // the bits of a row's width are those of the size
		for _, h := range row {
			peaks.Append(h)
		}
		e.peaks = append(e.peaks, peaks.peaks...)
	}
	e.size = size
	return e, nil
}

func readTile(ctx context.Context, tiles Tiles, t Tile) ([]Hash, error) {
	hashes, err := tiles.Tile(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("merkle: tile %s: %w", t.Path(), err)
	}
	if len(hashes) != t.Width {
		return nil, fmt.Errorf("merkle: tile %s has %d hashes", t.Path(), len(hashes))
	}
	return hashes, nil
}
