package merkle

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// naive is RFC 6962, section 2.1, word for word.
func naive(leaves []Hash) Hash {
	switch n := len(leaves); n {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return leaves[0]
	default:
		k := 1
		for 2*k < n {
			k *= 2
		}
		left, right := naive(leaves[:k]), naive(leaves[k:])
		return sha256.Sum256(slices.Concat([]byte{1}, left[:], right[:]))
	}
}

// naiveLeaf is the hash of a leaf.
func naiveLeaf(body []byte) Hash { return sha256.Sum256(append([]byte{0}, body...)) }

// leaves are n different ones.
func leaves(n int) []Hash {
	hashes := make([]Hash, n)
	for i := range hashes {
		hashes[i] = Leaf(binary.BigEndian.AppendUint64(nil, uint64(i)))
	}
	return hashes
}

// memory holds a tree's full tiles, and makes partial ones of their rows.
type memory struct{ rows [][]Hash }

func (m *memory) Tile(_ context.Context, t Tile) ([]Hash, error) {
	from := t.Index * TileWidth
	if t.Level >= len(m.rows) || from+int64(t.Width) > int64(len(m.rows[t.Level])) {
		return nil, errors.New("no such tile")
	}
	return m.rows[t.Level][from : from+int64(t.Width)], nil
}

// memoryOf keeps what an edge hands out, and the leaves.
func memoryOf(hashes []Hash) *memory {
	m := &memory{rows: [][]Hash{hashes}}
	var e Edge
	for _, h := range hashes {
		e.Append(h, func(t FullTile) {
			if len(m.rows) == t.Level+1 {
				m.rows = append(m.rows, nil)
			}
			m.rows[t.Level+1] = append(m.rows[t.Level+1], t.Root)
		})
	}
	return m
}

// The leaves and roots that RFC 6962's implementations are tested with.
func TestKnownRoots(t *testing.T) {
	bodies := []string{"", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"}
	roots := []string{
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
		"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
		"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
		"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
		"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
		"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
		"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	}
	var f Frontier
	for size := range roots {
		if root := f.Root(); hex.EncodeToString(root[:]) != roots[size] || f.Size() != int64(size) {
			t.Errorf("size %d: root %x, want %s", size, root, roots[size])
		}
		if size < len(bodies) {
			body, err := hex.DecodeString(bodies[size])
			if err != nil {
				t.Fatal(err)
			}
			f.Append(Leaf(body))
		}
	}
}

func TestFrontierIsTheTree(t *testing.T) {
	hashes := leaves(1100)
	if got, want := hashes[7], naiveLeaf([]byte{0, 0, 0, 0, 0, 0, 0, 7}); got != want {
		t.Fatalf("leaf %x, want %x", got, want)
	}
	var f Frontier
	var e Edge
	for i, h := range hashes {
		before, root := f.Clone(), f.Root()
		f.Append(h)
		e.Append(h, func(FullTile) {})
		if i%97 == 0 || i > 1020 && i < 1030 {
			if want := naive(hashes[:i+1]); f.Root() != want || e.Root() != want {
				t.Errorf("size %d: roots %s and %s, want %s", i+1, f.Root(), e.Root(), want)
			}
			if before.Root() != root || before.Size() != int64(i) {
				t.Errorf("size %d: a clone changed with the original", i)
			}
		}
	}
}

// The sizes at which something special happens, and others.
func sizes() *rapid.Generator[int] {
	return rapid.OneOf(rapid.IntRange(1, 300), rapid.SampledFrom([]int{1, 255, 256, 257, 511, 512, 65535, 65536, 65537, 65792, 66000}))
}

func TestTilesAreTheTree(t *testing.T) {
	all := leaves(66000)
	m := memoryOf(all)
	if len(m.rows) != 3 || len(m.rows[1]) != 257 || len(m.rows[2]) != 1 || m.rows[2][0] != naive(all[:65536]) || m.rows[1][3] != naive(all[768:1024]) {
		t.Fatalf("the rows have %d levels", len(m.rows))
	}
	rapid.Check(t, func(t *rapid.T) {
		size := sizes().Draw(t, "size")
		root, err := RootOf(t.Context(), m, int64(size))
		if want := naive(all[:size]); err != nil || root != want {
			t.Fatalf("root %s (%v), want %s", root, err, want)
		}
		edge, err := EdgeOf(t.Context(), m, int64(size))
		if err != nil || edge.Root() != root || edge.Size() != int64(size) {
			t.Fatalf("an edge read from tiles: %v, root %s, want %s", err, edge.Root(), root)
		}
		grown := min(size+rapid.IntRange(0, 600).Draw(t, "more"), len(all))
		clone, full := edge.Clone(), 0
		for _, h := range all[size:grown] {
			clone.Append(h, func(tile FullTile) {
				full++
				from := tile.Index * TileWidth
				if !slices.Equal(tile.Hashes, m.rows[tile.Level][from:from+TileWidth]) || tile.Root != naivePerfect(tile.Hashes) {
					t.Fatalf("tile %d/%d is wrong", tile.Level, tile.Index)
				}
			})
		}
		if want := grown/256 - size/256 + grown/65536 - size/65536; full != want {
			t.Fatalf("from %d to %d: %d tiles became full, want %d", size, grown, full, want)
		}
		if after, _ := RootOf(t.Context(), m, int64(grown)); clone.Root() != after || edge.Root() != root {
			t.Fatalf("grown from %d to %d: root %s, want %s", size, grown, clone.Root(), after)
		}
	})
}

func naivePerfect(hashes []Hash) Hash { return naive(hashes) }

func TestProofs(t *testing.T) {
	all := leaves(66000)
	m := memoryOf(all)
	rapid.Check(t, func(t *rapid.T) {
		ctx := t.Context()
		size := sizes().Draw(t, "size")
		root := naive(all[:size])
		index := rapid.IntRange(0, size-1).Draw(t, "index")
		inclusion, err := Inclusion(ctx, m, int64(size), int64(index))
		if err != nil {
			t.Fatal(err)
		}
		checkIn := func(proof []Hash, size, index int, root, leaf Hash) error {
			return CheckInclusion(proof, int64(size), root, int64(index), leaf)
		}
		if err := checkIn(inclusion, size, index, root, all[index]); err != nil {
			t.Fatal(err)
		}
		old := rapid.IntRange(0, size).Draw(t, "old")
		oldRoot := naive(all[:old])
		consistency, err := Consistency(ctx, m, int64(old), int64(size))
		if err != nil {
			t.Fatal(err)
		}
		if err := CheckConsistency(consistency, int64(size), root, int64(old), oldRoot); err != nil {
			t.Fatal(err)
		}
		// One bit anywhere, or one hash more or less, and nothing holds.
		flip := func(h Hash) Hash {
			bit := rapid.IntRange(0, 255).Draw(t, "bit")
			h[bit/8] ^= 1 << (bit % 8)
			return h
		}
		flipOne := func(proof []Hash) []Hash {
			if len(proof) == 0 {
				return []Hash{all[0]}
			}
			proof = slices.Clone(proof)
			i := rapid.IntRange(0, len(proof)-1).Draw(t, "hash")
			proof[i] = flip(proof[i])
			return proof
		}
		for what, err := range map[string]error{
			"a flipped leaf":      checkIn(inclusion, size, index, root, flip(all[index])),
			"a flipped root":      checkIn(inclusion, size, index, flip(root), all[index]),
			"a flipped proof":     checkIn(flipOne(inclusion), size, index, root, all[index]),
			"a longer proof":      checkIn(append(slices.Clone(inclusion), root), size, index, root, all[index]),
			"an index outside":    checkIn(inclusion, size, size, root, all[index]),
			"a new root flipped":  onlyIf(old > 0, func() error { return CheckConsistency(consistency, int64(size), flip(root), int64(old), oldRoot) }),
			"an old root flipped": CheckConsistency(consistency, int64(size), root, int64(old), flip(oldRoot)),
			"a step flipped":      CheckConsistency(flipOne(consistency), int64(size), root, int64(old), oldRoot),
			"a step more":         CheckConsistency(append(slices.Clone(consistency), root), int64(size), root, int64(old), oldRoot),
			"sizes exchanged":     onlyIf(old < size, func() error { return CheckConsistency(consistency, int64(old), oldRoot, int64(size), root) }),
		} {
			if !errors.Is(err, ErrProof) {
				t.Fatalf("%s: %v, want %v", what, err, ErrProof)
			}
		}
	})
}

// onlyIf is a failed proof where the case does not arise.
func onlyIf(arises bool, check func() error) error {
	if !arises {
		return ErrProof
	}
	return check()
}

func TestNoProofOutsideTheTree(t *testing.T) {
	ctx, m := t.Context(), memoryOf(leaves(10))
	for name, err := range map[string]error{
		"an index after the end": second(Inclusion(ctx, m, 10, 10)),
		"a negative index":       second(Inclusion(ctx, m, 10, -1)),
		"nothing in nothing":     second(Inclusion(ctx, m, 0, 0)),
		"an older larger tree":   second(Consistency(ctx, m, 11, 10)),
		"a negative size":        second(Consistency(ctx, m, -1, 10)),
		"tiles that are missing": second(Inclusion(ctx, m, 11, 3)),
		"a root of less":         second(RootOf(ctx, m, -1)),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if root, err := RootOf(ctx, m, 0); err != nil || root != sha256.Sum256(nil) {
		t.Errorf("the root of nothing: %s, %v", root, err)
	}
}

func second[T any](_ T, err error) error { return err }
