//go:build browser

package browsertest

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/google/uuid"

	"github.com/bgremover/bgremover/adapters/web"
	"github.com/bgremover/bgremover/adapters/web/capability"
	"github.com/bgremover/bgremover/adapters/web/officer"
	"github.com/bgremover/bgremover/adapters/web/officer/officertest"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/testphotos"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/projections/abuse"
	"github.com/bgremover/bgremover/projections/analytics"
)

// office is a site with pages for officers, over a service in memory that a picture went through.
type office struct {
	*testing.T
	url    string
	record *officertest.Record
	link   usecase.LinkOfficer
}

func openOffice(t *testing.T) *office {
	t.Helper()
	service := fake.NewService(time.Now, fake.Cutter{})
	var access fake.Access
	o := &office{T: t, record: officertest.New(service.Record.All, time.Now)}
	o.link = usecase.LinkOfficer{
		Record: service.Record, Vault: service.Vault, Staff: fake.Staff{Record: service.Record}, Links: access.Links(), Leases: &fake.Leases{},
		Secrets: fake.Secrets{}, Now: time.Now, NewMember: func() id.Member { return id.Member(uuid.NewString()) },
	}
	site := web.New(web.Config{
		Upload: service.Upload, Watch: service.Watch, Preview: service.Preview, Download: service.Download, Delete: service.Delete,
		View:  capability.View{CaughtUp: func(context.Context) error { return nil }, Get: viewOf(service.Record)},
		Hours: func(context.Context, time.Time, time.Time) ([]analytics.Hour, error) { return nil, nil },
		Now:   time.Now,
		Log:   slog.New(slog.DiscardHandler),
		Officer: &officer.Config{
			Sessions: usecase.OfficerSessions{
				Record: service.Record, Links: access.Links(), Sessions: access.Sessions(), Secrets: fake.Secrets{}, Now: time.Now,
			},
			Record: o.record, Types: ledger.Facts().Names(), CheckpointEvery: time.Minute, Security: securityFigures(),
		},
	})
	server := httptest.NewServer(site)
	t.Cleanup(func() {
		site.Stop()
		server.CloseClientConnections()
		server.Close()
	})
	o.url = server.URL

	up, err := service.Upload.Do(t.Context(), usecase.UploadCommand{Picture: testphotos.Original("coffee"), FileName: personal.Of("coffee.jpg")})
	if err != nil {
		t.Fatal(err)
	}
	service.Wait()
	if _, err := service.Delete.Do(t.Context(), up.Image, up.Capability); err != nil {
		t.Fatal(err)
	}
	return o
}

// newLink makes a link for Grace.
func (o *office) newLink() string { return o.invite("Grace Hopper") }

func (o *office) invite(name string) (link string) {
	o.Helper()
	made, err := o.link.Do(o.Context(), personal.Of(name), event.Officer)
	if err != nil {
		o.Fatal(err)
	}
	return o.url + officer.LinkPath(made.Token)
}

const (
	list    = chromedp.CSS(`table.log`)
	onePage = chromedp.CSS(`article.fact`)
)

// signIn goes through the door that a link leads to.
func (v *visitor) signIn(link string) {
	v.Helper()
	v.do(chromedp.Navigate(link), chromedp.Click(chromedp.CSS(`main form button`)), chromedp.WaitVisible(list))
}

func TestOfficerLooksAtTheRecord(t *testing.T) {
	o := openOffice(t)
	v := visit(t, `{}`)
	link := o.newLink()
	v.signIn(link)
	if who := get(v, chromedp.Evaluate[string](`document.querySelector('.officer').textContent`)); !strings.Contains(who, "Grace Hopper") || !strings.Contains(who, "officer") {
		t.Errorf("the header says %q", who)
	}
	// A filter, as a form and as an address.
	v.do(
		chromedp.SetValue(chromedp.CSS(`[name=type]`), "image.deleted.v1"), chromedp.Click(chromedp.CSS(`.filter button`)),
	)
	v.soon(`location.search.includes('image.deleted.v1') && document.querySelectorAll('.log tbody tr').length === 1`)
	v.do(chromedp.Click(chromedp.CSS(`.log .type a`)), chromedp.WaitVisible(onePage))
	// The chain leads to where it began.
	v.do(chromedp.Click(chromedp.CSS(`.chain li:nth-child(2) a`)))
	v.soon(`document.querySelector('h1')?.textContent === 'image.uploaded.v1'`)
	if says := get(v, chromedp.Evaluate[string](`document.querySelector('.json').textContent`)); !strings.Contains(says, "[erased]") || strings.Contains(says, "coffee.jpg") {
		t.Errorf("it says %s", says)
	}
	v.clean("fact")

	// The same link again, out of the browser's history.
	v.do(chromedp.Navigate(link))
	v.soon(`document.body?.textContent.includes('staff.link')`)

	v.do(chromedp.Navigate(o.url+"/officer/log"), chromedp.Click(chromedp.CSS(`.officer button`)))
	v.soon(`document.querySelector('h1')?.textContent === 'You are signed out'`)
	v.do(chromedp.Navigate(o.url + "/officer/log"))
	v.soon(`document.querySelector('.overline')?.textContent === '401'`)
	v.clean("out")
}

// Whoever clicks twice is let in: the second click sends nothing.
func TestTwoClicksUseALinkOnce(t *testing.T) {
	o := openOffice(t)
	v := visit(t, `{}`)
	v.do(chromedp.Navigate(o.newLink()), chromedp.WaitVisible(chromedp.CSS(`main form button`)))
	if once := get(v, chromedp.Evaluate[bool](`(button => { button.click(); button.click(); return button.disabled; })(document.querySelector('main form button'))`)); !once {
		t.Error("it can be sent twice")
	}
	v.do(chromedp.WaitVisible(list))
}

// soon waits for an expression to become true, also while the page is another one meanwhile.
func (v *visitor) soon(expression string) {
	v.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok, err := chromedp.Run(v.ctx, chromedp.Evaluate[bool](expression)); err == nil && ok {
			return
		}
		select {
		case <-tick.C:
		case <-v.ctx.Done():
			v.Fatalf("%s: %v", expression, v.ctx.Err())
		}
	}
}

// steps are what the check in the browser says.
func (v *visitor) steps() (said []string) {
	v.Helper()
	return get(v, chromedp.Evaluate[[]string](`[...document.querySelectorAll('.steps li')].map(li => li.className + ': ' + li.textContent)`))
}

// prove presses the button and waits for the verdict, which it returns with its colour.
func (v *visitor) prove() string {
	v.Helper()
	v.do(chromedp.Click(chromedp.CSS(`[data-check-proof]`)))
	v.until(`document.querySelector('.verdict').textContent !== ''`)
	return get(v, chromedp.Evaluate[string](`document.querySelector('.verdict').className`))
}

// Every leaf of trees of many shapes is led to the root by its path.
func TestProofsAreCheckedInTheBrowser(t *testing.T) {
	o := openOffice(t)
	for n := range 13 {
		o.invite(fmt.Sprint("Person ", n))
	}
	v := visit(t, `{}`)
	v.signIn(o.newLink())
	v.do(chromedp.Navigate(o.url+"/officer/log/3"), chromedp.WaitVisible(onePage))
	if verdict, said := v.prove(), v.steps(); verdict != "verdict holds" || len(said) != 5 {
		t.Fatalf("as the page is: %s, after %v", verdict, said)
	}
	const facts = 19
	for _, size := range []int64{1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, facts} {
		o.record.Uncovered.Store(facts - size)
		for seq := int64(1); seq <= size; seq++ {
			v.put(o, seq)
			if verdict := v.prove(); verdict != "verdict holds" {
				t.Errorf("fact %d of %d: %s, after %v", seq, size, verdict, v.steps())
			}
		}
	}
	v.clean("proof")
}

// put shows another fact's proof on the page that is open.
func (v *visitor) put(o *office, seq int64) {
	v.Helper()
	proof, err := o.record.Prove(o.Context(), seq)
	if err != nil {
		v.Fatal(err)
	}
	found, err := o.record.Facts(o.Context(), seq)
	if err != nil {
		v.Fatal(err)
	}
	shown, err := json.Marshal(map[string]any{
		"body": fmt.Sprintf("/officer/log/%d/body", seq), "index": seq - 1,
		"id": found[seq].ID, "type": found[seq].Fact.EventName(), "subject": found[seq].Stream,
		"leaf": proof.LeafHex(), "path": append([]string{}, proof.PathHex()...), "root": hex.EncodeToString(proof.Checkpoint.Root[:]), "note": proof.NoteText(),
	})
	if err != nil {
		v.Fatal(err)
	}
	get(v, chromedp.Evaluate[bool](`((shown) => {
		const box = document.querySelector('[data-proof]');
		for (const name of ['body', 'index', 'id', 'type', 'subject']) box.dataset[name] = shown[name];
		box.querySelector('[data-leaf]').textContent = shown.leaf;
		box.querySelector('[data-root]').textContent = shown.root;
		box.querySelector('[data-note]').textContent = shown.note;
		box.querySelector('.hashes').replaceChildren(...shown.path.map((hash) => {
			const item = document.createElement('li');
			item.dataset.path = '';
			item.textContent = hash;
			return item;
		}));
		box.querySelector('.verdict').textContent = '';
		return true;
	})(`+string(shown)+`)`))
}

// Whatever is changed about a fact or its proof, the check says no.
func TestTamperedProofsAreFoundInTheBrowser(t *testing.T) {
	o := openOffice(t)
	v := visit(t, `{}`)
	v.signIn(o.newLink())
	hash := strings.Repeat("ab", 32)
	tests := map[string]struct {
		tamper string
		steps  int // the last of which fails
	}{
		"other bytes":           {`document.querySelector('[data-proof]').dataset.body = '/officer/log/2/body'`, 2},
		"bytes that are away":   {`document.querySelector('[data-proof]').dataset.body = '/officer/log/99/body'`, 1},
		"another fact":          {`document.querySelector('[data-proof]').dataset.id = '00000000-0000-7000-8000-000000000009'`, 2},
		"another leaf hash":     {`document.querySelector('[data-leaf]').textContent = '` + hash + `'`, 3},
		"another hash":          {`document.querySelector('[data-path]').textContent = '` + hash + `'`, 4},
		"no hash":               {`document.querySelector('[data-path]').textContent = 'x'`, 4},
		"one hash less":         {`[...document.querySelectorAll('[data-path]')].at(-1).remove()`, 4},
		"one hash more":         {`{ const last = [...document.querySelectorAll('[data-path]')].at(-1); last.after(last.cloneNode(true)) }`, 4},
		"another root shown":    {`document.querySelector('[data-root]').textContent = '` + hash + `'`, 4},
		"another place":         {`document.querySelector('[data-proof]').dataset.index = '4'`, 4},
		"a place outside":       {`document.querySelector('[data-proof]').dataset.index = '6'`, 4},
		"another size":          {`{ const n = document.querySelector('[data-note]'); n.textContent = n.textContent.replace('\n6\n', '\n8\n') }`, 5},
		"another root":          {`{ const n = document.querySelector('[data-note]'); n.textContent = n.textContent.replace(/\n6\n..../, '\n6\nAAAA') }`, 4},
		"no checkpoint":         {`document.querySelector('[data-note]').textContent = 'trust us'`, 4},
		"another origin":        {`{ const n = document.querySelector('[data-note]'); n.textContent = 'x' + n.textContent }`, 5},
		"another signature":     {`{ const n = document.querySelector('[data-note]'); n.textContent = n.textContent.replace(/....\n$/, '0000\n') }`, 5},
		"no signature of ours":  {`{ const n = document.querySelector('[data-note]'); n.textContent = n.textContent.replace('— log.example.org', '— elsewhere.example') }`, 5},
		"another key":           {`{ const k = document.querySelector('[data-verifier]'); k.textContent = k.textContent.replace(/....$/, 'AAAA') }`, 5},
		"another name for it":   {`{ const k = document.querySelector('[data-verifier]'); k.textContent = 'x' + k.textContent }`, 5},
		"a key that is not one": {`document.querySelector('[data-verifier]').textContent = 'key'`, 5},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v.do(chromedp.Navigate(o.url+"/officer/log/3"), chromedp.WaitVisible(onePage))
			if verdict := v.prove(); verdict != "verdict holds" {
				t.Fatalf("before: %s", verdict)
			}
			get(v, chromedp.Evaluate[bool](tt.tamper+`; document.querySelector('.verdict').textContent = ''; true`))
			verdict, said := v.prove(), v.steps()
			if verdict != "verdict fails" || len(said) != tt.steps || !strings.HasPrefix(said[len(said)-1], "fails: ") {
				t.Errorf("%s, after %v", verdict, said)
			}
		})
	}
}

// What a browser cannot check, it does not claim.
func TestBrowsersThatCannotCheckSaySo(t *testing.T) {
	o := openOffice(t)
	v := visit(t, `{}`)
	v.signIn(o.newLink())
	for name, tt := range map[string]struct {
		without string
		steps   int
	}{
		"without Ed25519":      {`crypto.subtle.importKey = () => Promise.reject(new DOMException('unknown', 'NotSupportedError'))`, 5},
		"without cryptography": {`Object.defineProperty(crypto, 'subtle', {value: undefined})`, 0},
		"without the server":   {`globalThis.fetch = () => Promise.reject(new TypeError('Failed to fetch'))`, 1},
		"without a session":    {`globalThis.fetch = async () => new Response('', {status: 401})`, 1},
		"of a server in need":  {`globalThis.fetch = async () => new Response('', {status: 503})`, 1},
	} {
		t.Run(name, func(t *testing.T) {
			v.do(chromedp.Navigate(o.url+"/officer/log/3"), chromedp.WaitVisible(onePage))
			get(v, chromedp.Evaluate[bool](tt.without+`; true`))
			if verdict, said := v.prove(), v.steps(); verdict != "verdict open" || len(said) != tt.steps {
				t.Errorf("%s, after %v", verdict, said)
			}
		})
	}
}

func TestOfficersNeedNoJavaScript(t *testing.T) {
	o := openOffice(t)
	v := visit(t, `{}`)
	v.do(Protocol(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
	v.signIn(o.newLink())
	v.do(
		chromedp.SendKeys(chromedp.CSS(`[name=as_of]`), "4"), chromedp.Click(chromedp.CSS(`.filter button`)),
		chromedp.WaitVisible(chromedp.CSS(`.as-of`)),
		chromedp.Click(chromedp.CSS(`.log .type a`)), chromedp.WaitVisible(onePage),
		chromedp.WaitVisible(chromedp.CSS(`[data-note]`)),
		chromedp.WaitVisible(chromedp.CSS(`.nojs-only`)),
		chromedp.Click(chromedp.CSS(`.officer button`)), chromedp.WaitVisible(chromedp.CSS(`.notice`)),
	)
}

// securityFigures are what a busy hour may look like.
func securityFigures() *officer.Security {
	hour := time.Now().Truncate(time.Hour)
	return &officer.Security{
		CaughtUp: func(context.Context) error { return nil },
		Refusals: func(context.Context, time.Time, int) ([]abuse.Refused, error) {
			return []abuse.Refused{{Hour: hour, Rule: "upload.rate", Scope: "network", N: 1_234_567}, {Hour: hour, Rule: "access.blob", N: 1}}, nil
		},
		Days: func(context.Context, time.Time) ([]abuse.Day, error) {
			return []abuse.Day{{Day: hour, Began: 98_765, Blocked: 432}}, nil
		},
		Answers: func(context.Context, time.Time) ([]officer.Answers, error) {
			return []officer.Answers{{Hour: hour, N: [6]int64{2: 1_234_567, 3: 12, 4: 3456, 5: 7}}}, nil
		},
		Kept: func(context.Context) (officer.TechnicalData, error) {
			return officer.TechnicalData{Requests: hour, Visits: 98_765, EndsNext: hour}, nil
		},
		Now: time.Now,
	}
}

// The pages in both schemes, on a desk and on a small phone.
func TestOfficersPages(t *testing.T) {
	o := openOffice(t)
	o.record.Uncovered.Store(0)
	for scheme, setUp := range map[string][]Step{"light": nil, "dark": {dark()}} {
		t.Run(scheme, func(t *testing.T) {
			v := visit(t, `{}`)
			v.do(setUp...)
			link := o.newLink()
			v.do(chromedp.Navigate(link), chromedp.WaitVisible(chromedp.CSS(`main h1`)))
			v.check("officer-enter-"+scheme, 1280)
			v.signIn(link)
			for name, address := range map[string]string{
				"log": "/officer/log", "as-of": "/officer/log?as_of=4&order=oldest", "nothing": "/officer/log?type=" + string(image.Downloaded{}.EventName()),
				"mistake": "/officer/log?as_of=soon", "uploaded": "/officer/log/1", "member": "/officer/log/5", "security": "/officer/security",
			} {
				for _, width := range []int64{320, 1280} {
					v.do(chromedp.EmulateViewport(width, 900), chromedp.Navigate(o.url+address), chromedp.WaitVisible(chromedp.CSS(`main h1`)))
					if name == "uploaded" {
						v.prove()
					}
					v.check("officer-"+name+"-"+scheme, width)
				}
			}
			v.do(chromedp.Navigate(o.url+"/officer/log/1"), chromedp.WaitVisible(onePage))
			get(v, chromedp.Evaluate[bool](`document.querySelector('[data-path]').textContent = '`+strings.Repeat("ab", 32)+`'; true`))
			v.prove()
			v.check("officer-tampered-"+scheme, 1280)
			v.do(chromedp.Click(chromedp.CSS(`.officer button`)))
			v.soon(`document.querySelector('h1')?.textContent === 'You are signed out'`)
			v.check("officer-left-"+scheme, 1280)
			v.do(chromedp.EmulateViewport(320, 900), chromedp.Navigate(o.url+"/officer/log"), chromedp.WaitVisible(chromedp.CSS(`main h1`)))
			v.check("officer-refused-"+scheme, 320)
		})
	}
}

// Visitors beside an officer in the same browser: the officer's cookie does not come along.
func TestOfficersCookieStaysAtTheirPages(t *testing.T) {
	o := openOffice(t)
	v := visit(t, `{}`)
	v.signIn(o.newLink())
	for _, address := range []string{"/", "/stats", "/nowhere"} {
		v.do(chromedp.Navigate(o.url+address), chromedp.WaitVisible(chromedp.CSS(`main h1`)))
		if seen := get(v, chromedp.Evaluate[string](`document.cookie`)); seen != "" {
			t.Errorf("%s can read %q", address, seen)
		}
		if footer := get(v, chromedp.Evaluate[string](`document.querySelector('footer').textContent`)); !strings.Contains(footer, "No cookies") {
			t.Errorf("%s says %q", address, footer)
		}
	}
}
