package public

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/adapters/web/page"
	"github.com/bgremover/bgremover/domain/policy"
)

var processingPage = page.Must(reports, "processing.html")

// Processing shows the register of processing, as the rules in force and the operator have it.
type Processing struct {
	Register func() (policy.Register, error)
	Now      func() time.Time
	// CSV and PDF write it; the whole one is for officers.
	CSV        func(w io.Writer, r policy.Register, whole bool) error
	PDF        func(w io.Writer, r policy.Register, now time.Time, whole bool) error
	Processors func(w io.Writer, r policy.Register, now time.Time) error // as CSV
}

// registerPage is what the page shows.
type registerPage struct {
	policy.Register
	Now           time.Time
	Current, Then []policy.Activity // of this release, and of what is not in it yet
}

// Page serves GET /processing.
func (p Processing) Page() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		register, err := p.Register()
		if err != nil {
			answer.Fail(w, r, err)
			return
		}
		shown := registerPage{Register: register, Now: p.Now()}
		for _, a := range register.Activities {
			if a.InUse {
				shown.Current = append(shown.Current, a)
			} else {
				shown.Then = append(shown.Then, a)
			}
		}
		processingPage.Show(w, r, http.StatusOK, shown)
	}
}

// AsCSV serves the register as CSV.
func (p Processing) AsCSV(whole bool) http.HandlerFunc {
	return p.file("text/csv; charset=utf-8; header=present", "processing.csv", func(w io.Writer, r policy.Register) error { return p.CSV(w, r, whole) })
}

// AsPDF serves the register as PDF.
func (p Processing) AsPDF(whole bool) http.HandlerFunc {
	return p.file("application/pdf", "processing.pdf", func(w io.Writer, r policy.Register) error { return p.PDF(w, r, p.Now(), whole) })
}

// ProcessorsCSV serves those who work for the operator.
func (p Processing) ProcessorsCSV() http.HandlerFunc {
	return p.file("text/csv; charset=utf-8; header=present", "processors.csv", func(w io.Writer, r policy.Register) error { return p.Processors(w, r, p.Now()) })
}

// written is a file as it was written last. Writing a PDF takes some 20 ms and 15 MB, which strangers can ask
// for as often as they like.
type written struct {
	mu       sync.Mutex
	revision int64
	day      string // on which the next review of a contract can become overdue
	content  []byte
}

// of returns the file of a revision on a day, and has one caller at a time write it.
func (f *written) of(revision int64, now time.Time, write func(io.Writer) error) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	day := now.UTC().Format(time.DateOnly)
	if f.content != nil && f.revision == revision && f.day == day {
		return f.content, nil
	}
	var content bytes.Buffer
	if err := write(&content); err != nil {
		return nil, err
	}
	f.revision, f.day, f.content = revision, day, content.Bytes()
	return f.content, nil
}

// file serves what write writes, whole or not at all.
func (p Processing) file(kind, name string, write func(io.Writer, policy.Register) error) http.HandlerFunc {
	var last written
	return func(w http.ResponseWriter, r *http.Request) {
		var content []byte
		register, err := p.Register()
		if err == nil {
			content, err = last.of(register.Revision, p.Now(), func(out io.Writer) error { return write(out, register) })
		}
		if err != nil {
			answer.Fail(w, r, err)
			return
		}
		h := w.Header()
		h.Set("Content-Type", kind)
		h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
		h.Set("Content-Length", strconv.Itoa(len(content)))
		h.Set("Cache-Control", "no-store")
		_, _ = w.Write(content) // the client may be gone
	}
}
