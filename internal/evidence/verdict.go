package evidence

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/internal/merkle"
)

// Verdict is what a receipt that holds is worth.
type Verdict struct {
	Receipt    Receipt
	Signer     string             // the vkey that signed it
	Checkpoint merkle.Checkpoint  // the zero value without a proof
	KeyKnown   bool               // the key, or something that it signed, is known from elsewhere
	Kept       *merkle.Checkpoint // what the receipt was to be compared with; nil: nothing
	Compared   bool               // and was
}

// Standing is how far something may be relied on.
type Standing string

// The standings, from what needs nobody's word to what is not there.
const (
	Proven   Standing = "proven"   // mathematics: whoever disputes it has to break a hash or a signature
	Attested Standing = "attested" // the service's signed word, about what no signature can show
	Open     Standing = "open"     // not in this receipt, or not checked
)

// Finding is one sentence of a verdict.
type Finding struct {
	Standing Standing `json:"standing"`
	Text     string   `json:"text"`
}

// Complete says that nothing is open.
func (v Verdict) Complete() bool {
	return !slices.ContainsFunc(v.Findings(), func(f Finding) bool { return f.Standing == Open })
}

// Headline says it in one sentence.
func (v Verdict) Headline() string {
	switch {
	case v.Complete():
		return "This receipt holds."
	case v.Receipt.Proof == nil:
		return "This receipt holds, as a promise: its proof is not in it yet."
	}
	return "This receipt holds; something is open."
}

// Findings says what is proven, what is attested and what is open, in this order.
func (v Verdict) Findings() []Finding {
	all := slices.Concat(v.whose(), v.entries(), v.comparison(), v.attested())
	order := []Standing{Proven, Attested, Open}
	slices.SortStableFunc(all, func(a, b Finding) int {
		return slices.Index(order, a.Standing) - slices.Index(order, b.Standing)
	})
	return all
}

func (v Verdict) whose() []Finding {
	r := v.Receipt
	whole := Finding{Proven, fmt.Sprintf("Not one bit of it was changed since the key %s signed it.", v.Signer)}
	if v.KeyKnown {
		return []Finding{whole, {Proven, fmt.Sprintf("That is a key of the log %s, as you know it from elsewhere.", r.Log)}}
	}
	return []Finding{whole, {Open, fmt.Sprintf("Whose key that is: the receipt says, of the log %s. Compare it with a key or a checkpoint of that log that you have from elsewhere.", r.Log)}}
}

func (v Verdict) entries() []Finding {
	r := v.Receipt
	said := fmt.Sprintf("Entry %d of the record says that the picture %s was deleted on %s, because %s; it was due on %s%s. Entry %d says that its key was destroyed.",
		r.Deletion.Seq, r.Image, spoken(r.Deleted), because(r.Why), spoken(r.Due), late(r), r.Destruction.Seq)
	if r.Proof == nil {
		return []Finding{
			{Attested, "By the service's signed promise alone: " + said},
			{Open, "That the record has these entries. The proof is in this receipt once the next checkpoint is signed: ask for it again in a few minutes."},
		}
	}
	return []Finding{{Proven, fmt.Sprintf("%s Both are among the first %d entries of the record, as the log has signed them, with exactly these bytes.", said, v.Checkpoint.Size)}}
}

func (v Verdict) comparison() []Finding {
	if v.Kept == nil {
		return nil
	}
	if v.Compared {
		return []Finding{{Proven, fmt.Sprintf("The record is the one of the checkpoint that you kept, of %d entries: nothing in it was changed or removed since.", v.Kept.Size)}}
	}
	return []Finding{{Open, fmt.Sprintf("Whether the record is the one of the checkpoint that you kept. Ask for the receipt again with ?against=%d, and check that one.", v.Kept.Size)}}
}

func (v Verdict) attested() []Finding {
	r := v.Receipt
	all := []Finding{
		{Attested, fmt.Sprintf("The picture was uploaded on %s. The entry that records it holds who it belonged to, and is not shown.", spoken(r.Uploaded))},
		{Attested, fmt.Sprintf("The key %s is destroyed, so that nothing that it sealed can be read again. No signature can show that bytes are gone: "+
			"this is the service's statement, which it cannot take back (cryptographic erase, as NIST SP 800-88 Rev. 2 has it).", image.Key(r.Image))},
	}
	var absent []string
	for _, c := range r.Copies {
		if c.Found {
			all = append(all, Finding{Open, fmt.Sprintf("A sealed copy of the %s was still in the store on %s. Its key is destroyed, so nobody can read it; it is removed later. Ask again.", c.Kind, spoken(r.Issued))})
			continue
		}
		absent = append(absent, c.Kind)
	}
	if len(absent) > 0 {
		all = append(all, Finding{Attested, fmt.Sprintf("These copies were looked for on %s and not found: %s.", spoken(r.Issued), strings.Join(absent, ", "))})
	}
	return all
}

func because(why image.Why) string {
	switch why {
	case image.BecauseDownloaded:
		return "its cutout had been downloaded"
	case image.BecauseDue:
		return "its time was up"
	case image.BecauseRequested:
		return "whoever held its link asked for it"
	}
	return "of “" + string(why) + "”"
}

func late(r Receipt) string {
	if r.Deleted.After(r.Due) {
		return fmt.Sprintf(", so that was %s late", r.Deleted.Sub(r.Due))
	}
	return ""
}

func spoken(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000 UTC") }
