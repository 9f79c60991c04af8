package public

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bgremover/bgremover/domain/policy"
)

// promises is what the page shows.
type promises struct {
	Version  int
	Counts   counts
	Read     time.Time // zero if nothing could be read
	Through  int64
	Trouble  string
	Urgent   []promise // broken, then at risk
	Sections []promiseSection
	Rules    []rule // each once, by name
	Facts    []fact
}

// promiseSection holds the promises that a part of the text is the first to make.
type promiseSection struct {
	ID, Title string
	Promises  []promise
}

type promise struct {
	policy.Promise
	standing
	Why       []string
	Section   string
	Sentences []string
	Reading   *policy.Figure // of its figure; nil where there is none
	Evidence  policy.Evidence
	Verify    []link
}

type link struct{ Path, Text string }

type rule struct{ Name, Text string }

type fact struct {
	Name   string
	Fields Fact
}

// PromisesPage serves GET /promises.
func (p Policy) PromisesPage() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		promisesPage.Show(w, r, http.StatusOK, p.promises(r.Context()))
	}
}

// promises lays them out in the order in which the text makes them.
func (p Policy) promises(ctx context.Context) promises {
	text, stand := p.current(), p.stand(ctx)
	sentences := map[policy.ID][]string{}
	for _, s := range text.Sentences() {
		for _, id := range s.Promises {
			sentences[id] = append(sentences[id], p.words(s))
		}
	}
	shown := promises{Version: text.Version, Counts: stand.counts(p.Promises), Read: stand.Read, Through: stand.Through, Trouble: stand.Trouble}
	for i, s := range text.Sections {
		part := promiseSection{ID: s.ID, Title: s.Title}
		if s.ID == "" {
			part.ID, part.Title = "opening", "How it begins"
		}
		for _, id := range text.Promised(i) {
			one, _ := p.Promises.Promise(id)
			laid := promise{
				Promise: one, standing: stand.standing(one), Why: stand.of[id].Why, Section: part.Title, Sentences: sentences[id],
				Evidence: stand.Of[id], Verify: verifying(one),
			}
			if one.Figure != "" {
				laid.Reading = laid.Evidence.Figure
			}
			part.Promises = append(part.Promises, laid)
		}
		if len(part.Promises) > 0 {
			shown.Sections = append(shown.Sections, part)
		}
	}
	for _, urgent := range []standing{broken, atRisk} {
		for _, s := range shown.Sections {
			for _, one := range s.Promises {
				if one.standing == urgent {
					shown.Urgent = append(shown.Urgent, one)
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Rules)) {
		shown.Rules = append(shown.Rules, rule{name, p.Rules[name]})
	}
	for _, name := range slices.Sorted(maps.Keys(p.Facts)) {
		shown.Facts = append(shown.Facts, fact{name, p.Facts[name]})
	}
	return shown
}

// verifying says where somebody who trusts nothing here can look for themselves.
func verifying(p policy.Promise) (all []link) {
	if slices.ContainsFunc(p.Facts, func(fact string) bool { return strings.HasPrefix(fact, "image.") || strings.HasPrefix(fact, "vault.") }) {
		all = append(all, link{"/verify", "Check the receipt of a photo of yours"})
	}
	if len(p.Facts) > 0 {
		all = append(all, link{"/log/checkpoint", "The signed head of the record"})
	}
	if p.Where != "" {
		all = append(all, link{p.Where, "See it for yourself"})
	}
	return all
}

// Shown says a value in words.
func shownValue(v policy.Value) string {
	unit := v.Unit
	exactly := !v.AtLeast
	if exactly && v.Number == 1 {
		if one, ok := singular[unit]; ok {
			unit = one
		}
	}
	number := grouped(v.Number)
	if unit == "min" && v.Number >= 60 {
		number, unit = grouped(v.Number/60)+" h "+strconv.FormatInt(v.Number%60, 10), "min"
	}
	switch {
	case v.Few():
		number = "fewer than " + strconv.Itoa(policy.Step)
	case v.AtLeast:
		number += " or more"
	}
	switch unit {
	case "":
		return number
	case "%":
		return number + " %"
	}
	return number + " " + unit
}

var singular = map[string]string{"photos": "photo", "times": "time", "days": "day", "days ago": "day ago"}

// grouped writes a number with its digits in groups of three.
func grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "−", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "\u00a0" + digits[i:]
	}
	return sign + digits
}

// Values are the figure's, for the page.
func (p promise) Values() (all []struct{ Label, Value string }) {
	if p.Reading == nil {
		return nil
	}
	for _, v := range p.Reading.Values {
		all = append(all, struct{ Label, Value string }{v.Label, shownValue(v)})
	}
	return all
}
