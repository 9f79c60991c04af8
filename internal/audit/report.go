package audit

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// Report is what a verification found out.
type Report struct {
	Facts       int64     `json:"facts"`
	Counts                // what stands in the topic besides
	Checkpoints int64     `json:"checkpoints"` // that the log's key signed
	Rotations   int       `json:"rotations"`   // of that key
	First       time.Time `json:"first"`       // when the first fact happened
	Last        time.Time `json:"last"`
	Root        string    `json:"root"` // of the facts, base64
	Key         string    `json:"key"`  // the first key; the others follow from it
	Pinned      bool      `json:"pinned"`
	Covered     int64     `json:"covered"`  // up to this fact, checkpoints have the record's roots
	Compared    int64     `json:"compared"` // up to this one, the ledger's own head has
	Remarks     []string  `json:"remarks,omitempty"`
	Finding     *Finding  `json:"finding,omitempty"` // nil: everything holds
	Others      int       `json:"others,omitempty"`  // findings that follow, most of them because of the first
}

func (a *audit) report() Report {
	root := a.leaves.Root()
	r := Report{
		Facts: a.leaves.Size(), Counts: a.order.counts, Checkpoints: a.notes.signed, Rotations: len(a.notes.rotations),
		Root: base64.StdEncoding.EncodeToString(root[:]), Key: a.notes.first, Pinned: a.Pinned && a.notes.first == a.Key,
		Covered: a.agreed, Compared: a.compared, Remarks: a.remarks, Finding: a.found.first(),
	}
	if a.first != 0 {
		r.First, r.Last = time.UnixMilli(a.first).UTC(), time.UnixMilli(a.last).UTC()
	}
	if r.Finding != nil {
		r.Others = len(a.found.all) - 1
	}
	return r
}

// Holds says whether nothing is wrong.
func (r Report) Holds() bool { return r.Finding == nil }

// Notes are lines that a reader of the summary must know.
func (r Report) Notes() []string {
	notes := r.Remarks
	if !r.Pinned && r.Key != "" {
		notes = append(notes, "the key was taken from the log itself: keep it elsewhere, and name it with --key the next time")
	}
	if r.Uncompared > 0 {
		notes = append(notes, fmt.Sprintf("%d entries came too early and were too many to be compared with those that followed", r.Uncompared))
	}
	if from := max(r.Covered, r.Compared) + 1; from <= r.Facts {
		notes = append(notes, fmt.Sprintf("not covered by a checkpoint yet: seq %d–%d", from, r.Facts))
	} else if r.Covered < r.Facts {
		notes = append(notes, fmt.Sprintf("seq %d–%d are covered by the ledger's own head, and by no checkpoint yet", r.Covered+1, r.Facts))
	}
	return notes
}

// Summary is one line that can be quoted.
func (r Report) Summary() string {
	verdict := "holds"
	if r.Finding != nil {
		verdict = "DOES NOT HOLD (" + r.Finding.String() + ")"
	}
	parts := []string{
		counted(r.Facts, "fact"), counted(r.Repeated, "repetition"), counted(r.Checkpoints, "checkpoint"),
	}
	if !r.First.IsZero() {
		parts = append(parts, r.First.Format(time.RFC3339)+" to "+r.Last.Format(time.RFC3339))
	}
	return fmt.Sprintf("the record %s: %s, root %s, key %s", verdict, strings.Join(append(parts, fmt.Sprintf("covered up to %d", r.Covered)), ", "), r.Root, r.Key)
}

func counted[N int | int64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
