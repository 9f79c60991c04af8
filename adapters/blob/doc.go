// Package blob keeps sealed objects: originals and results, on the file system.
//
// Read it in this order: fs.go (putting, opening, deleting), list.go (what is there),
// name.go (what an object may be called), room_*.go (what is left of the disk). Every adapter of the port passes blobtest.
//
// It never sees a plain byte, never follows a name out of its folder, and never answers
// that an object is stored before a crash could not take it back.
package blob
