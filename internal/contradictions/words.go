package contradictions

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/bgremover/bgremover/domain/policy"
)

// finding collects what one check finds.
type finding struct {
	Practice
	*data
	said, unstated []string
}

// add says that two sides contradict each other.
func (f *finding) add(format string, args ...any) {
	f.said = append(f.said, fmt.Sprintf(format, args...))
}

// lacks says what one side does not say at all, because the operator has not.
func (f *finding) lacks(format string, args ...any) {
	f.unstated = append(f.unstated, fmt.Sprintf(format, args...))
}

// needs holds that a check has something to look at: what is not there agrees with nothing.
func (f *finding) needs(n int, what string) {
	if n == 0 {
		f.add("The data knows no %s, so that there is nothing to compare with.", what)
	}
}

// sentences returns what the text and the catalogue say of a promise, in their words.
func (f *finding) sentences(id policy.ID) (all []string) {
	if promise, ok := f.Promises.Promise(id); ok {
		all = append(all, promise.Text)
	}
	for _, s := range f.Text.Sentences() {
		for _, named := range s.Promises {
			if named == id {
				all = append(all, s.String())
			}
		}
	}
	return all
}

// mentions says whether any of the sentences has one of the words, in whichever case.
func mentions(sentences []string, words ...string) bool {
	for _, s := range sentences {
		for _, word := range words {
			if strings.Contains(strings.ToLower(s), word) {
				return true
			}
		}
	}
	return false
}

// lasting is a period as the data files write it.
type lasting struct {
	Years   int `json:"years"`
	Days    int `json:"days"`
	Seconds int `json:"seconds"`
}

const hoursOfYear = 365 * 24

// hours puts periods in order. A month is the twelfth part of a year, and a year 365 days: what
// people read as "12 months" and "a year" is one period.
func (l lasting) hours() float64 {
	return float64(l.Years*hoursOfYear+l.Days*24) + float64(l.Seconds)/3600
}

// stated is a period in a sentence.
type stated struct {
	words string // "30 days"
	hours float64
}

var inSentence = regexp.MustCompile(`\b([0-9]{1,4}) (hour|day|month|year)s?\b`)

// periods finds the periods in a sentence. Business days are none: what counts them is a calendar.
func periods(sentence string) (all []stated) {
	units := map[string]float64{"hour": 1, "day": 24, "month": hoursOfYear / 12.0, "year": hoursOfYear}
	for _, m := range inSentence.FindAllStringSubmatch(sentence, -1) {
		n, _ := strconv.Atoi(m[1])
		all = append(all, stated{m[0], float64(n) * units[m[2]]})
	}
	return all
}

// longest returns the longest period in sentences; ok is false if there is none.
func longest(sentences []string) (found stated, ok bool) {
	for _, s := range sentences {
		for _, one := range periods(s) {
			if !ok || one.hours > found.hours {
				found, ok = one, true
			}
		}
	}
	return found, ok
}

// String writes a period as people do.
func (l lasting) String() string {
	var parts []string
	for _, part := range []struct {
		n    int
		unit string
	}{{l.Years, "year"}, {l.Days, "day"}, {l.Seconds / 3600, "hour"}, {l.Seconds % 3600, "second"}} {
		switch {
		case part.n == 1:
			parts = append(parts, "1 "+part.unit)
		case part.n > 0:
			parts = append(parts, fmt.Sprintf("%d %ss", part.n, part.unit))
		}
	}
	if len(parts) == 0 {
		return "no time"
	}
	return strings.Join(parts, " and ")
}
