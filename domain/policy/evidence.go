package policy

import "time"

// Evidence is what is known about one promise at one moment. What is nil or empty is not known.
type Evidence struct {
	Now      time.Time
	Operator Operator
	Read     time.Time // when the rest was read
	Trouble  string    // why what was read cannot be relied on, in a sentence; empty if it can
	Figure   *Figure   // the promise's
	Checks   []Checked // the newest result of each check that backs the promise
	Signed   *Signed   // the statement that somebody signed; nil once it is withdrawn
	Audit    *Audited  // the newest
}

// Checked is what a scheduled check found the last time.
type Checked struct {
	Name   string
	At     time.Time
	Passed bool
	Looked int64 // at how many things
	Found  int64 // how many of them are wrong
	Code   string
	Words  string // what the code means
}

// Signed is a statement of what only people can know.
type Signed struct {
	At, Until time.Time
	Current   bool // the words that were signed are those of today
}

// Audited is what the sentinel found the last time. Findings are those about one promise.
type Audited struct {
	At       time.Time
	Whole    bool // it could list everything
	Findings []Finding
}

// Finding is one kind of thing that should not be.
type Finding struct {
	Code   string
	Words  string // what the code means
	Count  int64
	Breaks bool // the promise; otherwise it endangers it
}

// How old evidence may be: more than the schedules leave between two. Checks run with every audit; what
// one found is on record once it is new, or an hour old.
const (
	FigureHolds = time.Minute
	CheckHolds  = 90 * time.Minute
	AuditHolds  = 30 * time.Minute
	// SignSoon is how long before its end a statement has to be signed again.
	SignSoon = 30 * 24 * time.Hour
	// skew is how far in the future a time may lie: two machines' clocks.
	skew = time.Minute
)

// stale says whether something from a time is too old, or from no time that can have been.
func (e Evidence) stale(at time.Time, holds time.Duration) bool {
	age := e.Now.Sub(at)
	return age > holds || age < -skew
}
