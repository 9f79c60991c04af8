package policy

import (
	"slices"
	"strings"
	"time"
)

// Text is one version of the published policy.
type Text struct {
	Version  int       // 1, 2, 3 …
	Date     time.Time // of this revision: a day, UTC
	Changed  string    // what is different from the version before, in a sentence
	Title    string
	Sections []Section
}

// Section is a part of the text under a heading. What stands before the first heading is
// a section without a title.
type Section struct {
	ID     string // "how-long-we-keep-it", for links
	Title  string
	Blocks []Block
}

// Block is a paragraph, or a list of points.
type Block struct {
	Points bool
	Items  [][]Sentence // a paragraph has one
}

// Sentence is what promises back.
type Sentence struct {
	Runs     []Run
	Promises []ID // at least one
	Line     int  // in its file, from 1 on
}

// Run is a piece of a sentence. At most one of Strong, Link and Blank is set.
type Run struct {
	Text   string
	Strong bool
	Link   string // a path of this site
	Blank  Blank  // filled by the operator; Text is empty
}

// String returns the sentence in plain letters; blanks stand in braces.
func (s Sentence) String() string {
	var b strings.Builder
	for _, r := range s.Runs {
		b.WriteString(r.Text)
		if r.Blank != "" {
			b.WriteString("{" + string(r.Blank) + "}")
		}
	}
	return b.String()
}

// Sentences returns all of them in order.
func (t Text) Sentences() (all []Sentence) {
	for _, section := range t.Sections {
		all = append(all, section.Sentences()...)
	}
	return all
}

// Sentences returns those of the section in order.
func (s Section) Sentences() (all []Sentence) {
	for _, block := range s.Blocks {
		for _, item := range block.Items {
			all = append(all, item...)
		}
	}
	return all
}

// Promised lists the promises of a section that no section before it names, in order.
func (t Text) Promised(section int) (ids []ID) {
	var before []ID
	for i, s := range t.Sections[:section+1] {
		for _, sentence := range s.Sentences() {
			for _, id := range sentence.Promises {
				if i == section && !slices.Contains(before, id) {
					ids = append(ids, id)
				}
				before = append(before, id)
			}
		}
	}
	return ids
}
