package register

import (
	"fmt"
	"io"
	"strings"
	"time"

	"codeberg.org/go-pdf/fpdf"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"

	"github.com/bgremover/bgremover/domain/policy"
)

// Millimetres and points of the page.
const (
	margin    = 18
	labelWide = 42
	lineHigh  = 5
	small     = 9
)

// PDF writes the register as a document. The same register gives the same bytes. The whole one
// has what [CSV] has.
func PDF(w io.Writer, r policy.Register, now time.Time, whole bool) error {
	d := document{fpdf.New("P", "mm", "A4", "")}
	d.start(r)
	d.heading(15, "Register of processing activities")
	d.pair("By", "GDPR article 30(1)")
	d.pair("Controller", stated(r.Operator.Name))
	d.pair("Address", stated(r.Operator.Address))
	d.pair("Contact", stated(r.Operator.Contact))
	d.pair("Servers", stated(r.Operator.Region))
	d.pair("Policy revision", fmt.Sprint(r.Revision))
	for _, a := range r.Activities {
		d.activity(a, whole)
	}
	d.heading(13, "Who works for the controller (GDPR article 28)")
	for _, p := range r.Processors {
		d.processor(p, now)
	}
	return d.Output(w)
}

type document struct{ *fpdf.Fpdf }

func (d document) start(r policy.Register) {
	d.SetCatalogSort(true)
	d.SetCreationDate(time.Unix(0, 0).UTC())
	d.SetModificationDate(time.Unix(0, 0).UTC())
	d.SetProducer("bgremover", true)
	d.SetTitle(fmt.Sprintf("Register of processing activities, revision %d", r.Revision), true)
	d.SetLang("en")
	d.AddUTF8FontFromBytes("go", "", goregular.TTF)
	d.AddUTF8FontFromBytes("go", "B", gobold.TTF)
	d.SetMargins(margin, margin, margin)
	d.SetAutoPageBreak(true, margin)
	d.SetFooterFunc(func() {
		d.SetY(-margin + 4)
		d.SetFont("go", "", small-1)
		d.CellFormat(0, lineHigh, fmt.Sprintf("Page %d", d.PageNo()), "", 0, "R", false, 0, "")
	})
	d.AddPage()
}

func (d document) heading(size float64, text string) {
	d.Ln(lineHigh)
	d.SetFont("go", "B", size)
	d.MultiCell(0, size/2, text, "", "L", false)
	d.Ln(1)
}

// pair writes a name and what stands for it, which may take several lines.
func (d document) pair(name, text string) {
	d.SetFont("go", "B", small)
	d.CellFormat(labelWide, lineHigh, name, "", 0, "L", false, 0, "")
	d.SetFont("go", "", small)
	d.MultiCell(0, lineHigh, printable(text), "", "L", false)
}

func (d document) activity(a policy.Activity, whole bool) {
	title := a.Title
	if !a.InUse {
		title += " (not in this release)"
	}
	d.heading(11, title)
	d.pair("Legal basis", basis(a))
	d.pair("People", list(a.People))
	d.pair("Data", list(a.Data))
	d.pair("Recipients", list(a.Recipients))
	d.pair("Transfers", transfers(a))
	d.pair("Erased", strings.Join(each(a.Erasures, erased), "\n"))
	d.pair("Security measures", strings.Join(each(a.Measures, func(m policy.Measure) string { return m.Text }), "\n"))
	d.pair("Source", a.Source)
	if !whole {
		return
	}
	for _, e := range a.Erasures {
		d.pair(e.Kind, fmt.Sprintf("deleted by %s; copies: %s; kept by law: %s; %s", e.Executor, strings.Join(e.Copies, ", "), orNone(strings.Join(e.LegalMin, ", ")), e.Source))
	}
}

func (d document) processor(p policy.Processor, now time.Time) {
	d.heading(11, spaced(p.Category))
	d.pair("What for", p.Why)
	d.pair("Gets", list(p.Gets))
	if p.Provider == nil {
		d.pair("Provider", "nobody is named")
	} else {
		one := p.Provider
		d.pair("Provider", one.Name+", "+one.Country)
		d.pair("Contract", one.Contract)
		review := fmt.Sprintf("reviewed on %s, next by %s", one.Reviewed.Format(time.DateOnly), one.Until.Format(time.DateOnly))
		if !one.InDate(now) {
			review += ": overdue"
		}
		d.pair("Review", review)
		d.pair("Safeguard", one.Safeguard.String())
	}
	d.pair("Source", p.Source)
}

func stated(s string) string {
	if s == "" {
		return "not stated by the operator"
	}
	return s
}

// printable replaces what lies beyond the plane of letters that the format's fonts reach.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r > 0xffff {
			return '\ufffd'
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}
