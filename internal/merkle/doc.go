// Package merkle is the tree over the record, and what is said about it: heads that the
// log signs, and proofs that anyone can check offline. Where to begin:
//
//   - frontier.go: the tree grows by one leaf at a time, and its root is known at once.
//   - tile.go, edge.go: its hashes are kept in tiles of 256, which never change.
//   - proof.go: that a fact is in the tree, and that a tree is the beginning of a larger one.
//   - checkpoint.go, key.go, rotation.go: who signs the tree's heads, and how that key changes.
//   - cosignature.go: what witnesses add.
//
// The hashing is RFC 6962's; the formats are C2SP's: https://c2sp.org/tlog-checkpoint,
// /tlog-tiles, /signed-note and /tlog-cosignature. What is read here may come from anyone:
// every parser takes one spelling only, and fails on all else.
//
// It never reads or writes anything but memory, never looks at what a leaf means, and
// never takes a proof's word for its own size.
package merkle
