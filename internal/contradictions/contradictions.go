// Package contradictions compares what the service says with what it does: the published text and the
// promises with the rules' data and the configuration. Each check has a name that never
// changes, says what it compares, and finds contradictions in plain words.
//
// Read it in this order: contradictions.go (a check, and running all of them), law.go (where the
// published policy is stricter than the law, unclear, or would contradict itself), practice.go (whether
// periods, keys, grants and settings are what is promised), words.go (periods and words in sentences),
// data.go (the data files as the checks read them).
//
// It is pure: no clock, no network, no record. It does not look at whether a promise is kept,
// which is for evidence to say, and it never passes over data that it cannot read: that is an error.
package contradictions

import (
	"time"

	"github.com/bgremover/bgremover/domain/policy"
)

// Practice is what is compared.
type Practice struct {
	Text     policy.Text // in force
	Promises policy.Catalogue
	Data     map[string]any // what the data files of the rules in force hold, as JSON has it
	Operator policy.Operator
	Period   time.Duration // after which a photo is deleted at the latest, as it is configured
	Today    time.Time
}

// Check is one comparison.
type Check struct {
	ID       string   // permanent: "breach.two-clocks"
	Title    string   // the question that it asks
	Compares []string // files and settings
	find     func(*finding)
}

// Result is what a check found.
type Result struct {
	Check
	Findings []string // contradictions, in sentences for everybody; none if the two sides agree
	Unstated []string // what the operator has still to state, in sentences: nothing contradicts it yet
}

// Open says whether there is a contradiction.
func (r Result) Open() bool { return len(r.Findings) > 0 }

// Checks lists all there are, in the order in which they are shown.
func Checks() []Check { return append(law(), practice()...) }

// Find runs every check. It fails only when the data is not what the checks read.
func Find(p Practice) ([]Result, error) {
	data, err := readData(p.Data)
	if err != nil {
		return nil, err
	}
	results := make([]Result, 0, len(Checks()))
	for _, check := range Checks() {
		f := finding{Practice: p, data: data}
		check.find(&f)
		results = append(results, Result{Check: check, Findings: f.said, Unstated: f.unstated})
	}
	return results, nil
}

// Open counts the checks that found a contradiction.
func Open(results []Result) (n int) {
	for _, r := range results {
		if r.Open() {
			n++
		}
	}
	return n
}
