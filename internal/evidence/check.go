package evidence

import (
	"slices"

	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/internal/merkle"
)

// Known is what the one who checks a receipt has from elsewhere. All of it may be empty.
type Known struct {
	// Key is one of the log's verifier keys: "<origin>+<hash>+<key>".
	Key string
	// Against is a signed checkpoint of the log.
	Against []byte
}

// What is wrong between a receipt and what is known.
var (
	ErrProof = refusal.New(refusal.Invalid, "receipt.proof",
		"The proof in this receipt does not hold: the tree that the log signed does not have these entries.", "Do not rely on it. Ask the service for it again, and tell its operator.")
	ErrOtherKey = refusal.New(refusal.Invalid, "receipt.other_key",
		"This receipt is not signed with the key that you gave, nor with one that this key handed over to.", "Compare the key. If it is that of the service that you used, do not rely on the receipt.")
	ErrKey = refusal.New(refusal.Invalid, "receipt.key",
		"What you gave as the log's key is none.", "Write it as it stands in the field “first” of the service's /log/keys: <origin>+<hash>+<key>.")
	ErrAgainst = refusal.New(refusal.Invalid, "receipt.other_log",
		"The checkpoint that you gave is not signed by the log that signed this receipt.", "Compare their first lines. If both name the service that you used, do not rely on the receipt.")
	ErrFork = refusal.New(refusal.Invalid, "receipt.fork",
		"The log has signed two records that exclude each other: that of this receipt, and that of the checkpoint which you gave.", "Keep both files. They prove that the log was forked.")
)

// Check goes through everything in a receipt that can be checked without anybody. Its
// error is a refusal: then nothing in the receipt is to be relied on.
func Check(signed []byte, known Known) (Verdict, error) {
	r, keys, err := open(signed)
	if err != nil {
		return Verdict{}, err
	}
	v := Verdict{Receipt: r, Signer: keys.Newest()}
	if err := checkFacts(r); err != nil {
		return Verdict{}, err
	}
	if r.Proof != nil {
		if v.Checkpoint, err = checkProof(r, keys); err != nil {
			return Verdict{}, err
		}
	}
	if known.Key != "" {
		if _, err := merkle.FollowKeys(known.Key, nil); err != nil {
			return Verdict{}, ErrKey
		}
		if v.KeyKnown = slices.Contains(keys.Verifiers(), known.Key); !v.KeyKnown {
			return Verdict{}, ErrOtherKey
		}
	}
	if len(known.Against) > 0 {
		if err := v.compare(keys, known.Against); err != nil {
			return Verdict{}, err
		}
	}
	return v, nil
}

// checkProof checks that the signed tree has both entries.
func checkProof(r Receipt, keys merkle.Keys) (merkle.Checkpoint, error) {
	c, err := keys.Open([]byte(r.Proof.Checkpoint))
	if err != nil || c.Origin != r.Log || r.Proof.Older > c.Size {
		return c, ErrProof
	}
	for _, one := range []struct {
		fact Fact
		path []merkle.Hash
	}{{r.Deletion, r.Proof.Deletion}, {r.Destruction, r.Proof.Destruction}} {
		if one.fact.Seq > c.Size || merkle.CheckInclusion(one.path, c.Size, c.Root, one.fact.Seq-1, merkle.Leaf([]byte(one.fact.Body))) != nil {
			return c, ErrProof
		}
	}
	return c, nil
}

// compare holds the receipt's tree against one that was signed at another time. Only the
// checkpoint that was kept has that tree's root, so only with it can the proof be checked.
func (v *Verdict) compare(keys merkle.Keys, against []byte) error {
	kept, err := keys.Open(against)
	if err != nil || kept.Origin != v.Receipt.Log {
		return ErrAgainst
	}
	v.KeyKnown = true // whoever kept it has the log's signature from elsewhere
	v.Kept = &kept
	proof := v.Receipt.Proof
	switch {
	case proof == nil:
	case kept.Size == v.Checkpoint.Size:
		if kept.Root != v.Checkpoint.Root {
			return ErrFork
		}
		v.Compared = true
	case kept.Size == proof.Older:
		if merkle.CheckConsistency(proof.Consistency, v.Checkpoint.Size, v.Checkpoint.Root, kept.Size, kept.Root) != nil {
			return ErrFork
		}
		v.Compared = true
	}
	return nil
}
