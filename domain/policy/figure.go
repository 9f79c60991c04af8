package policy

import "time"

// Figure is one reading of a live query over the record.
type Figure struct {
	Name     string // "image.deleted_in_time"
	At       time.Time
	Seq      int64 // the reading rests on the record up to this fact
	Values   []Value
	Standing Standing // what the figure says by itself
	Why      string   // that, in a sentence for everybody
	Audited  bool     // it says little unless the sentinel has looked lately
}

// Value is one number of a figure.
type Value struct {
	Label  string // "deleted in time, last 30 days"
	Number int64
	Unit   string // "photos"; empty for a plain count
	// AtLeast says that Number is rounded down, so that no single person can be told from it.
	AtLeast bool
}

// Step is what counts of people's doings are rounded down to: fewer than five may tell of one
// (promise usage.anonymous), and so may the difference of two exact counts.
const Step = 5

// Rounded is a count of people's doings that everybody may see.
func Rounded(label string, n int64, unit string) Value {
	return Value{Label: label, Number: n - n%Step, Unit: unit, AtLeast: n%Step != 0}
}

// Few says that the value stands for more than none and fewer than [Step].
func (v Value) Few() bool { return v.AtLeast && v.Number == 0 }
