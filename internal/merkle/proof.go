package merkle

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// Tiles gives out the hashes of one tree that only grows.
type Tiles interface {
	// Tile returns as many hashes as the tile is wide. It MUST have every tile of the sizes
	// that it is asked about here, also one whose partial form is full by now.
	Tile(ctx context.Context, t Tile) ([]Hash, error)
}

// ErrProof says that a proof does not prove what it should.
var ErrProof = errors.New("merkle: the proof does not hold")

// Inclusion proves that the tree of a size has its leaf at an index, from 0 on.
func Inclusion(ctx context.Context, tiles Tiles, size, index int64) ([]Hash, error) {
	if index < 0 || index >= size {
		return nil, fmt.Errorf("merkle: a tree of %d leaves has none at %d", size, index)
	}
	proof, err := tlog.ProveRecord(size, index, reader(ctx, tiles, size))
	return proof, err
}

// Consistency proves that the tree of a size begins with the tree of an old one.
func Consistency(ctx context.Context, tiles Tiles, old, size int64) ([]Hash, error) {
	switch {
	case old < 0 || old > size:
		return nil, fmt.Errorf("merkle: a tree of %d leaves cannot begin with %d", size, old)
	case old == 0:
		return []Hash{}, nil // everything begins with nothing
	}
	proof, err := tlog.ProveTree(size, old, reader(ctx, tiles, size))
	return proof, err
}

// RootOf is the root of the tree of a size.
func RootOf(ctx context.Context, tiles Tiles, size int64) (Hash, error) {
	if size < 0 {
		return Hash{}, fmt.Errorf("merkle: no tree has %d leaves", size)
	}
	return tlog.TreeHash(size, reader(ctx, tiles, size))
}

// CheckInclusion checks a proof of [Inclusion]; its error is [ErrProof].
func CheckInclusion(proof []Hash, size int64, root Hash, index int64, leaf Hash) error {
	if err := tlog.CheckRecord(proof, size, root, index, leaf); err != nil {
		return fmt.Errorf("%w: leaf %d of %d", ErrProof, index, size)
	}
	return nil
}

// CheckConsistency checks a proof of [Consistency]; its error is [ErrProof].
func CheckConsistency(proof []Hash, size int64, root Hash, old int64, oldRoot Hash) error {
	failed := fmt.Errorf("%w: size %d after size %d", ErrProof, size, old)
	if old == 0 {
		if len(proof) > 0 || size < 0 || oldRoot != sha256.Sum256(nil) || size == 0 && root != oldRoot {
			return failed
		}
		return nil
	}
	if tlog.CheckTree(proof, size, root, old, oldRoot) != nil {
		return failed
	}
	return nil
}

// reader reads single nodes of the tree of a size from its tiles, each tile once.
func reader(ctx context.Context, tiles Tiles, size int64) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]Hash, error) {
		read := make(map[Tile][]Hash)
		nodes := make([]Hash, len(indexes))
		for i, index := range indexes {
			level, n := tlog.SplitStoredHashIndex(index)
			row, within := level/tileHeight, level%tileHeight
			first := n << within // of the hashes of its row below the node
			t := Tile{Level: row, Index: first >> tileHeight}
			t.Width = widthAt(t.Level, t.Index, size)
			hashes, ok := read[t]
			if !ok {
				var err error
				if hashes, err = readTile(ctx, tiles, t); err != nil {
					return nil, err
				}
				read[t] = hashes
			}
			from := first % TileWidth
			nodes[i] = perfectRoot(hashes[from : from+1<<within])
		}
		return nodes, nil
	})
}

// perfectRoot is the root of a power of two of hashes.
func perfectRoot(hashes []Hash) Hash {
	if len(hashes) == 1 {
		return hashes[0]
	}
	half := len(hashes) / 2
	return tlog.NodeHash(perfectRoot(hashes[:half]), perfectRoot(hashes[half:]))
}
