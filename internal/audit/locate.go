package audit

import (
	"context"
	"fmt"
	"sort"

	"github.com/bgremover/bgremover/internal/merkle"
)

// changedBelow finds the fact because of which the record has another root than said, given
// that up to the size good it has the right one.
func (a *audit) changedBelow(ctx context.Context, said merkle.Checkpoint, good int64, who string) error {
	text := fmt.Sprintf("its bytes are others than those that %s at size %d vouches for", who, said.Size)
	if a.Tiles != nil {
		seq, err := a.locate(ctx, said, good)
		if err == nil {
			a.found.add(Finding{What: Changed, Seq: seq, Through: seq, Text: text})
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		a.remark("the tiles at hand could say which fact it is, but they do not lead to that root: %v", err)
	}
	through := said.Size
	if hint := a.found.hint(good+1, said.Size); hint != nil {
		through = hint.Seq // that one or one before it
		text += fmt.Sprintf("; fact %d shows it: %s", hint.Seq, hint.Text)
	}
	a.found.add(Finding{What: Changed, Seq: good + 1, Through: through, Text: text})
	return nil
}

// locate bisects: it asks the tiles for older roots, each with the proof that it belongs to
// the root that is vouched for, until it knows the first leaf that differs.
func (a *audit) locate(ctx context.Context, said merkle.Checkpoint, good int64) (seq int64, err error) {
	differs := func(size int64) bool {
		if err != nil || size == said.Size {
			return true
		}
		var theirs, ours merkle.Hash
		if theirs, err = authenticRoot(ctx, a.Tiles, size, said.Size, said.Root); err != nil {
			return true
		}
		if ours, err = a.leaves.rootAt(ctx, size); err != nil {
			return true
		}
		return theirs != ours
	}
	if _, err := authenticRoot(ctx, a.Tiles, said.Size, said.Size, said.Root); err != nil {
		return 0, err
	}
	between := int(said.Size - good)
	seq = good + 1 + int64(sort.Search(between, func(i int) bool { return differs(good + 1 + int64(i)) }))
	return seq, err
}

// authenticRoot asks for the root of an older size, and believes it only with a proof that
// the tree of that root grew into the one that is vouched for.
func authenticRoot(ctx context.Context, tiles merkle.Tiles, old, size int64, root merkle.Hash) (merkle.Hash, error) {
	theirs, err := merkle.RootOf(ctx, tiles, old)
	if err != nil {
		return merkle.Hash{}, err
	}
	if old == size {
		if theirs != root {
			return merkle.Hash{}, fmt.Errorf("%w: another root at size %d", merkle.ErrProof, size)
		}
		return theirs, nil
	}
	proof, err := merkle.Consistency(ctx, tiles, old, size)
	if err != nil {
		return merkle.Hash{}, err
	}
	return theirs, merkle.CheckConsistency(proof, size, root, old, theirs)
}

// vouchedLeaf asks the tiles which leaf a fact must have, if something vouches for it.
func (a *audit) vouchedLeaf(ctx context.Context, seq int64) (leaf merkle.Hash, known bool) {
	size, root := a.notes.newest.Size, a.notes.newest.Root
	if size < seq && a.head != nil {
		size, root = a.head.Size, a.head.Root
	}
	if a.Tiles == nil || size < seq {
		return leaf, false
	}
	t := merkle.Tile{Index: (seq - 1) / merkle.TileWidth}
	t.Width = int(min(merkle.TileWidth, size-t.Index*merkle.TileWidth))
	hashes, err := a.Tiles.Tile(ctx, t)
	if err != nil || len(hashes) != t.Width {
		return leaf, false
	}
	leaf = hashes[(seq-1)%merkle.TileWidth]
	proof, err := merkle.Inclusion(ctx, a.Tiles, size, seq-1)
	if err != nil {
		return leaf, false
	}
	return leaf, merkle.CheckInclusion(proof, size, root, seq-1, leaf) == nil
}
