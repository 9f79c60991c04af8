// Package fault names the moments at which the tests of failure end the process: every
// boundary between storing a fact, numbering it, publishing it, working on it and answering.
//
// Read it in this order: fault.go (the moments), off.go (what an ordinary build has of
// them: nothing), on.go (what a build with the tag "faults" does). docs/failures.md says
// which tests use them.
//
// It never changes what a service does that is built without the tag.
package fault

// Points are all there are, in the order in which an upload that is downloaded or deleted
// passes them. Each is passed somewhere in the product, and a test ends the process at each.
var Points = []string{
	"upload.stored",        // the sealed picture is stored; nothing is recorded
	"append.begin",         // before the transaction that stores facts
	"append.committed",     // the facts are queued
	"number.begin",         // taken from the queue, nothing committed
	"number.committed",     // the facts have their numbers
	"publish.begin",        // before the record gets the batch
	"publish.recorded",     // the record has acknowledged the batch; the processors know nothing
	"publish.delivered",    // the processors' topic has it too
	"mark.begin",           // before the batch is noted as published
	"mark.committed",       // after it, before anybody here is told
	"checkpoint.signed",    // a head of the tree is signed and stored; nobody has seen it
	"checkpoint.published", // Kafka has it; it is not served yet
	"append.answered",      // an append returns to its caller
	"upload.recorded",      // before the upload's request is noted as finished
	"process.taken",        // a processor has taken an upload
	"process.stored",       // the sealed result is stored; nothing is recorded
	"process.recorded",     // the outcome is in the record; the attempt is still counted
	"process.done",         // before the message is acknowledged
	"download.sent",        // the last byte is out; nothing is recorded
	"delete.recorded",      // the key is destroyed and the facts are in the record; the copies are there
	"delete.removed",       // the copies are gone; nobody was answered
}
