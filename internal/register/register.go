// Package register makes the register of processing activities (GDPR article 30(1)) and the list of
// processors (article 28) out of the policy's data and of what the operator states, and writes
// both as CSV and PDF.
//
// Read it in this order: register.go (from data to entries), csv.go, pdf.go. Nothing of it is typed
// here: a period, a basis, a recipient or a measure that is shown stands in policies/data, and the
// bundle does not load when one of them refers to what is not there.
package register

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bgremover/bgremover/domain/policy"
)

// Data is what the register is made of: the parts of the policy's data that it shows.
type Data struct {
	revision   int64
	processing map[string]activity
	measures   map[string]struct{ Text, Source string }
	processors map[string]struct {
		NamedBy    string `json:"named_by"`
		ReviewDays int    `json:"review_days"`
		Why        string
		Source     string
	}
	recipients  map[string]recipient
	purposes    map[string]struct{}
	categories  map[string]struct{}
	bases       map[string]struct{ Source string }
	periods     map[string]period
	grants      map[string]map[string]map[string]grant // by recipient, purpose and category
	disclosable map[string]struct {
		Fields    map[string]bool
		Approvals int64
	}
}

type recipient struct {
	Role      string
	Never     bool
	Approvals int64
}

type activity struct {
	Title                                     string
	InUse                                     bool `json:"in_use"`
	Basis                                     string
	People, Data                              []string
	Recipients, Kept, Measures, Shares, Reads map[string]bool
	Source                                    string
}

type period struct {
	Starts   string
	Maximum  struct{ Years, Days, Seconds int64 }
	Kept     map[string]struct{ Years, Days int64 }
	Executor string
	Copies   []string
	Source   string
}

type grant struct{ Fields, Bases map[string]bool }

// Load reads the data of a bundle that was checked when it was loaded, as JSON has it.
func Load(revision int64, data map[string]any) (*Data, error) {
	d := &Data{revision: revision}
	for member, into := range map[string]any{
		"processing": &d.processing, "measures": &d.measures, "processors": &d.processors, "recipients": &d.recipients, "purposes": &d.purposes,
		"categories": &d.categories, "bases": &d.bases, "periods": &d.periods, "grants": &d.grants, "disclosable": &d.disclosable,
	} {
		written, err := json.Marshal(data[member])
		if err == nil {
			err = json.Unmarshal(written, into)
		}
		if err != nil {
			return nil, fmt.Errorf("read %s of the policy's data: %w", member, err)
		}
	}
	return d, nil
}

// Words are what a request for data is written down with.
type Words struct {
	Recipients, Categories, Bases, Purposes []string
	Fields                                  map[string][]string // that somebody can be given, by category
}

// Words lists them, with the picture, which is asked for and never given.
func (d *Data) Words() Words {
	w := Words{Recipients: keys(d.recipients), Bases: keys(d.bases), Purposes: keys(d.purposes)}
	fields := map[string]map[string]bool{}
	add := func(category string, all map[string]bool) {
		if fields[category] == nil {
			fields[category] = map[string]bool{}
		}
		maps.Copy(fields[category], all)
	}
	for category, entry := range d.disclosable {
		add(category, entry.Fields)
	}
	for _, purposes := range d.grants {
		for _, categories := range purposes {
			for category, g := range categories {
				add(category, g.Fields)
			}
		}
	}
	w.Fields = map[string][]string{}
	for category, all := range fields {
		w.Fields[category] = keys(all)
	}
	w.Categories = append(append(keys(d.disclosable), keys(d.categories)...), "image")
	slices.Sort(w.Categories)
	w.Categories = slices.Compact(w.Categories)
	return w
}

// Approvals is how many members of staff have to approve before anything of a category goes to a
// recipient; an authority is none that the data has. It is 0 where none have to, and where nothing is ever given.
func (d *Data) Approvals(recipient, category string) int64 {
	switch r, known := d.recipients[recipient]; {
	case !known:
		return d.disclosable[category].Approvals
	case r.Never:
		return 0
	default:
		return r.Approvals
	}
}

// Of makes the register for an operator in a country, and the providers that they named.
func (d *Data) Of(operator policy.Operator, country string, named []policy.Provider) policy.Register {
	r := policy.Register{Revision: d.revision, Operator: operator}
	needed := map[string]bool{}
	for _, id := range keys(d.processing) {
		a := d.processing[id]
		r.Activities = append(r.Activities, d.activity(id, a, country, named))
		for recipient := range a.Recipients {
			needed[recipient] = needed[recipient] || a.InUse
		}
	}
	slices.SortStableFunc(r.Activities, func(a, b policy.Activity) int {
		switch {
		case a.InUse == b.InUse:
			return strings.Compare(a.Title, b.Title)
		case a.InUse:
			return -1
		}
		return 1
	})
	for _, category := range keys(d.processors) {
		entry := d.processors[category]
		gets, basis := d.gets(category)
		p := policy.Processor{
			Category: category, Role: d.recipients[category].Role, Needed: needed[category], Why: entry.Why,
			Gets: gets, Basis: basis, ReviewDays: entry.ReviewDays, Source: entry.Source,
		}
		for _, one := range named {
			if one.Category == category {
				p.Provider = &one
				r.Processors = append(r.Processors, p)
			}
		}
		if p.Provider == nil {
			r.Processors = append(r.Processors, p)
		}
	}
	return r
}

func (d *Data) activity(id string, a activity, country string, named []policy.Provider) policy.Activity {
	shown := policy.Activity{
		ID: id, Title: a.Title, InUse: a.InUse, Basis: spaced(a.Basis), BasisSource: d.bases[a.Basis].Source,
		People: a.People, Data: a.Data, Recipients: spacedAll(keys(a.Recipients)), Source: a.Source,
	}
	for _, one := range named {
		if a.Recipients[one.Category] && one.Country != country {
			shown.Transfers = append(shown.Transfers, policy.Transfer{Provider: one.Name, Country: one.Country, Safeguard: one.Safeguard})
		}
	}
	for _, kind := range keys(a.Kept) {
		p := d.periods[kind]
		shown.Erasures = append(shown.Erasures, policy.Erasure{
			Kind: spaced(kind), Period: p.text(), Starts: p.Starts, Executor: p.Executor, Copies: p.Copies, LegalMin: keys(p.Kept), Source: p.Source,
		})
	}
	for _, one := range keys(a.Measures) {
		shown.Measures = append(shown.Measures, policy.Measure{ID: one, Text: d.measures[one].Text, Source: d.measures[one].Source})
	}
	return shown
}

// spaced writes a word of the data as people write it.
func spaced(word string) string { return strings.ReplaceAll(word, "_", " ") }

func spacedAll(words []string) []string {
	for i := range words {
		words[i] = spaced(words[i])
	}
	return words
}

// gets lists what a recipient is granted, as category: fields, and on which bases.
func (d *Data) gets(recipient string) (fields, bases []string) {
	on := map[string]bool{}
	for _, purpose := range keys(d.grants[recipient]) {
		for _, category := range keys(d.grants[recipient][purpose]) {
			g := d.grants[recipient][purpose][category]
			fields = append(fields, fmt.Sprintf("for %s, %s: %s", purpose, category, strings.Join(keys(g.Fields), ", ")))
			maps.Copy(on, g.Bases)
		}
	}
	return fields, keys(on)
}

// SealedOnly says whether all that a recipient is granted is sealed.
func (d *Data) SealedOnly(recipient string) bool {
	seen := false
	for _, purpose := range d.grants[recipient] {
		for category := range purpose {
			if category != "sealed" {
				return false
			}
			seen = true
		}
	}
	return seen
}

// text is a period in words.
func (p period) text() string {
	m := p.Maximum
	var parts []string
	for _, one := range []struct {
		n    int64
		unit string
	}{{m.Years, "year"}, {m.Days, "day"}, {m.Seconds / 3600, "hour"}, {m.Seconds % 3600, "second"}} {
		switch {
		case one.n == 1:
			parts = append(parts, "1 "+one.unit)
		case one.n > 1:
			parts = append(parts, fmt.Sprintf("%d %ss", one.n, one.unit))
		}
	}
	if len(parts) == 0 {
		return "at once"
	}
	return strings.Join(parts, " and ")
}

func keys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// Processors lists the categories of those who work for the operator.
func (d *Data) Processors() []string { return keys(d.processors) }

// IsProcessor says whether there is such a category.
func (d *Data) IsProcessor(category string) bool {
	_, is := d.processors[category]
	return is
}
