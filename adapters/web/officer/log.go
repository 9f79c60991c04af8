package officer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/adapters/web/capability"
	"github.com/bgremover/bgremover/adapters/web/page"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/projections/trail"
)

var logPage = page.Must(templates, "base.html", "log.html")

// onPage is how many facts one page of the list shows.
const onPage = 50

// list is what the page of the record shows.
type list struct {
	frame
	Path    string
	Types   []event.Name
	Asked   query
	Form    form
	Problem *refusal.Error // with what was asked; nil if it could be answered
	Rows    []row
	Place   int64 // the last fact that was known then; -1 when all is shown
	Further string
	Start   string // the same list from its beginning; "" when this is it
	All     string // the list of everything
}

// form is the query as the form's fields show it.
type form struct{ From, Before, AsOf, Seq string }

// row is one fact in a list.
type row struct {
	Seq     int64
	At      time.Time
	Type    event.Name
	Subject event.Stream
	Role    event.Role
	Link    string
}

// Log serves the list of facts.
func (p Pages) Log() http.Handler { return p.signedIn(p.log) }

func (p Pages) log(w http.ResponseWriter, r *http.Request, o usecase.Officer) {
	asked, err := readQuery(r.URL.Query())
	shown := list{
		frame: frameOf(o), Path: logPath, Types: p.typesWith(asked.Type), Asked: asked, Form: formOf(asked), Place: -1, All: logPath,
	}
	if err == nil {
		err = p.fill(r.Context(), &shown)
	}
	if refused, ok := refusal.As(err); ok && refused.Kind == refusal.Invalid {
		shown.Problem = refused
		shown.Form.AsOf, shown.Form.Seq = r.URL.Query().Get("as_of"), r.URL.Query().Get("seq") // as it was written, to be mended
		logPage.Show(w, r, http.StatusBadRequest, shown)
		return
	}
	if err != nil {
		answer.Fail(w, r, err)
		return
	}
	logPage.Show(w, r, http.StatusOK, shown)
}

// fill finds the facts that are asked for. A page starts where the one before it ended, so
// that facts which come meanwhile shift nothing.
func (p Pages) fill(ctx context.Context, l *list) error {
	if err := p.caughtUp(ctx); err != nil {
		return err
	}
	q := l.Asked
	filter := trail.Filter{
		Type: q.Type, Subject: q.Subject, From: q.From, To: q.Before, Oldest: q.Oldest,
		Limit: onPage + 1, // one more tells whether that is all
	}
	if q.Oldest {
		filter.After = max(q.Seq-1, 0)
	} else if q.Seq > 0 {
		filter.Before = min(q.Seq, math.MaxInt64-1) + 1
	}
	if !q.AsOf.IsZero() {
		place, err := p.Record.Place(ctx, q.AsOf)
		if err != nil {
			return err
		}
		l.Place = place
		if place == 0 { // nothing was known yet
			return nil
		}
		if filter.Before == 0 || filter.Before > place+1 {
			filter.Before = place + 1
		}
	}
	found, err := p.Record.List(ctx, filter)
	if err != nil {
		return err
	}
	if len(found) > onPage {
		found = found[:onPage]
		next := q
		next.Seq = found[onPage-1].Seq - 1
		if q.Oldest {
			next.Seq += 2
		}
		l.Further = next.link()
	}
	if q.Seq > 0 {
		start := q
		start.Seq = 0
		l.Start = start.link()
	}
	l.Rows, err = p.rows(ctx, found)
	return err
}

// rows adds who acted, which only the facts themselves say.
func (p Pages) rows(ctx context.Context, found []trail.Fact) ([]row, error) {
	if len(found) == 0 {
		return nil, nil
	}
	seqs := make([]int64, len(found))
	for i, f := range found {
		seqs[i] = f.Seq
	}
	whole, err := p.Record.Facts(ctx, seqs...)
	if err != nil {
		return nil, err
	}
	rows := make([]row, len(found))
	for i, f := range found {
		fact, ok := whole[f.Seq]
		if !ok {
			return nil, fmt.Errorf("fact %d is listed and not in the record", f.Seq)
		}
		rows[i] = row{Seq: f.Seq, At: f.At, Type: f.Type, Subject: f.Stream, Role: fact.Actor.Role, Link: factLink(f.Seq)}
	}
	return rows, nil
}

// typesWith lists the types to choose from, with one that a newer release may have written.
func (p Pages) typesWith(asked event.Name) []event.Name {
	if asked == "" || slices.Contains(p.Types, asked) {
		return p.Types
	}
	return append(slices.Clone(p.Types), asked)
}

func formOf(q query) form {
	f := form{From: inForm(q.From), Before: inForm(q.Before), AsOf: asOfInForm(q.AsOf)}
	if q.Seq > 0 {
		f.Seq = strconv.FormatInt(q.Seq, 10)
	}
	return f
}

func factLink(seq int64) string { return logPath + "/" + strconv.FormatInt(seq, 10) }

func subjectLink(s event.Stream) string { return query{Subject: s}.link() }

// patience is how long a page waits for the view to catch up.
const patience = 5 * time.Second

// caughtUp waits for the view, and no longer than a person does.
func (p Pages) caughtUp(ctx context.Context) error { return behind(ctx, p.Record.CaughtUp) }

func behind(ctx context.Context, caughtUp func(context.Context) error) error {
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := caughtUp(waiting)
	if err != nil && errors.Is(waiting.Err(), context.DeadlineExceeded) {
		return capability.ErrBehind
	}
	if err != nil {
		return fmt.Errorf("wait for a view: %w", err)
	}
	return nil
}
