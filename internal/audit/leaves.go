package audit

import (
	"context"
	"fmt"
	"os"

	"github.com/bgremover/bgremover/internal/merkle"
)

const hashSize = len(merkle.Hash{})

// leaves is the tree over what was read: its frontier in memory, its leaves in a file. It
// implements [merkle.Tiles].
type leaves struct {
	merkle.Frontier
	file    *os.File
	pending []byte          // the last leaves, not written yet
	rows    [][]merkle.Hash // rows[i] are the hashes of level i+1; made when somebody asks
}

func newLeaves(dir string) (*leaves, error) {
	file, err := tempFile(dir)
	if err != nil {
		return nil, err
	}
	return &leaves{file: file, pending: make([]byte, 0, 1<<16)}, nil
}

// tempFile makes a file that nobody else can open, and that is gone with this process.
func tempFile(dir string) (*os.File, error) {
	file, err := os.CreateTemp(dir, "bgremover-verify-*") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("make a temporary file: %w", err)
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, fmt.Errorf("make a temporary file: %w", err)
	}
	return file, nil
}

func (l *leaves) close() { _ = l.file.Close() } // nothing in it is wanted any more

// add appends the next leaf.
func (l *leaves) add(leaf merkle.Hash) error {
	if len(l.pending) == cap(l.pending) {
		if _, err := l.file.Write(l.pending); err != nil {
			return fmt.Errorf("put aside the leaves' hashes: %w", err)
		}
		l.pending = l.pending[:0]
	}
	l.pending = append(l.pending, leaf[:]...)
	l.Append(leaf)
	return nil
}

// read fills hashes with the leaves from an index on.
func (l *leaves) read(first int64, hashes []merkle.Hash) error {
	raw := make([]byte, len(hashes)*hashSize)
	start, written := first*int64(hashSize), l.Size()*int64(hashSize)-int64(len(l.pending))
	fromFile := min(max(written-start, 0), int64(len(raw)))
	if _, err := l.file.ReadAt(raw[:fromFile], start); err != nil {
		return fmt.Errorf("read the leaves' hashes again: %w", err)
	}
	if rest := raw[fromFile:]; len(rest) > 0 {
		copy(rest, l.pending[start+fromFile-written:])
	}
	for i := range hashes {
		copy(hashes[i][:], raw[i*hashSize:])
	}
	return nil
}

// leaf returns the hash of one leaf that was added.
func (l *leaves) leaf(index int64) (merkle.Hash, error) {
	var one [1]merkle.Hash
	err := l.read(index, one[:])
	return one[0], err
}

// Tile implements [merkle.Tiles].
func (l *leaves) Tile(_ context.Context, t merkle.Tile) ([]merkle.Hash, error) {
	if !t.Within(l.Size()) {
		return nil, fmt.Errorf("audit: a tree of %d leaves has no tile %s", l.Size(), t.Path())
	}
	hashes := make([]merkle.Hash, t.Width)
	if t.Level == 0 {
		return hashes, l.read(t.Index*merkle.TileWidth, hashes)
	}
	row, err := l.row(t.Level)
	if err != nil {
		return nil, err
	}
	copy(hashes, row[t.Index*merkle.TileWidth:])
	return hashes, nil
}

// row returns all hashes of a level above the leaves.
func (l *leaves) row(level int) ([]merkle.Hash, error) {
	for len(l.rows) < level {
		l.rows = append(l.rows, nil)
	}
	below := l.Size()
	for i := range level {
		for {
			first := int64(len(l.rows[i])) * merkle.TileWidth
			if first+merkle.TileWidth > below {
				break
			}
			var tile [merkle.TileWidth]merkle.Hash
			if i > 0 {
				copy(tile[:], l.rows[i-1][first:])
			} else if err := l.read(first, tile[:]); err != nil {
				return nil, err
			}
			var root merkle.Frontier
			for _, h := range tile {
				root.Append(h)
			}
			l.rows[i] = append(l.rows[i], root.Root())
		}
		below = int64(len(l.rows[i]))
	}
	return l.rows[level-1], nil
}

// rootAt is the root of the first leaves, as they were read.
func (l *leaves) rootAt(ctx context.Context, size int64) (merkle.Hash, error) {
	if size == l.Size() {
		return l.Root(), nil
	}
	root, err := merkle.RootOf(ctx, l, size)
	if err != nil {
		return merkle.Hash{}, fmt.Errorf("the root of the first %d leaves: %w", size, err)
	}
	return root, nil
}
