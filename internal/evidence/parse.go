package evidence

import (
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/internal/merkle"
)

// What is wrong with the form of a receipt.
var (
	ErrForm = refusal.New(refusal.Invalid, "receipt.form",
		"This is not a deletion receipt, or not the whole of one as it was written.", "Take the file as it was downloaded; opening and saving it in an editor may have changed it.")
	ErrVersion = refusal.New(refusal.Unsupported, "receipt.version",
		"This receipt is of a version that is not understood here.", "Check it with a newer bgverify.")
)

// MaxSize bounds a receipt: some hundred rotations, and all that a proof can need.
const MaxSize = 64 << 10

// Parse reads what [Receipt.Text] writes, and nothing else. It says nothing about whether
// what is written there holds.
func Parse(text string) (Receipt, error) {
	p := parser{lines: strings.Split(text, "\n")}
	r := p.receipt()
	switch {
	case p.newer:
		return Receipt{}, ErrVersion
	case p.failed || r.Text() != text: // one spelling only
		return Receipt{}, ErrForm
	}
	return r, nil
}

// parser goes through the lines once. After the first mistake it gives out nothing.
type parser struct {
	lines  []string
	failed bool
	newer  bool
}

func (p *parser) receipt() (r Receipt) {
	if h := p.line(); h != head {
		p.failed = true
		p.newer = strings.HasPrefix(h, headStem)
		return r
	}
	if r.Log = p.field(wordLog); merkle.CheckOrigin(r.Log) != nil {
		p.failed = true
	}
	r.Issued = p.time(wordIssued)
	r.Image = p.image()
	r.Uploaded, r.Due, r.Deleted = p.time(wordUploaded), p.time(wordDue), p.time(wordDeleted)
	r.Why = image.Why(p.term(p.field(wordWhy)))
	for p.at(wordCopy) {
		kind, state, _ := strings.Cut(p.field(wordCopy), " ")
		r.Copies = append(r.Copies, Copy{Kind: p.term(kind), Found: state == found})
	}
	p.field(wordKey) // says what the image says: the spelling is compared
	r.Deletion, r.Destruction = p.fact(), p.fact()
	r.Keys.First = p.field(wordVerifier)
	for p.at(wordRotation) {
		p.line()
		r.Keys.Rotations = append(r.Keys.Rotations, p.quoted())
	}
	if !p.at(wordPromise) {
		r.Proof = p.proof()
	} else {
		p.line()
	}
	if len(p.lines) != 1 || p.lines[0] != "" { // the text ends with a newline
		p.failed = true
	}
	return r
}

func (p *parser) proof() *Proof {
	var proof Proof
	if p.line() != wordCheckpoint {
		p.failed = true
	}
	proof.Checkpoint = p.quoted()
	p.field(wordPath)
	proof.Deletion = p.hashes()
	p.field(wordPath)
	proof.Destruction = p.hashes()
	if p.at(wordConsistency) {
		if proof.Older = p.number(p.field(wordConsistency)); proof.Older == 0 {
			p.failed = true
		}
		proof.Consistency = p.hashes()
	}
	return &proof
}

func (p *parser) line() string {
	if p.failed || len(p.lines) == 0 {
		p.failed = true
		return ""
	}
	line := p.lines[0]
	p.lines = p.lines[1:]
	return line
}

// at says whether the next line begins with a word.
func (p *parser) at(word string) bool {
	if p.failed || len(p.lines) == 0 {
		return false
	}
	first, _, _ := strings.Cut(p.lines[0], " ")
	return first == word
}

// field returns what follows the word that the next line begins with.
func (p *parser) field(word string) string {
	value, ok := strings.CutPrefix(p.line(), word+" ")
	if !ok {
		p.failed = true
	}
	return value
}

// term is a name out of a closed set, which may grow. A verdict repeats it, so it is no
// place for sentences, nor for what a terminal obeys.
func (p *parser) term(s string) string {
	if s == "" || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
		p.failed = true
	}
	return s
}

func (p *parser) time(word string) time.Time {
	t, err := time.Parse(timeLayout, p.field(word))
	if err != nil {
		p.failed = true
	}
	return t
}

func (p *parser) image() id.Image {
	img, ok := id.ParseImage(p.field(wordImage))
	if !ok {
		p.failed = true
	}
	return img
}

func (p *parser) number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		p.failed = true
	}
	return n
}

func (p *parser) fact() Fact {
	seq, body, _ := strings.Cut(p.field(wordFact), " ")
	return Fact{Seq: p.number(seq), Body: body}
}

// quoted returns the quoted lines that come next.
func (p *parser) quoted() string {
	var b strings.Builder
	for !p.failed && len(p.lines) > 0 && strings.HasPrefix(p.lines[0], quoted) {
		b.WriteString(p.line()[len(quoted):] + "\n")
	}
	return b.String()
}

func (p *parser) hashes() (all []merkle.Hash) {
	for line := range strings.Lines(p.quoted()) {
		h, err := tlog.ParseHash(strings.TrimSuffix(line, "\n"))
		if err != nil {
			p.failed = true
			return nil
		}
		all = append(all, h)
	}
	return all
}
