// Package audit verifies the record as somebody outside would: from the bytes in Kafka, the
// checkpoints that were ever signed, and, if there is one, a checkpoint kept elsewhere. It
// shares no code with the service that decides what is right, only the hashing of the tree
// and the forms of what is signed; everything that Postgres or a running service says is a
// hint, believed as far as a signature or the record itself bears it out. Where to begin:
//
//   - audit.go: what is asked, and the one pass over everything.
//   - read.go: the topic is fetched, hashed and parsed a few pages ahead, in order.
//   - envelope.go, scan.go: what a fact's bytes must look like.
//   - order.go: the readers' rule, kept by an auditor: who repeats, who is early, who is missing.
//   - notes.go: checkpoints and rotations, each in its turn.
//   - leaves.go, spill.go: what is put aside in temporary files, because memory stays constant.
//   - locate.go: a wrong root only says "somewhere below"; tiles say where.
//   - report.go, finding.go: what comes out.
//
// Memory is a few tens of megabytes however long the record is, and a third of a byte a fact
// (an eighth more once something is wrong). On disk stand 88 bytes a fact while it runs, in
// files that only its user can read and that have no name any more once they are open: the
// leaves' hashes, which are hashes of salted envelopes, the facts' ids, and keyed hashes of
// streams' names.
//
// It never changes anything, never opens what is sealed, and never calls a record whole
// because there was nothing to compare it with.
package audit
