// Package ledger is the record: it takes facts in, gives each its place in one order for
// all, and hands them out in that order.
//
// The decision what may be appended is taken in Postgres; the record itself is the one
// partition of the Kafka topic "record". What one needs to know to change anything here:
//
//   - ledger.go, append.go, transact.go: one Postgres transaction checks the expected versions,
//     makes and destroys keys, and queues the encoded facts (schema.sql: ledger.append;
//     migrate.go lays it out). Nothing is answered before the facts are in Kafka.
//   - sequencer.go, term.go, number.go, publish.go: whoever holds the advisory lock numbers
//     what is queued, 1, 2, 3 … without a hole, and publishes it. On any doubt it publishes
//     everything again from the first number that is not confirmed.
//   - scan.go, adopt.go: a term begins by reading what Kafka has that Postgres does not know
//     to be there. Kafka wins over whatever Postgres has not numbered.
//   - rule.go, reader.go: because of "everything again", the partition holds repetitions,
//     and batches whose beginning comes later. The readers' rule makes one order of it.
//   - board.go, listen.go, load.go, settled.go: who waits for what to be published.
//   - destroyed.go, skips.go, extent.go: what others ask the index about the record.
//   - tree.go, grow.go: the Merkle tree over the record, extended in the transaction that
//     numbers, and read again at the beginning of each term.
//   - checkpoint.go, book.go, mend.go, cosign.go: heads of the tree are signed, written down,
//     published, and shown to witnesses; logkeys.go, rotated.go, safe.go: with which
//     key. public.go: what of it everybody may read.
//   - codec.go, decision.go, encode.go, envelope.go, seal.go, shape.go, strict.go: facts as bytes. Stored
//     bytes are never encoded again. registry.go, samples.go: which facts there are.
//
// It never answers before the record has it, never edits or removes a fact, never signs two
// heads that contradict each other, and never takes a key that is missing for one that was destroyed.
package ledger
