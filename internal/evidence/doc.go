// Package evidence makes and checks what one person can keep of the record: the receipt of
// a deleted picture. Where to begin:
//
//   - receipt.go: what a receipt says, and its bytes.
//   - parse.go: reads them, in one spelling only.
//   - leaf.go: the entries of the record that a receipt shows, and what has to agree.
//   - sign.go, check.go: who signs it, and what a verifier goes through.
//   - verdict.go: what that proves, and what it does not.
//
// # The leaf without actor or owner
//
// What the Merkle tree covers are the exact stored bytes of a fact, so a receipt that
// proves inclusion has to show exact bytes. Two facts end a picture, and neither was made
// to hold a person: image.deleted has why, when, by when and which kinds of copy, and
// vault.key_destroyed has the random id of the key. Around them stand random ids, the role
// that acted ("visitor", "clock": a capacity, never a name) and the decision's rule and
// input. The owner and the file's name stand, sealed, in image.uploaded, which a receipt
// never shows: that is why the time of the upload is stated and not proven. Who acted is
// sealed as well, where there is somebody to name, under the picture's key, which that very
// fact's append destroys. So both facts are shown as they are stored, their bytes need no
// other version, and a reader here refuses bytes in which who acted is not ciphertext under
// the destroyed key, or in which a decision seals anything.
//
// # What a signature can prove
//
// That the log's key signed these bytes, that they were not changed since, and that a tree
// whose head the log signed holds both facts. Not that bytes are gone: a destroyed key and
// copies that are not found are attested. NIST SP 800-88 Rev. 2 has it no other way:
// cryptographic erase is shown by a statement of whoever did it. The verdict keeps the two
// apart, always.
//
// Nothing here reads a clock, a file or the network, and no receipt names a person.
package evidence
