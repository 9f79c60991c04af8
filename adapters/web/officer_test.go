package web_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/web"
	"github.com/bgremover/bgremover/adapters/web/officer"
	"github.com/bgremover/bgremover/adapters/web/officer/officertest"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/usecase"
)

// office is a world with pages for officers.
type office struct {
	*world
	t      *testing.T
	link   usecase.LinkOfficer
	record *officertest.Record
	cookie string // of the session, as the browser sends it
	trials *officer.Trials
}

func newOffice(t *testing.T, change ...func(*web.Config)) *office {
	t.Helper()
	o := &office{t: t, trials: &officer.Trials{}}
	var access fake.Access
	o.world = newWorld(t, fake.Cutter{}, append(change, func(c *web.Config) {
		// The world is not there yet when its site is made.
		record := fakeRecord{o}
		o.record = officertest.New(record.All, c.Now)
		var rules *officer.Rules
		if c.Officer != nil {
			rules = c.Officer.Rules
		}
		c.Officer = &officer.Config{
			Rules:           rules,
			Sessions:        lateSessions{o, &access},
			Record:          o.record,
			Types:           ledger.Facts().Names(),
			CheckpointEvery: time.Minute,
			Trials:          o.trials,
			Signatures:      lateSignatures{o},
			Now:             c.Now,
		}
	})...)
	o.link = usecase.LinkOfficer{
		Record: o.Record, Vault: o.Vault, Staff: fake.Staff{Record: o.Record}, Links: access.Links(), Leases: &fake.Leases{},
		Secrets: fake.Secrets{}, Now: o.now, NewMember: func() id.Member { return "02900000-0000-7000-8000-000000000001" },
	}
	return o
}

// fakeRecord is the record of a world that is made later.
type fakeRecord struct{ o *office }

func (r fakeRecord) All() []event.Envelope { return r.o.Record.All() }

// lateSessions are the sessions of a world that is made later.
type lateSessions struct {
	o *office
	a *fake.Access
}

func (l lateSessions) real() usecase.OfficerSessions {
	return usecase.OfficerSessions{Record: l.o.Record, Links: l.a.Links(), Sessions: l.a.Sessions(), Secrets: fake.Secrets{}, Now: l.o.now}
}

func (l lateSessions) Opens(ctx context.Context, link string) error { return l.real().Opens(ctx, link) }

func (l lateSessions) Begin(ctx context.Context, link string) (usecase.Session, error) {
	return l.real().Begin(ctx, link)
}

func (l lateSessions) Open(ctx context.Context, session string) (usecase.Officer, error) {
	return l.real().Open(ctx, session)
}

func (l lateSessions) End(ctx context.Context, session string) error {
	return l.real().End(ctx, session)
}

// newLink makes a link for Grace, as its token.
func (o *office) newLink() string {
	o.t.Helper()
	link, err := o.link.Do(o.t.Context(), personal.Of("Grace <Hopper>"), event.Officer)
	if err != nil {
		o.t.Fatal(err)
	}
	return link.Token
}

// enter uses a link up.
func (o *office) enter(token string, headers ...string) *httptest.ResponseRecorder {
	o.t.Helper()
	form := url.Values{"link": {token}}.Encode()
	return o.do(o.t, "POST", "/officer/enter", strings.NewReader(form), append([]string{"Content-Type", "application/x-www-form-urlencoded"}, headers...)...)
}

// signIn begins a session and keeps its cookie.
func (o *office) signIn() *office {
	o.t.Helper()
	answer := o.enter(o.newLink())
	if answer.Code != http.StatusSeeOther || answer.Header().Get("Location") != "/officer/log" {
		o.t.Fatalf("entering answers %d to %q: %s", answer.Code, answer.Header().Get("Location"), answer.Body)
	}
	o.cookie = answer.Result().Cookies()[0].String()
	o.cookie, _, _ = strings.Cut(o.cookie, ";")
	return o
}

func (o *office) get(target string) *httptest.ResponseRecorder {
	o.t.Helper()
	return o.do(o.t, "GET", target, nil, "Cookie", o.cookie)
}

func TestOfficerEnters(t *testing.T) {
	for https, want := range map[bool]string{
		false: `^officer=[\w-]{43}; Path=/officer; Max-Age=43200; HttpOnly; SameSite=Strict$`,
		true:  `^__Secure-officer=[\w-]{43}; Path=/officer; Max-Age=43200; HttpOnly; Secure; SameSite=Strict$`,
	} {
		t.Run(fmt.Sprint("https ", https), func(t *testing.T) {
			o := newOffice(t, func(c *web.Config) { c.HTTPS = https })
			token := o.newLink()
			for range 3 { // what looks ahead uses nothing up
				door := o.get(officer.LinkPath(token))
				if door.Code != 200 || door.Header().Get("Set-Cookie") != "" || !strings.Contains(door.Body.String(), "Begin session") {
					t.Fatalf("the door answers %d %s", door.Code, door.Body)
				}
			}
			answer := o.enter(token)
			if got := answer.Header().Get("Set-Cookie"); !regexp.MustCompile(want).MatchString(got) {
				t.Errorf("the cookie is %q", got)
			}
			o.cookie, _, _ = strings.Cut(answer.Header().Get("Set-Cookie"), ";")
			page := o.get("/officer/log")
			if page.Code != 200 || !strings.Contains(page.Body.String(), "Grace &lt;Hopper&gt;") || !strings.Contains(page.Body.String(), "officer · until") {
				t.Errorf("the record answers %d %s", page.Code, page.Body)
			}
			if h := page.Header(); h.Get("Cache-Control") != "no-store" || h.Get("Set-Cookie") != "" || strings.Contains(h.Get("Content-Security-Policy"), "unsafe") {
				t.Errorf("headers %v", h)
			}
		})
	}
}

func TestLinksThatAreRefusedLookAlike(t *testing.T) {
	o := newOffice(t)
	used, late := o.newLink(), o.newLink()
	o.enter(used)
	o.advance(usecase.LinkLasts)
	var first string
	for name, token := range map[string]string{"used": used, "late": late, "unknown": "x", "none": ""} {
		for how, answer := range map[string]*httptest.ResponseRecorder{"look": o.get(officer.LinkPath(token)), "use": o.enter(token)} {
			text := regexp.MustCompile(`[0-9a-f]{32}`).ReplaceAllString(answer.Body.String(), "")
			if first == "" {
				first = text
			}
			if answer.Code != 403 || codeIn(t, answer) != "staff.link" || text != first || answer.Header().Get("Set-Cookie") != "" {
				t.Errorf("%s, to %s it: %d %s", name, how, answer.Code, answer.Body)
			}
		}
	}
}

func TestOtherSitesCannotActForAnOfficer(t *testing.T) {
	o := newOffice(t)
	token := o.newLink()
	if answer := o.enter(token, "Sec-Fetch-Site", "cross-site"); answer.Code != 403 || codeIn(t, answer) != "request.cross_origin" {
		t.Errorf("entering from elsewhere: %d", answer.Code)
	}
	o.signIn()
	if answer := o.do(t, "POST", "/officer/leave", nil, "Cookie", o.cookie, "Origin", "https://elsewhere.example"); answer.Code != 403 {
		t.Errorf("leaving from elsewhere: %d", answer.Code)
	}
	if answer := o.get("/officer/log"); answer.Code != 200 {
		t.Errorf("the session is over: %d", answer.Code)
	}
}

func TestWithoutASessionNothingIsShown(t *testing.T) {
	o := newOffice(t).signIn()
	good := o.cookie
	answers := map[string]func(){
		"none":     func() { o.cookie = "" },
		"empty":    func() { o.cookie = "officer=" },
		"nonsense": func() { o.cookie = "officer=nonsense" },
		"a link":   func() { o.cookie = "officer=" + o.newLink() },
		"too late": func() { o.cookie = good; o.advance(usecase.SessionLasts) },
	}
	for _, name := range []string{"none", "empty", "nonsense", "a link", "too late"} {
		answers[name]()
		for _, target := range []string{"/officer/log", "/officer/log/1", "/officer/log/1/body", "/officer/log?type=x"} {
			answer := o.get(target)
			if answer.Code != 401 || !strings.Contains(answer.Body.String(), "bgremover officer link") || answer.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("%s, %s: %d %s", name, target, answer.Code, answer.Body)
			}
			if strings.Contains(answer.Body.String(), "staff.invited") {
				t.Errorf("%s, %s: it shows the record", name, target)
			}
		}
	}
	if answer := o.get("/officer"); answer.Code != 303 || answer.Header().Get("Location") != "/officer/log" {
		t.Errorf("/officer leads to %q", answer.Header().Get("Location"))
	}
}

func TestSigningOutEndsTheSession(t *testing.T) {
	o := newOffice(t).signIn()
	answer := o.do(t, "POST", "/officer/leave", nil, "Cookie", o.cookie)
	if got := answer.Header().Get("Set-Cookie"); answer.Code != 200 || !strings.HasPrefix(got, "officer=; Path=/officer; Max-Age=0;") {
		t.Errorf("answered %d, cookie %q", answer.Code, got)
	}
	if answer := o.get("/officer/log"); answer.Code != 401 {
		t.Errorf("the old cookie still opens: %d", answer.Code)
	}
	if answer := o.do(t, "POST", "/officer/leave", nil); answer.Code != 200 {
		t.Errorf("whoever is out already: %d", answer.Code)
	}
}

// A browser that begins another session leaves none behind that nobody could end from there.
func TestAnotherSessionEndsTheOneBefore(t *testing.T) {
	o := newOffice(t).signIn()
	before := o.cookie
	answer := o.enter(o.newLink(), "Cookie", before)
	if answer.Code != http.StatusSeeOther {
		t.Fatalf("entering again answers %d", answer.Code)
	}
	if answer := o.get("/officer/log"); answer.Code != 401 {
		t.Errorf("the session before is still open: %d", answer.Code)
	}
	o.cookie, _, _ = strings.Cut(answer.Header().Get("Set-Cookie"), ";")
	if answer := o.get("/officer/log"); answer.Code != 200 {
		t.Errorf("the new one is not: %d", answer.Code)
	}
}

// The front page promises that visitors get no cookie. That there are officers changes nothing.
func TestVisitorsGetNoCookie(t *testing.T) {
	o := newOffice(t).signIn()
	up := o.uploadReady(t)
	for _, target := range []string{"/", "/stats", "/nowhere", withKey("/i/"+up.ID, up), up.Links.Self, withKey(up.Links.Result, up), withKey("/i/"+up.ID, up)} {
		answer := o.do(t, "GET", target, nil)
		if answer.Header().Values("Set-Cookie") != nil {
			t.Errorf("%s sets a cookie", target)
		}
		if strings.HasPrefix(target, "/i/") && !strings.Contains(answer.Body.String(), "No cookies, no account") {
			t.Errorf("%s does not say so any more", target)
		}
	}
	if strings.Contains(o.get("/officer/log").Body.String(), "No cookies") {
		t.Error("the officers' pages claim to have no cookie")
	}
}

// seqsIn returns the numbers in the list, in its order.
func seqsIn(page string) (seqs []string) {
	for _, m := range regexp.MustCompile(`<th scope="row"><a href="/officer/log/(\d+)">`).FindAllStringSubmatch(page, -1) {
		seqs = append(seqs, m[1])
	}
	return seqs
}

func TestOfficersFindFacts(t *testing.T) {
	o := newOffice(t).signIn() // 1 invited, 2 signed in
	up := o.uploadReady(t)     // 3 uploaded, 4 processed
	o.advance(time.Hour)
	o.do(t, "DELETE", up.Links.Self, nil, "Authorization", "Bearer "+up.Capability) // 5 deleted, 6 key destroyed
	tests := map[string]struct {
		query string
		want  string
		says  string
	}{
		"everything":         {want: "6 5 4 3 2 1"},
		"the oldest first":   {query: "order=oldest", want: "1 2 3 4 5 6"},
		"from a number on":   {query: "order=oldest&seq=4", want: "4 5 6"},
		"down from a number": {query: "seq=4", want: "4 3 2 1"},
		"a type":             {query: "type=image.deleted.v1", want: "5"},
		"a subject":          {query: "subject=image%2F" + up.ID, want: "5 4 3"},
		"since":              {query: "from=2026-03-02T12:30", want: "6 5"},
		"until":              {query: "before=2026-03-02T12:30:00", want: "4 3 2 1"},
		"as known at a fact": {query: "as_of=4", want: "4 3 2 1", says: "As known after fact"},
		"a vast number":      {query: "as_of=4&seq=9223372036854775807", want: "4 3 2 1"},
		"as known then":      {query: "as_of=2026-03-02+12:30", want: "4 3 2 1", says: "As known after fact"},
		"before all":         {query: "as_of=2026-03-01", says: "Nothing was known then"},
		"all of it":          {query: "as_of=5&type=image.deleted.v1&subject=image%2F" + up.ID + "&from=2026-03-02T13:00&before=2026-03-03&order=oldest&seq=1", want: "5"},
		"nothing":            {query: "type=image.framed.v1", says: "No fact matches"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			answer := o.get("/officer/log?" + tt.query)
			if got := strings.Join(seqsIn(answer.Body.String()), " "); answer.Code != 200 || got != tt.want || !strings.Contains(answer.Body.String(), tt.says) {
				t.Errorf("answered %d with %s", answer.Code, got)
			}
		})
	}
	for _, wrong := range []string{"from=yesterday", "before=x", "as_of=soon", "as_of=7", "as_of=2030-01-01", "seq=0", "seq=x"} {
		answer := o.get("/officer/log?" + wrong)
		if answer.Code != 400 || !strings.Contains(answer.Body.String(), `role="alert"`) || len(seqsIn(answer.Body.String())) > 0 {
			t.Errorf("%s: answered %d", wrong, answer.Code)
		}
		name, value, _ := strings.Cut(wrong, "=")
		if kept := fmt.Sprintf(`name="%s" value="%s"`, name, value); (name == "as_of" || name == "seq") && !strings.Contains(answer.Body.String(), kept) {
			t.Errorf("%s: what was written is gone", wrong)
		}
	}
}

// However many facts there are, following the pages shows each once.
func TestPagesOfTheRecordHoldEverythingOnce(t *testing.T) {
	o := newOffice(t).signIn()
	for range 70 {
		o.enter(o.newLink())
	}
	for order, want := range map[string]int64{"newest": 72, "oldest": 1} {
		var all []string
		target := "/officer/log?order=" + order
		for range 10 {
			page := o.get(target).Body.String()
			all = append(all, seqsIn(page)...)
			next := regexp.MustCompile(`rel="next" href="([^"]+)"`).FindStringSubmatch(page)
			if next == nil {
				break
			}
			target = strings.ReplaceAll(next[1], "&amp;", "&")
		}
		if len(all) != 72 || all[0] != fmt.Sprint(want) {
			t.Fatalf("%s first: %v", order, all)
		}
		slices.Sort(all)
		if len(slices.Compact(all)) != 72 {
			t.Errorf("%s first: some stand twice", order)
		}
	}
}

func TestOneFactWhole(t *testing.T) {
	o := newOffice(t).signIn()
	up := o.uploadReady(t)
	o.do(t, "DELETE", up.Links.Self, nil, "Authorization", "Bearer "+up.Capability)
	tests := map[string]struct {
		target string
		holds  []string
		lacks  []string
	}{
		"an upload": {"/officer/log/3", []string{
			"image.uploaded.v1", "[erased]", `<a href="/officer/log/6">fact 6</a> says`, "retention.deadline", "image.delete-24h", // its decision
			`<a href="/officer/log/4">image.processed.v1</a>`, `<a href="/officer/log/5">image.deleted.v1</a>`, // what it led to
			`rel="prev" href="/officer/log/2"`, `rel="next" href="/officer/log/4"`, "/officer/log?subject=image%2F" + up.ID,
			"Check it in this browser", "leaf 2 of the tree", "first 6 facts",
		}, []string{"cat.jpg"}},
		"a deletion": {"/officer/log/5", []string{`<a href="/officer/log/3">image.uploaded.v1</a>`, `<a href="/officer/log/4">image.processed.v1</a>`, "Nothing has followed"}, nil},
		"a member":   {"/officer/log/1", []string{"[sealed]", "No policy was asked", "operator"}, []string{"rel=\"prev\""}},
		"a sign-in":  {"/officer/log/2", []string{"officer <code>[sealed]</code>", "The request <code>"}, nil},
		"the newest": {"/officer/log/6", []string{"vault.key_destroyed.v1"}, []string{`rel="next"`}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			answer := o.get(tt.target)
			page := answer.Body.String()
			main := page[strings.Index(page, "<main"):]
			if answer.Code != 200 {
				t.Fatalf("answered %d %s", answer.Code, page)
			}
			for _, want := range tt.holds {
				if !strings.Contains(main, want) {
					t.Errorf("it lacks %q", want)
				}
			}
			for _, not := range append(tt.lacks, "Hopper", "[personal]") {
				if strings.Contains(main, not) {
					t.Errorf("it holds %q", not)
				}
			}
		})
	}
	for _, target := range []string{"/officer/log/7", "/officer/log/0", "/officer/log/01", "/officer/log/-1", "/officer/log/x", "/officer/log/7/body", "/officer/log/99999999999999999999", "/officer/nothing", "/officer/log/7/more"} {
		if answer := o.get(target); answer.Code != 404 || !strings.Contains(answer.Body.String(), "To the record") || strings.Contains(answer.Body.String(), "No cookies") {
			t.Errorf("%s: answered %d %s", target, answer.Code, answer.Body)
		}
	}
}

// Of what a rule was asked about one person the page shows the names, and whether it is still there.
func TestPersonalAttributesOnAFactsPage(t *testing.T) {
	o := newOffice(t).signIn()
	for _, gone := range []bool{false, true} {
		var d event.Decision
		if err := d.Ask(json.RawMessage(`{"country":"FR","said":"canary"}`), []string{"said"}); err != nil {
			t.Fatal(err)
		}
		d.Rule, d.Outcome = "test.rule", "allow"
		img, want := id.Image("0190b0a0-0000-7000-8000-0000000000aa"), "[sealed]"
		parts := []event.Part{{Stream: image.Stream(img), Facts: []event.Pending{{Fact: image.Processed{}, Decision: &d}}}}
		if gone {
			want, img = "[erased]", "0190b0a0-0000-7000-8000-0000000000ab"
			parts[0].Stream = image.Stream(img)
			parts = append(parts, event.Part{Stream: system.VaultStream(image.Key(img)), Facts: []event.Pending{{Fact: system.KeyDestroyed{Key: image.Key(img)}}}})
		}
		done, err := o.Record.Append(t.Context(), event.Append{At: o.now(), Actor: event.Actor{Role: event.Clock}, Parts: parts})
		if err != nil {
			t.Fatal(err)
		}
		page := o.get(fmt.Sprintf("/officer/log/%d", done.Facts[0].Seq)).Body.String()
		if !strings.Contains(page, "<code>said</code> "+want) || !strings.Contains(page, "{&#34;country&#34;:&#34;FR&#34;}") ||
			strings.Contains(page, "canary") || strings.Contains(page, "exactly</dt>") {
			t.Errorf("the page lacks %s, or tells too much:\n%s", want, page[strings.Index(page, "The decision"):])
		}
	}
}

// What the page calls the leaf's hash is the hash of the bytes that it hands out.
func TestStoredBytesAreHandedOutAsTheyAre(t *testing.T) {
	o := newOffice(t).signIn()
	answer := o.get("/officer/log/1/body")
	if got := answer.Header(); answer.Code != 200 || got.Get("Content-Disposition") != `attachment; filename="fact-1.json"` || got.Get("Cache-Control") != "no-store" {
		t.Errorf("answered %d %v", answer.Code, got)
	}
	leaf := fmt.Sprintf("%x", sha256.Sum256(append([]byte{0}, answer.Body.Bytes()...)))
	if page := o.get("/officer/log/1").Body.String(); !strings.Contains(page, "<code data-leaf>"+leaf) {
		t.Error("the page shows another leaf hash")
	}
}

func TestBeforeTheNextCheckpointThereIsNoProof(t *testing.T) {
	o := newOffice(t).signIn()
	o.record.Uncovered.Store(1)
	if page := o.get("/officer/log/2").Body.String(); !strings.Contains(page, "in at most 60 seconds") || strings.Contains(page, "data-proof") {
		t.Errorf("it shows %s", page)
	}
	if page := o.get("/officer/log/1").Body.String(); !strings.Contains(page, "data-proof") || !strings.Contains(page, "its leaf is the root") {
		t.Errorf("it shows %s", page)
	}
	o.record.Uncovered.Store(2)
	if page := o.get("/officer/log/1").Body.String(); strings.Contains(page, "data-proof") {
		t.Errorf("it shows %s", page)
	}
}

func TestAViewThatFailedIsNoEmptyRecord(t *testing.T) {
	o := newOffice(t).signIn()
	o.record.Behind = errors.New("the view is stopped")
	for _, target := range []string{"/officer/log", "/officer/log/1"} {
		if answer := o.get(target); answer.Code != 500 || codeIn(t, answer) != "internal" {
			t.Errorf("%s: answered %d %s", target, answer.Code, answer.Body)
		}
	}
}

// Nothing that lets somebody in, and nobody's name, gets into the log.
func TestTheLogHoldsNoTokens(t *testing.T) {
	o := newOffice(t)
	token := o.newLink()
	o.get(officer.LinkPath(token))
	o.enter(token)
	o.enter(token)
	o.signIn()
	o.get("/officer/log")
	logged := o.log.String()
	_, session, _ := strings.Cut(o.cookie, "=")
	for _, secret := range []string{token, session, "Hopper", "Grace"} {
		if strings.Contains(logged, secret) {
			t.Errorf("%q stands in %s", secret, logged)
		}
	}
	if !strings.Contains(logged, "POST /officer/enter") {
		t.Errorf("logged %s", logged)
	}
}
