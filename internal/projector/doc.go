// Package projector keeps projections in step with the record, and makes them anew from it.
//
// Read it in this order: view.go (what a projection is, and where its facts come from),
// projector.go (all views of a process, and how they are doing), follow.go (one view: take
// the lock, find the checkpoint, apply what follows), apply.go (one transaction), fault.go
// (what is worth another try), skip.go (a view that stopped, and what lets it go on), wait.go (a
// reader waits for what it must see). Then rebuild.go (views made anew beside the live ones),
// draft.go (one of them), compare.go and digest.go (is it what is live?), switch.go (it takes
// the live one's place).
//
// Exactly once in effect: the checkpoint is committed with the rows, conditional on the
// checkpoint that the batch continues. So a crash, a repeated fact, a lost answer to a
// commit, a second projector that believes itself alone, and a rebuilt view that takes the place of
// the one that is kept all leave the same rows.
//
// It never passes over a fact that it cannot apply unless a person has recorded that, it never
// changes the record, and it never writes what a fact holds into a log or an error.
package projector
