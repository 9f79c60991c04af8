package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	sealer "github.com/bgremover/bgremover/adapters/age"
	"github.com/bgremover/bgremover/adapters/opa"
	"github.com/bgremover/bgremover/adapters/web"
	"github.com/bgremover/bgremover/adapters/web/officer"
	"github.com/bgremover/bgremover/adapters/web/officer/officertest"
	"github.com/bgremover/bgremover/domain/disclosure"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/staff"
	"github.com/bgremover/bgremover/domain/visit"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/projector"
	"github.com/bgremover/bgremover/internal/projector/projectortest"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/policies"
	"github.com/bgremover/bgremover/projections/disclosures"
)

// desk is an office with a desk for disclosures: the real rules, view and cipher.
type desk struct {
	*office
	db      *pgxpool.Pool
	seen    int // facts that the view holds
	theirs  *age.X25519Identity
	cookies map[string]string // of officers, by name
	visits  visits
	needs   int64 // approvals of technical data
}

const (
	deskPath                    = "/officer/disclosures"
	theDisclosure id.Disclosure = "03900000-0000-7000-8000-000000000001"
)

func newDesk(t *testing.T) *desk {
	t.Helper()
	rules, err := opa.New(t.Context(), opa.Config{Bundle: policies.Bundle, ImagePeriod: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{
		db:     projectortest.Open(t, projector.View{Name: disclosures.Name, Schema: disclosures.Schema, Apply: disclosures.Apply}),
		theirs: theirs, cookies: map[string]string{}, needs: 2,
		visits: visits{all: []visit.Began{{Day: "2026-03-02", Address: personal.Of("192.0.2.7"), At: personal.Of("2026-03-02T11:00:00Z")}}},
	}
	d.office = &office{t: t}
	var access fake.Access
	work := &usecase.DisclosureDesk{
		Sharing: rules, Access: rules, Decisions: &fake.Decisions{}, Visits: &d.visits, Sealer: sealer.Sealer{},
		NewDisclosure: func() id.Disclosure { return theDisclosure },
	}
	d.world = newWorld(t, fake.Cutter{}, func(c *web.Config) {
		c.Officer = &officer.Config{
			Sessions: lateSessions{d.office, &access}, Record: officertest.New(fakeRecord{d.office}.All, c.Now),
			Types: ledger.Facts().Names(), CheckpointEvery: time.Minute, Desk: d.config(work), Now: c.Now,
		}
	})
	work.Record, work.Vault, work.Now = d.Record, d.Vault, d.now
	d.link = usecase.LinkOfficer{
		Record: d.Record, Vault: d.Vault, Staff: fake.Staff{Record: d.Record}, Links: access.Links(), Leases: &fake.Leases{}, Secrets: fake.Secrets{}, Now: d.now,
	}
	for n, name := range []string{"Grace", "Ada", "Jean"} {
		d.link.NewMember = func() id.Member { return id.Member("02900000-0000-7000-8000-00000000001" + string(rune('0'+n))) }
		link, err := d.link.Do(t.Context(), personal.Of(name), event.Officer)
		if err != nil {
			t.Fatal(err)
		}
		cookie, _, _ := strings.Cut(d.enter(link.Token).Header().Get("Set-Cookie"), ";")
		d.cookies[name] = cookie
	}
	return d
}

func (d *desk) config(work officer.DeskWork) *officer.Desk {
	return &officer.Desk{
		Work: work, CaughtUp: d.follow,
		List: func(ctx context.Context) ([]disclosures.Disclosure, error) { return disclosures.List(ctx, d.db) },
		Open: func(ctx context.Context) ([]disclosures.Disclosure, error) { return disclosures.Open(ctx, d.db) },
		Get: func(ctx context.Context, which id.Disclosure) (disclosures.Disclosure, error) {
			return disclosures.Get(ctx, d.db, which)
		},
		Choices: func() (officer.Choices, error) {
			return officer.Choices{
				Senders: []string{"authority", "partner"}, Categories: []string{"image", "technical"}, Bases: []string{"order", "consent"},
				Purposes: []string{"introduction", "training"}, Approvals: func(_, category string) int64 { return map[string]int64{"technical": d.needs}[category] },
			}, nil
		},
	}
}

// follow brings the view up to the record.
func (d *desk) follow(ctx context.Context) error {
	all := d.Record.All()
	b := &pgx.Batch{}
	disclosures.Apply(b, all[d.seen:])
	d.seen = len(all)
	return d.db.SendBatch(ctx, b).Close()
}

// visits are the days of visitors: some, and some more that are only counted.
type visits struct {
	all  []visit.Began
	more int64
}

// Count implements usecase.VisitorDays.
func (v *visits) Count(context.Context, string, string) (int64, error) {
	return int64(len(v.all)) + v.more, nil
}

// Began implements usecase.VisitorDays.
func (v *visits) Began(_ context.Context, _, _ string, each func(visit.Began) error) error {
	for _, b := range v.all {
		if err := each(b); err != nil {
			return err
		}
	}
	return nil
}

// as does something as an officer: a page without a form, else the form sent.
func (d *desk) as(name, target string, form url.Values, headers ...string) *httptest.ResponseRecorder {
	d.t.Helper()
	method, body := "GET", ""
	if form != nil {
		method, body = "POST", form.Encode()
	}
	return d.do(d.t, method, target, strings.NewReader(body), append([]string{"Cookie", d.cookies[name], "Content-Type", "application/x-www-form-urlencoded"}, headers...)...)
}

// order is the form of a lawful request.
func (d *desk) order() url.Values {
	return url.Values{
		"from": {"authority"}, "sender": {"Staatsanwaltschaft <Musterstadt>"}, "country": {"DE"}, "category": {"technical"}, "fields": {"address, access_time"},
		"basis": {"order"}, "purpose": {"introduction"}, "expires": {noon.AddDate(0, 1, 0).Format(time.DateOnly)}, "reference": {"12 Js 34/26"},
		"address": {"192.0.2.7"}, "first_day": {"2026-03-01"}, "last_day": {"2026-03-02"}, "key": {d.theirs.Recipient().String()}, "text": {"Who was it?"},
	}
}

func (d *desk) page(target, want string) string {
	d.t.Helper()
	answer := d.as("Grace", target, nil)
	if answer.Code != http.StatusOK || !strings.Contains(answer.Body.String(), want) {
		d.t.Fatalf("%s answers %d without %q: %s", target, answer.Code, want, answer.Body)
	}
	return answer.Body.String()
}

// goes sends a form and expects to be led on.
func (d *desk) goes(name, target string, form url.Values) string {
	d.t.Helper()
	answer := d.as(name, target, form)
	if answer.Code != http.StatusSeeOther {
		d.t.Fatalf("%s answers %d: %s", target, answer.Code, answer.Body)
	}
	return answer.Header().Get("Location")
}

// Everything at the desk goes by links and forms alone.
func TestDisclosureDesk(t *testing.T) {
	d := newDesk(t)
	d.page(deskPath, "Nobody has asked for anything yet")
	d.page(deskPath+"/new", `name="key"`)
	one := d.goes("Grace", deskPath, d.order())
	if one != deskPath+"/"+string(theDisclosure) {
		t.Fatalf("led to %s", one)
	}
	page := d.page(one, "0 of 2 that the rules ask for")
	for _, sealed := range []string{"Musterstadt", "12 Js 34/26", "Who was it?", "192.0.2.7", "age1"} {
		if strings.Contains(page, sealed) {
			t.Errorf("the page shows %s unasked", sealed)
		}
	}
	if own := d.as("Grace", one+"/approve", url.Values{}); own.Code != http.StatusForbidden || !strings.Contains(own.Body.String(), "disclosure.own") || !strings.Contains(own.Body.String(), "0 of 2 that the rules ask for") {
		t.Errorf("approved by the registrar: %d %s", own.Code, own.Body)
	}
	opened := d.as("Ada", one+"/read", url.Values{"reason": {"to approve it"}})
	if b := opened.Body.String(); opened.Code != http.StatusOK || !strings.Contains(b, "Staatsanwaltschaft &lt;Musterstadt&gt;") || !strings.Contains(b, "192.0.2.7") || opened.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("opened: %d %s", opened.Code, b)
	}
	all := d.Record.All()
	if read, ok := all[len(all)-1].Fact.(staff.DataRead); !ok || read.Reason != personal.Of("to approve it") {
		t.Errorf("the look is recorded as %+v", all[len(all)-1].Fact)
	}
	d.goes("Ada", one+"/approve", url.Values{})
	if early := d.as("Grace", one+"/decide", url.Values{}); early.Code != http.StatusConflict {
		t.Errorf("decided early: %d %s", early.Code, early.Body)
	}
	d.goes("Jean", one+"/approve", url.Values{})
	d.goes("Grace", one+"/decide", url.Values{})
	d.page(one, "Make the export")
	sealed := d.as("Grace", one+"/make", url.Values{})
	if h := sealed.Header(); sealed.Code != http.StatusOK || h.Get("Content-Type") != "application/octet-stream" || !strings.Contains(h.Get("Content-Disposition"), ".json.age") ||
		h.Get("Content-Length") != strconv.Itoa(sealed.Body.Len()) {
		t.Fatalf("made: %d %v %s", sealed.Code, h, sealed.Body)
	}
	if got := d.open(sealed.Body.Bytes()); len(got) != 1 || got[0]["address"] != "192.0.2.7" || got[0]["access_time"] == "" || len(got[0]) != 2 {
		t.Errorf("given %v", got)
	}
	if again := d.as("Grace", one+"/make", url.Values{}); again.Code != http.StatusGone {
		t.Errorf("made twice: %d", again.Code)
	}
	d.goes("Grace", one+"/defer", url.Values{"until": {noon.AddDate(0, 0, 1).Format(time.DateOnly)}})
	d.page(one, "Tell nobody until <time")
	d.page(deskPath, "Tell nobody until")
	if early := d.as("Grace", one+"/unreachable", url.Values{}); early.Code != http.StatusConflict {
		t.Errorf("settled early: %d", early.Code)
	}
	d.page(deskPath, "given")
	if strings.Contains(d.log.String(), "192.0.2.7") || strings.Contains(d.log.String(), "Musterstadt") {
		t.Error("the log names somebody")
	}
}

// permitted registers a request and brings it as far as it can be made.
func (d *desk) permitted() (page string) {
	d.t.Helper()
	one := d.goes("Grace", deskPath, d.order())
	d.goes("Ada", one+"/approve", url.Values{})
	d.goes("Jean", one+"/approve", url.Values{})
	d.goes("Grace", one+"/decide", url.Values{})
	return one
}

// Whoever is refused something goes on from the request's page; what there is none of leads to an error.
func TestDisclosureDeskSaysNoOnThePage(t *testing.T) {
	d := newDesk(t)
	form := d.order()
	for field, word := range map[string]string{"from": "partner", "category": "account", "fields": "email", "basis": "explicit_consent", "purpose": "introduction"} {
		form.Set(field, word)
	}
	one := d.goes("Grace", deskPath, form)
	for _, step := range []struct {
		who, what string
		code      int
		says      string
	}{
		{"Ada", "read", http.StatusBadRequest, staff.ErrReason.Code},
		{"Ada", "decide", http.StatusConflict, disclosure.ErrApprovals.Code},
		{"Ada", "approve", http.StatusSeeOther, ""},
		{"Ada", "approve", http.StatusConflict, disclosure.ErrTwice.Code},
		{"Jean", "approve", http.StatusSeeOther, ""},
		{"Jean", "decide", http.StatusSeeOther, ""},
		{"Jean", "make", http.StatusUnprocessableEntity, disclosure.ErrNoData.Code},
		{"Jean", "defer", http.StatusConflict, disclosure.ErrNothingGiven.Code},
	} {
		answer := d.as(step.who, one+"/"+step.what, url.Values{})
		page := answer.Body.String()
		if answer.Code != step.code || !strings.Contains(page, step.says) || answer.Code != http.StatusSeeOther && !strings.Contains(page, "Its story") {
			t.Errorf("%s, %s: %d %s", step.who, step.what, answer.Code, page)
		}
	}
	nobodys := d.as("Ada", deskPath+"/03900000-0000-7000-8000-00000000000f/approve", url.Values{})
	if nobodys.Code != http.StatusNotFound || strings.Contains(nobodys.Body.String(), "Its story") {
		t.Errorf("of no request: %d %s", nobodys.Code, nobodys.Body)
	}
}

// An export that holds nothing is made, and then there is nobody to tell and nothing to do.
func TestDisclosureOfNothingIsSettled(t *testing.T) {
	d := newDesk(t)
	d.visits.all = nil
	one := d.permitted()
	d.page(deskPath, "Make the export by")
	if sealed := d.as("Grace", one+"/make", url.Values{}); sealed.Code != http.StatusOK || len(d.open(sealed.Body.Bytes())) != 0 {
		t.Fatalf("made: %d", sealed.Code)
	}
	page := d.page(one, "it concerns nobody, and nobody has to be told")
	if strings.Contains(page, "/unreachable") || strings.Contains(page, "/defer") || strings.Contains(page, "/make") {
		t.Errorf("there is something to do: %s", page)
	}
	d.page(deskPath, "Nothing: every request is settled.")
}

// Rules that come into force after the decision may ask for more: then it can still be approved.
func TestDisclosureDeskAsksForMoreApprovals(t *testing.T) {
	d := newDesk(t)
	one := d.permitted()
	if page := d.page(one, "Make the export"); strings.Contains(page, one+"/approve") {
		t.Errorf("two are enough: %s", page)
	}
	d.needs = 3
	d.page(one, `action="`+one+`/approve"`)
}

// How much has to be opened is said before it is, and too much is refused.
func TestDisclosureSaysWhatItTakes(t *testing.T) {
	d := newDesk(t)
	d.visits.more = 599_999
	one := d.permitted()
	d.page(one, "600000 visits on those days")
	d.page(one, "takes about 2 minutes")
	d.visits.more = usecase.MostOpened
	d.page(one, "Have the request narrowed down to fewer days")
	if made := d.as("Grace", one+"/make", url.Values{}); made.Code != http.StatusRequestEntityTooLarge || !strings.Contains(made.Body.String(), usecase.ErrTooManyVisits.Code) {
		t.Errorf("made: %d %s", made.Code, made.Body)
	}
}

// open reads an export as its recipient does.
func (d *desk) open(sealed []byte) []map[string]string {
	d.t.Helper()
	opened, err := age.Decrypt(bytes.NewReader(sealed), d.theirs)
	if err != nil {
		d.t.Fatal(err)
	}
	plain, err := io.ReadAll(opened)
	if err != nil {
		d.t.Fatal(err)
	}
	var given struct{ Records []map[string]string }
	if err := json.Unmarshal(plain, &given); err != nil {
		d.t.Fatal(err)
	}
	return given.Records
}

// A refusal is shown with its reasons, and nothing can be made of it.
func TestDisclosureDeskRefuses(t *testing.T) {
	d := newDesk(t)
	form := d.order()
	form.Set("category", "image")
	form.Set("fields", "blob")
	one := d.goes("Grace", deskPath, form)
	d.goes("Grace", one+"/decide", url.Values{})
	page := d.page(one, "the rules name nothing of that kind that could ever be given <code>undecided</code>")
	if strings.Contains(page, "/make") || !strings.Contains(page, "Nothing: this request is settled.") {
		t.Errorf("after a refusal: %s", page)
	}
	if made := d.as("Grace", one+"/make", url.Values{}); made.Code != http.StatusConflict || !strings.Contains(made.Body.String(), disclosure.ErrDecided.Code) {
		t.Errorf("made: %d", made.Code)
	}
}

// What was written stays in the form when something is wrong with it.
func TestDisclosureFormKeepsWhatWasWritten(t *testing.T) {
	d := newDesk(t)
	form := d.order()
	form.Set("country", "Germany")
	answer := d.as("Grace", deskPath, form)
	if b := answer.Body.String(); answer.Code != http.StatusBadRequest || !strings.Contains(b, "two capital letters") || !strings.Contains(b, `value="Germany"`) || !strings.Contains(b, ">Who was it?</textarea>") {
		t.Errorf("%d %s", answer.Code, b)
	}
	if before := len(d.Record.All()); before != 6 { // three who were invited and signed in
		t.Errorf("%d facts", before)
	}
}

func TestDisclosureDeskIsClosed(t *testing.T) {
	d := newDesk(t)
	one := d.goes("Grace", deskPath, d.order())
	before := len(d.Record.All())
	posts := regexp.MustCompile(`action="([^"]+)"`).FindAllStringSubmatch(d.page(one, "Approve"), -1)
	if len(posts) < 4 {
		t.Fatalf("forms: %v", posts)
	}
	for _, p := range append(posts, []string{"", one + "/make"}, []string{"", one + "/tell"}, []string{"", one + "/defer"}, []string{"", deskPath}) {
		if p[1] == "/officer/leave" {
			continue
		}
		if stranger := d.as("nobody", p[1], url.Values{"reason": {"curious"}}); stranger.Code != http.StatusUnauthorized {
			t.Errorf("%s without a session: %d", p[1], stranger.Code)
		}
		if elsewhere := d.as("Grace", p[1], url.Values{"reason": {"curious"}}, "Sec-Fetch-Site", "cross-site"); elsewhere.Code != http.StatusForbidden {
			t.Errorf("%s from another site: %d", p[1], elsewhere.Code)
		}
	}
	for _, target := range []string{deskPath, deskPath + "/new", one} {
		if stranger := d.as("nobody", target, nil); stranger.Code != http.StatusUnauthorized {
			t.Errorf("%s without a session: %d", target, stranger.Code)
		}
	}
	if missing := d.as("Grace", deskPath+"/03900000-0000-7000-8000-000000000099", nil); missing.Code != http.StatusNotFound {
		t.Errorf("no such request: %d", missing.Code)
	}
	if after := len(d.Record.All()); after != before {
		t.Errorf("%d facts followed", after-before)
	}
}
