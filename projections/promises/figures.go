package promises

import (
	"time"

	"github.com/bgremover/bgremover/domain/policy"
)

// figures lists every figure there is, in the order of promises.yaml. The names are permanent:
// promises.yaml names them, and so do the page and its JSON.
var figures = []struct {
	name string
	of   func(State, Outside) policy.Figure
}{
	// of_photos.go
	{"image.deleted_in_time", deletedInTime},
	{"image.download_to_deletion", downloadToDeletion},
	{"image.training_permits", trainingPermits},
	{"image.views", imageViews},
	{"image.reads_by_purpose", readsByPurpose},
	{"image.keys_destroyed", keysDestroyed},
	{"model.passports", modelPassports},
	{"upload.without_account", withoutAccount},
	// of_data.go
	{"usage.smallest_group", smallestGroup},
	{"usage.oldest_hour", oldestHour},
	{"tech.uses_by_purpose", usesByPurpose},
	{"tech.oldest_day", oldestVisit},
	{"apilog.oldest_day", oldestRequest},
	{"abuse.held_up", heldUp},
	{"sharing.never_permits", neverPermits},
	{"sharing.disclosures", disclosuresMade},
	{"sharing.processors", processorsReviewed},
	{"transfer.without_safeguard", transfersMade},
	{"basis.purposes", purposesByBasis},
	// of_operation.go
	{"secure.audits", auditsDone},
	{"staff.reads", staffReads},
}

// Names lists the figures: a promise may name no other.
func Names() []string {
	names := make([]string, 0, len(figures))
	for _, f := range figures {
		names = append(names, f.name)
	}
	return names
}

// Outside is what figures show that does not follow from this view: other views and tables, as they
// are at the same moment. What is nil could not be read.
type Outside struct {
	Usage     *Usage
	Requests  *Rows          // the log of the API's requests
	Purposes  map[string]int // how many purposes of processing rest on each basis; "" for those without
	Providers *Providers
}

// Providers are those who work for the operator now, by what the rule about transfers says of each now.
type Providers struct {
	Allowed, Denied int64
	Overdue         int64 // of them: their contracts have to be reviewed again
}

// Usage is what everybody is shown about use.
type Usage struct {
	Rows
	Smallest int64 // the smallest group that is shown; 0 if none is
	Limit    int64 // what no group may be smaller than
}

// Rows are what is kept of something with a period.
type Rows struct {
	Oldest time.Time // when the oldest of them began; zero if there is none
}

// Figures reads all of them.
func (s State) Figures(o Outside) map[string]policy.Figure {
	all := make(map[string]policy.Figure, len(figures))
	for _, f := range figures {
		read := f.of(s, o)
		read.Name, read.At, read.Seq = f.name, s.At, s.Seq
		all[f.name] = read
	}
	return all
}

// Units of values.
const (
	photos       = "photos"
	milliseconds = "ms"
	seconds      = "s"
	minutes      = "min"
	days         = "days"
	percent      = "%"
)

// exact is a number that anybody may see: of what must not be, or of what the service itself does.
func exact(label string, n int64, unit string) policy.Value {
	return policy.Value{Label: label, Number: n, Unit: unit}
}

// people is a count of what people did, rounded so that nobody can be told from it.
func people(label string, n int64, unit string) policy.Value { return policy.Rounded(label, n, unit) }

// says makes a figure.
func says(standing policy.Standing, why string, values ...policy.Value) policy.Figure {
	return policy.Figure{Standing: standing, Why: why, Values: values}
}

// unread is a figure that could not be read.
func unread() policy.Figure {
	return says(policy.NotEstablished, "Its figure cannot be read right now.")
}

// age is how long ago something was, in whole days.
func (s State) age(of time.Time) int64 { return int64(s.At.Sub(of) / (24 * time.Hour)) }
