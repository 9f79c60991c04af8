// Package event is what all facts of the record share: a permanent name, a place in a
// stream, who acted, what it follows from, and the decision that allowed it.
//
// Read it in this order: event.go (a fact and its envelope), decision.go (what a rule was asked and
// said), registry.go (which names there are), upcast.go (old versions), stream.go (names that follow
// from what they name). The facts themselves live with the thing they are about (image.Uploaded). How an envelope becomes bytes is the business of internal/ledger.
//
// A name is never reused, and what stands under it never changes: a published version has a
// sample and its meaning in internal/ledger/testdata/facts, and neither is ever edited. When a
// fact needs other fields, its package
//
//  1. renames the type: Uploaded becomes uploadedV1, with its fields, tags and permanent
//     name "image.uploaded.v1" as they are;
//  2. adds the new Uploaded, named "image.uploaded.v2";
//  3. says in Kinds what the old ones mean: Upcast(func(old uploadedV1) Uploaded {…}), beside
//     KindOf[Uploaded]() – with a third version the first still leads to the second only, whose
//     type stays as uploadedV2.
//
// Then readers get the new type whatever the record holds, writers can write no other, and the
// bytes in the record, and so their hashes, stay as they are.
package event

import (
	"time"

	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/personal"
)

// Name is the permanent, versioned name of a kind of fact: "image.uploaded.v1".
type Name string

// A Fact is one thing that happened, in the past tense. Its exported fields are its
// JSON; fields of type [personal.Text] are sealed by the codec.
type Fact interface{ EventName() Name }

// Stream names the thing a fact is about: "image/0190…". The part after the slash is a
// random id.
type Stream string

// Envelope is a fact with the record-keeping around it.
type Envelope struct {
	ID       id.Fact
	Seq      int64  // place in the record, 1, 2, 3 …; 0 while it has none
	Stream   Stream // what it is about
	Version  int64  // place in the stream, 1, 2, 3 …
	At       time.Time
	Actor    Actor
	Cause    Cause
	Decision *Decision // nil where no policy was asked
	Fact     Fact
}

// Role says in which capacity somebody acted. It is harmless: it names nobody.
type Role string

// The roles there are.
const (
	Visitor   Role = "visitor"   // somebody without an account, who holds a capability
	Processor Role = "processor" // the service, cutting out
	Clock     Role = "clock"     // the service, because it was time
	Operator  Role = "operator"  // somebody on the machine that runs the service
	Officer   Role = "officer"   // a member of staff who looks after compliance
	Responder Role = "responder" // a member of staff who handles incidents
	DPO       Role = "dpo"       // the data protection officer (GDPR article 37)
)

// Actor says who acted. Who is sealed with the fact.
type Actor struct {
	Role Role
	Who  personal.Text // an account or member of staff; empty for everybody else
}

// Cause says what a fact follows from: the fact before it, or the request.
type Cause struct {
	Fact    id.Fact
	Request id.Request
}
