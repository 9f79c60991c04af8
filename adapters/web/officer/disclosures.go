package officer

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/adapters/web/page"
	"github.com/bgremover/bgremover/domain/disclosure"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/projections/disclosures"
	"github.com/bgremover/bgremover/projections/trail"
)

// Desk is where requests for data from outside are handled: what is done there by
// usecase.DisclosureDesk, what is listed from the view of disclosures.
type Desk struct {
	Work     DeskWork
	CaughtUp func(ctx context.Context) error // with the view
	List     func(ctx context.Context) ([]disclosures.Disclosure, error)
	Open     func(ctx context.Context) ([]disclosures.Disclosure, error) // the most urgent first
	Get      func(ctx context.Context, which id.Disclosure) (disclosures.Disclosure, error)
	Choices  func() (Choices, error) // of the rules in force
}

// DeskWork is usecase.DisclosureDesk.
type DeskWork interface {
	Register(ctx context.Context, o usecase.Officer, r usecase.Registration) (id.Disclosure, error)
	Approve(ctx context.Context, o usecase.Officer, which id.Disclosure) error
	Decide(ctx context.Context, o usecase.Officer, which id.Disclosure) error
	Refuse(ctx context.Context, o usecase.Officer, which id.Disclosure) error
	Make(ctx context.Context, o usecase.Officer, which id.Disclosure) ([]byte, error)
	Tell(ctx context.Context, o usecase.Officer, which id.Disclosure) error
	Unreachable(ctx context.Context, o usecase.Officer, which id.Disclosure) error
	Defer(ctx context.Context, o usecase.Officer, which id.Disclosure, until time.Time) error
	Read(ctx context.Context, o usecase.Officer, which id.Disclosure, reason string) (usecase.Unsealed, error)
	Effort(ctx context.Context, which id.Disclosure) (visits int64, err error)
}

// Choices are the words that a request is written down with: those of the rules' data, and what
// only authorities have.
type Choices struct {
	Senders, Categories, Bases, Purposes []string
	Fields                               []CategoryFields                    // that the rules can allow
	Approvals                            func(sender, category string) int64 // how many the rules ask for
}

// CategoryFields are the fields of a kind of data that somebody can be given.
type CategoryFields struct {
	Category string
	Fields   []string
}

const disclosuresPath = "/officer/disclosures"

var (
	disclosuresPage = page.Must(templates, "base.html", "disclosures.html")
	registerPage    = page.Must(templates, "base.html", "disclosure_new.html")
	disclosurePage  = page.Must(templates, "base.html", "disclosure.html")
)

// Disclosures serves the list of requests.
func (p Pages) Disclosures() http.Handler {
	return p.signedIn(func(w http.ResponseWriter, r *http.Request, o usecase.Officer) {
		if err := p.deskCaughtUp(r.Context()); err != nil {
			answer.Fail(w, r, err)
			return
		}
		all, err := p.Desk.List(r.Context())
		if err != nil {
			answer.Fail(w, r, err)
			return
		}
		open, err := p.toDos(r.Context())
		if err != nil {
			answer.Fail(w, r, err)
			return
		}
		disclosuresPage.Show(w, r, http.StatusOK, struct {
			frame
			Path string
			Open []toDo
			All  []listed
			Most int
		}{frameOf(o), disclosuresPath, open, listedOf(all), disclosures.Most})
	})
}

// registration is what the form for a new request shows: what was written, to be mended.
type registration struct {
	frame
	Path    string
	Choices Choices
	Form    url.Values
	Problem *refusal.Error
}

// Value returns what was written into a field.
func (r registration) Value(field string) string { return r.Form.Get(field) }

// NewDisclosure serves the form for a new request.
func (p Pages) NewDisclosure() http.Handler {
	return p.signedIn(func(w http.ResponseWriter, r *http.Request, o usecase.Officer) {
		p.form(w, r, o, url.Values{}, nil)
	})
}

// form shows the form for a new request, with what is wrong with it.
func (p Pages) form(w http.ResponseWriter, r *http.Request, o usecase.Officer, written url.Values, problem *refusal.Error) {
	choices, err := p.Desk.Choices()
	if err != nil {
		answer.Fail(w, r, err)
		return
	}
	status := http.StatusOK
	if problem != nil {
		status = http.StatusBadRequest
	}
	registerPage.Show(w, r, status, registration{frameOf(o), disclosuresPath, choices, written, problem})
}

// Register takes a new request.
func (p Pages) Register() http.Handler {
	return p.signedIn(func(w http.ResponseWriter, r *http.Request, o usecase.Officer) {
		if err := r.ParseForm(); err != nil {
			answer.Fail(w, r, err)
			return
		}
		which, err := p.Desk.Work.Register(r.Context(), o, registrationOf(r.PostForm))
		if refused, ok := refusal.As(err); ok && refused.Kind == refusal.Invalid {
			p.form(w, r, o, r.PostForm, refused)
			return
		}
		if err != nil {
			answer.Fail(w, r, err)
			return
		}
		seeAlso(w, r, which)
	})
}

// registrationOf reads the form.
func registrationOf(f url.Values) usecase.Registration {
	get := func(field string) string { return strings.TrimSpace(f.Get(field)) }
	purpose := get("purpose")
	if get("from") == disclosure.Authority {
		purpose = disclosure.Order
	}
	return usecase.Registration{PublicKey: get("key"), Request: disclosure.Request{
		From: get("from"), Country: get("country"), Category: get("category"), Basis: get("basis"), Purpose: purpose,
		Fields:  strings.FieldsFunc(get("fields"), func(c rune) bool { return c == ',' || c == ' ' }),
		Expires: endOf(get("expires")), Reference: get("reference"), Text: get("text"), Sender: get("sender"),
		Address: get("address"), FirstDay: get("first_day"), LastDay: get("last_day"),
	}}
}

// endOf is when a day is over; zero when it is none.
func endOf(day string) time.Time {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return time.Time{}
	}
	return t.AddDate(0, 0, 1)
}

func disclosureLink(which id.Disclosure) string { return disclosuresPath + "/" + string(which) }

// idOf reads the id in the path. One that is none is the id of no request.
func idOf(r *http.Request) id.Disclosure {
	d, ok := id.ParseDisclosure(r.PathValue("id"))
	if !ok {
		return ""
	}
	return d
}

// seeAlso leads to a request's page.
func seeAlso(w http.ResponseWriter, r *http.Request, d id.Disclosure) {
	http.Redirect(w, r, disclosureLink(d), http.StatusSeeOther) //nolint:gosec // a path of this site, with an id that was parsed or made here
}

// one is what the page of one request shows.
type one struct {
	frame
	Path     string
	Link     string
	Is       disclosures.Disclosure
	Needs    int64 // approvals; 0 when the rules do not ask for any
	Why      []why // it was refused
	Rows     []row
	Subject  string
	Unsealed *unsealed
	Problem  *refusal.Error // with what was just tried
	Outcome  string
	Holds    string  // until when
	Enough   bool    // have approved it
	Next     *step   // what has to be done; nil when it is settled
	Effort   *effort // of making it; nil when it is nothing to speak of
	Waiting  bool
	MayMake  bool
	MayTell  bool
	Contact  bool // there is a way to those whom it concerns
}

// unsealed is what is personal in a request, opened for a reason that is recorded.
type unsealed struct{ Sender, Reference, Text, Key, Address, FirstDay, LastDay string }

// why is a reason of a refusal; Text is empty where a newer bundle has one that this release does not know.
type why struct{ Code, Text string }

// reasons are those of the rules of sharing, and the desk's own, in words.
var reasons = map[string]string{
	"approvals": "too few have approved it", "basis": "the basis does not carry it", "document": "there is no document that a law gives force to",
	"expired": "the order, the consent or the contract has ended", "fields": "more is asked for than may be given", "gpc": "the person's browser objects to sharing",
	"never": "this is never given, to nobody", "objection": "the person has objected", "restriction": "the person has had the data restricted",
	"special": "data of this kind takes explicit consent", "treaty": "an order from there counts only under an international agreement",
	disclosure.ReasonUndecided: "the rules name nothing of that kind that could ever be given", disclosure.ReasonStaff: "a member of staff said no",
	disclosure.ReasonNoData: "the service holds no such data",
}

// Disclosure serves one request with its story.
func (p Pages) Disclosure() http.Handler {
	return p.signedIn(func(w http.ResponseWriter, r *http.Request, o usecase.Officer) { p.disclosure(w, r, o, nil) })
}

func (p Pages) disclosure(w http.ResponseWriter, r *http.Request, o usecase.Officer, opened *unsealed) {
	shown, err := p.storyOf(r.Context(), idOf(r))
	if err != nil {
		answer.Fail(w, r, err)
		return
	}
	shown.frame, shown.Unsealed = frameOf(o), opened
	disclosurePage.Show(w, r, http.StatusOK, shown)
}

func (p Pages) storyOf(ctx context.Context, which id.Disclosure) (shown one, err error) {
	if err := p.deskCaughtUp(ctx); err != nil {
		return shown, err
	}
	shown = one{Path: disclosuresPath, Link: disclosureLink(which), Subject: subjectLink(disclosure.Stream(which))}
	if shown.Is, err = p.Desk.Get(ctx, which); err != nil {
		return shown, err
	}
	choices, err := p.Desk.Choices()
	if err != nil {
		return shown, err
	}
	shown.Needs = choices.Approvals(shown.Is.Sender, shown.Is.Category)
	shown.Outcome, shown.Holds, shown.Enough = outcomes[shown.Is.Outcome], deadline(shown.Is.Expires), int64(shown.Is.Approvals) >= shown.Needs
	for _, reason := range shown.Is.Reasons {
		shown.Why = append(shown.Why, why{reason, reasons[reason]})
	}
	shown.Contact = shown.Is.Category != disclosure.Technical
	shown.Waiting = shown.Is.Outcome == disclosures.Pending
	shown.MayMake = shown.Is.Outcome == disclosures.Permitted
	shown.MayTell = shown.Is.Outcome == disclosures.Made && shown.Is.Told == ""
	shown.Next = stepOf(shown.Is, p.Now())
	if shown.Effort, err = p.effortOf(ctx, shown.Is, which); err != nil {
		return shown, err
	}
	if err := p.caughtUp(ctx); err != nil {
		return shown, err
	}
	facts, err := p.Record.List(ctx, trail.Filter{Subject: disclosure.Stream(which), Oldest: true, Limit: onPage})
	if err != nil {
		return shown, err
	}
	shown.Rows, err = p.rows(ctx, facts)
	return shown, err
}

// ForOfficers lets those through to a file who have a session.
func (p Pages) ForOfficers(file http.Handler) http.Handler {
	return p.signedIn(func(w http.ResponseWriter, r *http.Request, _ usecase.Officer) { file.ServeHTTP(w, r) })
}

// deskCaughtUp waits for the view of disclosures, and no longer than a person does.
func (p Pages) deskCaughtUp(ctx context.Context) error { return behind(ctx, p.Desk.CaughtUp) }
