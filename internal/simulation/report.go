package simulation

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// examplesEach is how many facts a report names for each kind of difference of a rule.
const examplesEach = 5

// Compared and Limits stand in every report: what is meant by the same, and what no report can say.
const (
	Compared = "Under its own revision, each decision must come out byte for byte as it is recorded: rule, promises, outcome and input; and for the facts image.uploaded and image.deletion_due_changed, the time that the rule answers must be the one that the fact holds. Under the candidate, a decision is the same if the rule's whole answer is."
	Limits   = "This is per decision: what would have happened after another answer is not imagined. Erased, unrecorded and excluded decisions, and those without a stored bundle, are never counted as the same."
)

// Report says what a candidate would have decided. The same record, range and candidate make the same report.
type Report struct {
	Revision int64  `json:"revision"` // of the candidate
	Bundle   string `json:"bundle"`   // the candidate's digest
	From     int64  `json:"from"`
	To       int64  `json:"to"` // the last fact that was looked at
	Facts    int64  `json:"facts"`

	Total    Counts     `json:"total"`
	Rules    []Rule     `json:"rules"`    // by name
	Excluded []Excluded `json:"excluded"` // by rule

	Compared string `json:"compared"`
	Limits   string `json:"limits"`
}

// Counts are numbers of decisions. Same and the following five add up to all that the record holds with their questions.
type Counts struct {
	Same          int64 `json:"same"`
	Different     int64 `json:"different"`
	Erased        int64 `json:"erased"`         // the question is gone
	Unrecorded    int64 `json:"unrecorded"`     // the candidate reads what was not recorded
	WithoutBundle int64 `json:"without_bundle"` // the record does not hold the bundle of its revision
}

// Rule is what is different about a rule's decisions.
type Rule struct {
	Rule string `json:"rule"`
	Counts
	NowAllowed int64  `json:"now_allowed"`
	NowDenied  int64  `json:"now_denied"`
	Other      int64  `json:"other"`     // the same outcome, another answer
	Undecided  int64  `json:"undecided"` // of the different: the candidate decides nothing, and so denies
	Why        string `json:"why"`       // of the first of those

	// Of times that both name.
	Longer    int64 `json:"longer"`
	Shorter   int64 `json:"shorter"`
	LongestS  int64 `json:"longest_s"`  // the largest difference, in seconds
	ShortestS int64 `json:"shortest_s"` // the same downwards, negative
	// Of rules whose yes deletes: a no keeps something for longer, by a time that nobody knows.
	KeptLonger     int64 `json:"kept_longer"`
	DeletedEarlier int64 `json:"deleted_earlier"`

	Unread   []string  `json:"unread"` // members of the input that the candidate reads and the record lacks
	Examples []Example `json:"examples"`
}

// Example names a fact by its place in the record; it holds nothing of what was asked.
type Example struct {
	Seq    int64  `json:"seq"`
	What   string `json:"what"` // now allowed, now denied, longer, shorter, other, unrecorded, erased, without bundle
	ShiftS int64  `json:"shift_s"`
}

// Excluded counts decisions that were not looked at.
type Excluded struct {
	Rule  string `json:"rule"`
	Reads int64  `json:"reads"` // counted only
	More  int64  `json:"more"`  // refused, and counted without their questions
}

// Canonical returns the report's one form, by RFC 8785: it holds only texts of printable ASCII, whole numbers,
// lists and objects.
func (r Report) Canonical() ([]byte, error) {
	plain, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	var members any
	read := json.NewDecoder(bytes.NewReader(plain))
	read.UseNumber()
	if err := read.Decode(&members); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	write := json.NewEncoder(&out)
	write.SetEscapeHTML(false)
	if err := write.Encode(members); err != nil { // maps are written in the order of their names
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// Digest is the SHA-256 of the canonical form, in hexadecimal.
func (r Report) Digest() (string, error) {
	canonical, err := r.Canonical()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:]), nil
}

// tally makes a report, decision by decision.
type tally struct {
	report   Report
	rules    map[string]*Rule
	excluded map[string]*Excluded
}

func newTally(c Config) *tally {
	return &tally{
		report: Report{Revision: c.Revision, Bundle: c.Digest, From: c.From, To: c.To, Compared: Compared, Limits: Limits},
		rules:  map[string]*Rule{}, excluded: map[string]*Excluded{},
	}
}

func (t *tally) rule(name string) *Rule {
	r := t.rules[name]
	if r == nil {
		r = &Rule{Rule: name, Unread: []string{}, Examples: []Example{}}
		t.rules[name] = r
	}
	return r
}

func (t *tally) leaveOut(e excluded) {
	one := t.excluded[e.rule]
	if one == nil {
		one = &Excluded{Rule: e.rule}
		t.excluded[e.rule] = one
	}
	one.Reads += e.reads
	one.More += e.more
}

func (t *tally) erased(a asked) {
	r := t.rule(a.decision.Rule)
	r.Erased += a.count
	r.show(a.seq, "erased", 0)
}

func (t *tally) withoutBundle(a asked) {
	r := t.rule(a.decision.Rule)
	r.WithoutBundle += a.count
	r.show(a.seq, "without bundle", 0)
}

// judged counts a decision that both bundles were asked for.
func (t *tally) judged(a asked, v *verdict) {
	r := t.rule(a.decision.Rule)
	switch {
	case len(v.unrecorded) > 0:
		r.Unrecorded += a.count
		for _, name := range v.unrecorded {
			if !slices.Contains(r.Unread, name) {
				r.Unread = append(r.Unread, name)
			}
		}
		r.show(a.seq, "unrecorded", 0)
	case v.same:
		r.Same += a.count
	default:
		r.Different += a.count
		r.differs(a, v)
	}
}

func (r *Rule) differs(a asked, v *verdict) {
	if v.undecided != "" {
		r.Undecided += a.count
		if r.Why == "" {
			r.Why = printable(v.undecided)
		}
	}
	onDelete := slices.Contains(deletes, r.Rule)
	seconds := int64(v.shift / time.Second)
	switch {
	case v.was == deny && v.is == allow:
		r.NowAllowed += a.count
		if onDelete {
			r.DeletedEarlier += a.count
		}
		r.show(a.seq, "now allowed", 0)
	case v.was == allow && v.is == deny:
		r.NowDenied += a.count
		if onDelete {
			r.KeptLonger += a.count
		}
		r.show(a.seq, "now denied", 0)
	case v.moved && v.shift > 0:
		r.Longer += a.count
		r.LongestS = max(r.LongestS, seconds)
		r.show(a.seq, "longer", seconds)
	case v.moved:
		r.Shorter += a.count
		r.ShortestS = min(r.ShortestS, seconds)
		r.show(a.seq, "shorter", seconds)
	default:
		r.Other += a.count
		r.show(a.seq, "other", 0)
	}
}

// show keeps the first examples of each kind.
func (r *Rule) show(seq int64, what string, shift int64) {
	n := 0
	for _, e := range r.Examples {
		if e.What == what {
			n++
			if e.Seq == seq {
				return
			}
		}
	}
	if n < examplesEach {
		r.Examples = append(r.Examples, Example{Seq: seq, What: what, ShiftS: shift})
	}
}

// finish sums up.
func (t *tally) finish() Report {
	out := t.report
	out.Rules, out.Excluded = []Rule{}, []Excluded{}
	for _, r := range t.rules {
		slices.Sort(r.Unread)
		out.Rules = append(out.Rules, *r)
		out.Total.Same += r.Same
		out.Total.Different += r.Different
		out.Total.Erased += r.Erased
		out.Total.Unrecorded += r.Unrecorded
		out.Total.WithoutBundle += r.WithoutBundle
	}
	for _, e := range t.excluded {
		out.Excluded = append(out.Excluded, *e)
	}
	slices.SortFunc(out.Rules, func(a, b Rule) int { return cmp.Compare(a.Rule, b.Rule) })
	slices.SortFunc(out.Excluded, func(a, b Excluded) int { return cmp.Compare(a.Rule, b.Rule) })
	return out
}

// printable cuts a text of the policy engine to what every report can hold.
func printable(s string) string {
	const longest = 200
	s = strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return ' '
		}
		return c
	}, s)
	return s[:min(len(s), longest)]
}
