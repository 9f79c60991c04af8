package policy

import (
	"strconv"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/refusal"
)

// Reasons why a revision of the rules is not stored, proposed or put in force.
var (
	ErrOlder = refusal.New(refusal.Conflict, "policy.older",
		"A revision as high or higher was put in force already.", "Raise the revision in .manifest; going back to older rules is a new revision, too.")
	ErrOtherBundle = refusal.New(refusal.Conflict, "policy.other_bundle",
		"Another bundle was stored as this revision.", "Raise the revision in .manifest: one revision is one bundle for ever.")
	ErrNotStored = refusal.New(refusal.Missing, "policy.not_stored",
		"No bundle was stored as this revision.", "Store it first: bgremover policy store FILE.")
	ErrNotSimulated = refusal.New(refusal.Forbidden, "policy.not_simulated",
		"There is no simulation of this revision with this digest.", "Simulate it on the record: bgremover policy simulate; its report says its digest.")
	ErrNotProposed = refusal.New(refusal.Conflict, "policy.not_proposed",
		"Nobody has proposed to put this revision in force.", "Propose it, with the digest of its simulation.")
	ErrOtherProposal = refusal.New(refusal.Conflict, "policy.other_proposal",
		"Something else was proposed in the meantime.", "Look at the proposal as it is now, then decide.")
	ErrSamePerson = refusal.New(refusal.Forbidden, "policy.same_person",
		"Whoever proposes a revision cannot approve it.", "Ask another officer to approve it.")
)

// Bundle is what the facts about one revision of the rules add up to. The zero value was never stored.
type Bundle struct {
	Revision int64
	Digest   string
	SignedBy string
	Proposal *Proposal // the newest; nil if there is none
	Active   bool      // it was put in force, and may have been replaced since
	version  int64
}

// Proposal is the wish that a revision comes into force.
type Proposal struct {
	Simulation string
	By         personal.Text
}

// BundleFromRecord replays the stream of a revision, oldest first.
func BundleFromRecord(history []event.Envelope) (b Bundle) {
	for _, env := range history {
		switch f := env.Fact.(type) {
		case BundleStored:
			b.Revision, b.Digest, b.SignedBy = f.Revision, f.Digest, f.SignedBy
		case ActivationProposed:
			b.Proposal = &Proposal{Simulation: f.Simulation, By: env.Actor.Who}
		case Activated:
			b.Active = true
		}
		b.version = env.Version
	}
	return b
}

// Stored says whether there is such a bundle.
func (b Bundle) Stored() bool { return b.Revision > 0 }

// Version is how many facts this state rests on: what an append must expect.
func (b Bundle) Version() int64 { return b.version }

// RevisionName is a revision as streams and keys are named by it.
func RevisionName(revision int64) string { return strconv.FormatInt(revision, 10) }

// Store is the wish to keep a bundle as a revision. InForce is the revision in force; 0 if there is none.
type Store struct {
	BundleStored

	InForce int64
}

// DecideStore returns the fact that follows. ok is false when this very bundle is stored already.
func DecideStore(b Bundle, s Store) (fact BundleStored, ok bool, err error) {
	switch {
	case b.Stored() && b.Digest == s.Digest:
		return BundleStored{}, false, nil
	case s.Revision <= s.InForce:
		return BundleStored{}, false, ErrOlder
	case b.Stored():
		return BundleStored{}, false, ErrOtherBundle
	}
	return s.BundleStored, true, nil
}

// Propose is the wish of a member of staff that a revision comes into force.
type Propose struct {
	Simulation string // digest of its report
	Known      bool   // there is such a simulation of this revision
	InForce    int64
}

// DecidePropose returns the fact that follows.
func DecidePropose(b Bundle, p Propose) (ActivationProposed, error) {
	switch {
	case !b.Stored():
		return ActivationProposed{}, ErrNotStored
	case b.Active || b.Revision <= p.InForce:
		return ActivationProposed{}, ErrOlder
	case !p.Known || p.Simulation == "":
		return ActivationProposed{}, ErrNotSimulated
	}
	return ActivationProposed{Revision: b.Revision, Digest: b.Digest, Simulation: p.Simulation}, nil
}

// Approve is the wish of another member of staff that what was proposed happens.
type Approve struct {
	Simulation string // of the proposal that they have seen
	By         personal.Text
	InForce    int64
}

// DecideApprove returns the fact that follows.
func DecideApprove(b Bundle, a Approve) (Activated, error) {
	switch {
	case !b.Stored():
		return Activated{}, ErrNotStored
	case b.Active || b.Revision <= a.InForce:
		return Activated{}, ErrOlder
	case b.Proposal == nil || b.Proposal.By.IsErased() || b.Proposal.By.IsEmpty():
		return Activated{}, ErrNotProposed // by nobody who is known: then a second person cannot be told
	case b.Proposal.Simulation != a.Simulation:
		return Activated{}, ErrOtherProposal
	case a.By.IsEmpty() || a.By == b.Proposal.By:
		return Activated{}, ErrSamePerson
	}
	return Activated{Revision: b.Revision, Digest: b.Digest, Simulation: b.Proposal.Simulation, Proposer: b.Proposal.By}, nil
}

// DecideRelease puts the bundle that a release carries in force, without anybody's approval: the first that there
// is, or what the operator's configuration asks for.
func DecideRelease(b Bundle, inForce int64) (Activated, error) {
	switch {
	case !b.Stored():
		return Activated{}, ErrNotStored
	case b.Active || b.Revision <= inForce:
		return Activated{}, ErrOlder
	}
	return Activated{Revision: b.Revision, Digest: b.Digest}, nil
}
