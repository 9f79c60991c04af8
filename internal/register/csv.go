package register

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/bgremover/bgremover/domain/policy"
)

// CSV writes the activities by RFC 4180, one a row. The whole register has also what deletes
// each kind of data, which copies there are and where every entry comes from.
func CSV(w io.Writer, r policy.Register, whole bool) error {
	head := []string{
		"controller", "contact", "revision", "activity", "in this release", "legal basis", "people", "data", "recipients",
		"transfers and safeguards", "erased", "security measures", "source",
	}
	if whole {
		head = append(head, "deleted by", "copies", "kept by law", "sources of the periods", "sources of the measures")
	}
	rows := [][]string{head}
	for _, a := range r.Activities {
		row := []string{
			r.Operator.Name, r.Operator.Contact, strconv.FormatInt(r.Revision, 10), a.Title, yesNo(a.InUse), basis(a), list(a.People), list(a.Data),
			list(a.Recipients), transfers(a), list(each(a.Erasures, erased)), list(each(a.Measures, func(m policy.Measure) string { return m.Text })), a.Source,
		}
		if whole {
			row = append(row,
				list(each(a.Erasures, func(e policy.Erasure) string { return e.Kind + ": " + e.Executor })),
				list(each(a.Erasures, func(e policy.Erasure) string { return e.Kind + ": " + strings.Join(e.Copies, ", ") })),
				list(each(a.Erasures, func(e policy.Erasure) string { return e.Kind + ": " + orNone(strings.Join(e.LegalMin, ", ")) })),
				list(each(a.Erasures, func(e policy.Erasure) string { return e.Kind + ": " + e.Source })),
				list(each(a.Measures, func(m policy.Measure) string { return m.ID + ": " + m.Source })),
			)
		}
		rows = append(rows, row)
	}
	return write(w, rows)
}

// ProcessorsCSV writes those who work for the operator, one a row.
func ProcessorsCSV(w io.Writer, r policy.Register, now time.Time) error {
	rows := [][]string{{
		"controller", "category", "role", "needed in this release", "provider", "country", "gets", "legal basis", "contract",
		"reviewed on", "next review by", "review in date", "safeguard", "source",
	}}
	for _, p := range r.Processors {
		row := []string{r.Operator.Name, p.Category, p.Role, yesNo(p.Needed), "nobody is named", "", list(p.Gets), list(p.Basis), "", "", "", "", "", p.Source}
		if one := p.Provider; one != nil {
			row[4], row[5], row[8], row[12] = one.Name, one.Country, one.Contract, one.Safeguard.String()
			row[9], row[10], row[11] = one.Reviewed.Format(time.DateOnly), one.Until.Format(time.DateOnly), yesNo(one.InDate(now))
		}
		rows = append(rows, row)
	}
	return write(w, rows)
}

// write writes rows so that no program takes a cell for a formula: what begins like one gets an
// apostrophe in front, as spreadsheets show text.
func write(w io.Writer, rows [][]string) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	for _, row := range rows {
		for i, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@\t\r\n|%", rune(cell[0])) {
				row[i] = "'" + cell
			}
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func basis(a policy.Activity) string {
	return a.Basis + " (" + a.BasisSource + ")"
}

// erased says when a kind is gone: "image: 24 hours from image.uploaded".
func erased(e policy.Erasure) string {
	from := e.Starts
	if from == "making" {
		from = "its making"
	}
	return e.Kind + ": " + e.Period + " from " + from
}

func transfers(a policy.Activity) string {
	return orNone(list(each(a.Transfers, func(t policy.Transfer) string { return t.Provider + ", " + t.Country + ": " + t.Safeguard.String() })))
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func list(words []string) string { return strings.Join(words, "; ") }

func each[T any](all []T, text func(T) string) []string {
	words := make([]string, len(all))
	for i, one := range all {
		words[i] = text(one)
	}
	return words
}
