package evidence

import (
	"fmt"
	"strings"
	"time"

	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/internal/merkle"
)

// Receipt is what the service says of one deleted picture.
type Receipt struct {
	Log      string    // the log's origin
	Issued   time.Time // when the copies were looked for, and this was signed
	Image    id.Image
	Uploaded time.Time // stated: the fact that holds it is sealed in part, and not shown
	Due      time.Time
	Deleted  time.Time
	Why      image.Why
	Copies   []Copy
	// Deletion is the fact image.deleted, Destruction vault.key_destroyed after it.
	Deletion, Destruction Fact
	Keys                  Keys
	Proof                 *Proof // nil before the next checkpoint: then the receipt is a promise
}

// Copy is one kind of copy, and whether there was one when the receipt was made.
type Copy struct {
	Kind  string
	Found bool
}

// Fact is one entry of the record: its place, and the exact stored bytes.
type Fact struct {
	Seq  int64
	Body string
}

// Keys lead from the log's first key to the one that signs the receipt.
type Keys struct {
	First     string   // a vkey line
	Rotations []string // signed notes, oldest first
}

// Proof shows that both facts are in the tree that a checkpoint is the head of.
type Proof struct {
	Checkpoint            string // the signed note
	Deletion, Destruction []merkle.Hash
	// Older, if it is not 0, is the size of an older tree, with which Consistency shows that
	// the checkpoint's tree begins.
	Older       int64
	Consistency []merkle.Hash
}

// The words that a receipt is written with.
const (
	headStem = "bgremover deletion receipt v"
	head     = headStem + "1"

	wordLog         = "log"
	wordIssued      = "issued"
	wordImage       = "image"
	wordUploaded    = "uploaded"
	wordDue         = "due"
	wordDeleted     = "deleted"
	wordWhy         = "why"
	wordCopy        = "copy"
	wordKey         = "key"
	wordFact        = "fact"
	wordVerifier    = "verifier"
	wordRotation    = "rotation"
	wordPromise     = "promise"
	wordCheckpoint  = "checkpoint"
	wordPath        = "path"
	wordConsistency = "consistency"

	found, notFound = "found", "not-found"
	destroyed       = "destroyed"

	// quoted begins each line of a note or a list of hashes inside a receipt.
	quoted = "|"
)

// timeLayout is how times stand in the record, and here.
const timeLayout = "2006-01-02T15:04:05.000Z"

// Text is what is signed. No log's name has a space, so no receipt is a checkpoint.
func (r Receipt) Text() string {
	var b strings.Builder
	line := func(words ...string) { b.WriteString(strings.Join(words, " ") + "\n") }
	at := func(t time.Time) string { return t.UTC().Format(timeLayout) }

	line(head)
	line(wordLog, r.Log)
	line(wordIssued, at(r.Issued))
	line(wordImage, string(r.Image))
	line(wordUploaded, at(r.Uploaded))
	line(wordDue, at(r.Due))
	line(wordDeleted, at(r.Deleted))
	line(wordWhy, string(r.Why))
	for _, c := range r.Copies {
		line(wordCopy, c.Kind, c.state())
	}
	line(wordKey, string(image.Key(r.Image)), destroyed)
	for _, f := range []Fact{r.Deletion, r.Destruction} {
		line(wordFact, fmt.Sprint(f.Seq), f.Body)
	}
	line(wordVerifier, r.Keys.First)
	for _, note := range r.Keys.Rotations {
		line(wordRotation)
		quote(&b, note)
	}
	if r.Proof == nil {
		line(wordPromise)
		return b.String()
	}
	line(wordCheckpoint)
	quote(&b, r.Proof.Checkpoint)
	line(wordPath, fmt.Sprint(r.Deletion.Seq))
	quote(&b, hashLines(r.Proof.Deletion))
	line(wordPath, fmt.Sprint(r.Destruction.Seq))
	quote(&b, hashLines(r.Proof.Destruction))
	if r.Proof.Older > 0 {
		line(wordConsistency, fmt.Sprint(r.Proof.Older))
		quote(&b, hashLines(r.Proof.Consistency))
	}
	return b.String()
}

func (c Copy) state() string {
	if c.Found {
		return found
	}
	return notFound
}

// quote writes lines so that none of them can be taken for one of the receipt's own.
func quote(b *strings.Builder, text string) {
	for line := range strings.Lines(text) {
		b.WriteString(quoted + line)
	}
}

func hashLines(hashes []merkle.Hash) string {
	var b strings.Builder
	for _, h := range hashes {
		b.WriteString(h.String() + "\n")
	}
	return b.String()
}
