package merkle

import (
	"crypto/sha256"
	"math/bits"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// Hash of a leaf or of a node.
type Hash = tlog.Hash

// Leaf is the hash of a leaf: of the exact stored bytes.
func Leaf(body []byte) Hash { return tlog.RecordHash(body) }

// Frontier is a tree of which only the roots of the perfect subtrees are remembered, at most
// 63: enough to grow it and to know its root. Its zero value is the empty tree.
type Frontier struct {
	size  int64
	peaks []Hash // the largest subtree first
}

// Append adds the next leaf.
func (f *Frontier) Append(leaf Hash) {
	f.grow(leaf, func(int, Hash) {})
}

// grow tells of every perfect subtree that the leaf completes, the leaf itself first.
// A subtree of a level has 2^level leaves.
func (f *Frontier) grow(leaf Hash, complete func(level int, root Hash)) {
	h := leaf
	complete(0, h)
	for level := range bits.TrailingZeros64(^uint64(f.size)) {
		last := len(f.peaks) - 1
		h = tlog.NodeHash(f.peaks[last], h)
		f.peaks = f.peaks[:last]
		complete(level+1, h)
	}
	f.peaks = append(f.peaks, h)
	f.size++
}

// Size is the number of leaves.
func (f *Frontier) Size() int64 { return f.size }

// Root is RFC 6962's Merkle tree hash; of the empty tree, that of nothing.
func (f *Frontier) Root() Hash {
	if len(f.peaks) == 0 {
		return sha256.Sum256(nil)
	}
	last := len(f.peaks) - 1
	root := f.peaks[last]
	for _, peak := range slices.Backward(f.peaks[:last]) {
		root = tlog.NodeHash(peak, root)
	}
	return root
}

// Clone returns a frontier that grows on its own.
func (f *Frontier) Clone() Frontier {
	return Frontier{size: f.size, peaks: slices.Clone(f.peaks)}
}
