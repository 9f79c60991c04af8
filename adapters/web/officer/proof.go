package officer

import (
	"encoding/hex"

	"github.com/bgremover/bgremover/internal/merkle"
)

// Hashes are shown in hexadecimal, as most tools print SHA-256. The checkpoint is shown as it is
// signed, with its root in base64.

// LeafHex returns the leaf's hash.
func (p Proof) LeafHex() string { return hexOf(p.Leaf) }

// PathHex returns the hashes from the leaf's sibling up to below the root.
func (p Proof) PathHex() []string {
	path := make([]string, len(p.Path))
	for i, h := range p.Path {
		path[i] = hexOf(h)
	}
	return path
}

// NoteText returns the signed checkpoint.
func (p Proof) NoteText() string { return string(p.Note) }

func (p Proof) rootHex() string { return hexOf(p.Checkpoint.Root) }

func hexOf(h merkle.Hash) string { return hex.EncodeToString(h[:]) }
