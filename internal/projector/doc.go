// Package projector keeps projections in step with the record.
//
// Read it in this order: view.go (what a projection is, and where its facts come from),
// projector.go (all views of a process, and how they are doing), follow.go (one view: take
// the lock, find the checkpoint, apply what follows), apply.go (one transaction), fault.go
// (what is worth another try), wait.go (a reader waits for what it must see).
//
// Exactly once in effect: the checkpoint is committed with the rows, conditional on the
// checkpoint that the batch continues. So a crash, a repeated fact, a lost answer to a
// commit, and a second projector that believes itself alone all leave the same rows.
//
// It never skips a fact that it cannot apply, it never changes the record, and it never
// writes what a fact holds into a log or an error.
package projector
