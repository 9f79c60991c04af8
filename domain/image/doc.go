// Package image is the life of one picture: uploaded, processed, downloaded, deleted.
//
// Read it in this order: events.go (what can have happened), image.go (the state those
// facts add up to), picture.go (which pictures are accepted), then one decision each:
// upload.go, process.go, download.go, delete.go.
//
// Nothing here reads a clock, a database or a policy; callers pass in what a decision
// depends on. No fact holds pixels, a hash of them, a file name in clear or an exact
// size: those would outlive the picture.
package image
