package audit

import (
	"fmt"
	"slices"
)

// What is wrong with a record.
type What string

// The kinds of finding there are.
const (
	Changed       What = "changed"        // other bytes than were signed, or two versions of one fact
	Missing       What = "missing"        // a fact does not come, though later ones are there
	Reordered     What = "reordered"      // it is there, but not where the readers' rule finds it
	TruncatedTail What = "truncated tail" // the log itself vouched for more than there is
	RolledBack    What = "rolled back"    // only a checkpoint kept elsewhere knows that there was more
	Forked        What = "forked"         // the log's key vouches for two histories
	BadNumbering  What = "bad numbering"  // something without a number, or a fact under another one
	BadEnvelope   What = "bad envelope"   // the log vouches for it, or nothing does, but it is no fact as they are written
	BadCheckpoint What = "bad checkpoint" // not signed by the log's key, malformed, or not there at all
)

// Finding says what is wrong, and with which fact.
type Finding struct {
	What What `json:"what"`
	// Seq is the first fact that is wrong; from it on nothing can be relied on. Through is the
	// last one that may be the first: the same, unless only a range is known.
	Seq     int64  `json:"seq"`
	Through int64  `json:"through"`
	Text    string `json:"text"` // for a person; holds nothing of any fact

	offset int64 // of the entry that is to blame, plus 1; 0: none
}

// String is one line for a person.
func (f Finding) String() string {
	where := fmt.Sprintf("seq %d", f.Seq)
	if f.Through > f.Seq {
		where = fmt.Sprintf("somewhere in seq %d–%d", f.Seq, f.Through)
	}
	return fmt.Sprintf("%s: %s: %s", f.What, where, f.Text)
}

func at(what What, seq int64, format string, args ...any) Finding {
	return Finding{What: what, Seq: seq, Through: seq, Text: fmt.Sprintf(format, args...)}
}

// weight decides between findings about one fact: the higher says more of what happened.
func (w What) weight() int {
	switch w {
	case Forked, RolledBack:
		return 5
	case Reordered, BadNumbering:
		return 4
	case Missing, Changed:
		return 3
	case TruncatedTail:
		return 2
	case BadEnvelope:
		return 1
	case BadCheckpoint:
	}
	return 0
}

// before says which of two findings is the first: that of the lower seq. A bad checkpoint
// hides nothing that is wrong with the record itself.
func (f Finding) before(other Finding) bool {
	if onlySigned := f.What == BadCheckpoint; onlySigned != (other.What == BadCheckpoint) {
		return !onlySigned
	}
	if f.Seq != other.Seq {
		return f.Seq < other.Seq
	}
	return f.What.weight() > other.What.weight()
}

// findings collects what was found; only the first by seq counts in the end.
type findings struct {
	all  []Finding
	last int // the index of the last by seq among those that are kept; valid when full
	full bool
}

// most bounds how many are kept: when everything is wrong, the first ones say enough.
const most = 1000

// add keeps a finding. Of too many the first by seq are kept, in whatever order they come.
func (f *findings) add(one Finding) {
	if len(f.all) < most {
		f.all, f.full = append(f.all, one), false
		return
	}
	if f.full && !one.before(f.all[f.last]) {
		return
	}
	if !f.full {
		f.full, f.last = true, f.latest()
	}
	if one.before(f.all[f.last]) {
		f.all[f.last] = one
		f.last = f.latest()
	}
}

// latest is the index of the last finding by seq.
func (f *findings) latest() int {
	last := 0
	for i := range f.all {
		if f.all[last].before(f.all[i]) {
			last = i
		}
	}
	return last
}

// addAt adds a finding for which one entry of the topic is to blame.
func (f *findings) addAt(offset int64, one Finding) {
	one.offset = offset + 1
	f.add(one)
}

// forget drops what was found about an entry, because it is explained otherwise.
func (f *findings) forget(offset int64) {
	f.all = slices.DeleteFunc(f.all, func(one Finding) bool { return one.offset == offset+1 })
}

// alien says whether some entry of the topic is to blame for something.
func (f *findings) alien() bool {
	return slices.ContainsFunc(f.all, func(one Finding) bool { return one.offset > 0 })
}

// first returns the finding that counts, or nil.
func (f *findings) first() *Finding {
	var best *Finding
	for i := range f.all {
		if best == nil || f.all[i].before(*best) {
			best = &f.all[i]
		}
	}
	return best
}

// hint returns the lowest fact in a range with which something is wrong by itself.
func (f *findings) hint(from, through int64) *Finding {
	var best *Finding
	for i := range f.all {
		one := &f.all[i]
		itself := one.What == BadEnvelope || one.What == Changed && one.Through == one.Seq
		if itself && one.Seq >= from && one.Seq <= through && (best == nil || one.Seq < best.Seq) {
			best = one
		}
	}
	return best
}
