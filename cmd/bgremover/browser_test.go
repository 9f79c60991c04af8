//go:build browser

package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/bgremover/bgremover/adapters/web/browsertest"
	"github.com/bgremover/bgremover/internal/embedded"
	"github.com/bgremover/bgremover/internal/evidence"
	"github.com/bgremover/bgremover/internal/testphotos"
)

// The pages in a real Chromium, on a real service. They are behind a build tag because not
// every machine has one; `make test` says when they did not run, and in CI they must.

// visitor is somebody in front of a browser of their own. When the test ends, it is checked
// that nothing was asked of another site, no policy was violated, no script failed and no cookie was set.
type visitor struct {
	*testing.T
	ctx       context.Context
	site      string
	downloads string
	cookie    string // the one that an officer is given; visitors get none

	mu       sync.Mutex
	troubles []string
}

// step is what is done in the browser, one after the other.
type step = browsertest.Step

// openBrowser opens a browser on a service.
func openBrowser(t *testing.T, s *running, setUp ...step) *visitor {
	t.Helper()
	ctx := browsertest.Open(t, t.TempDir())
	limited, stopTime := context.WithTimeout(ctx, 90*time.Second)
	v := &visitor{T: t, ctx: limited, site: s.url, downloads: t.TempDir()}
	watching, stopWatching := context.WithCancel(ctx)
	var watchers sync.WaitGroup
	t.Cleanup(func() {
		v.noCookies()
		stopWatching()
		watchers.Wait()
		stopTime()
		for _, trouble := range v.troubles {
			t.Error(trouble)
		}
	})
	watch(v, &watchers, watching, network.RequestWillBeSent, v.asked)
	watch(v, &watchers, watching, network.ResponseReceived, v.answered)
	watch(v, &watchers, watching, runtime.ExceptionThrown, func(e runtime.EventExceptionThrown) {
		v.trouble("a script failed: %s", e.ExceptionDetails.Text)
	})
	watch(v, &watchers, watching, runtime.ConsoleAPICalled, func(e runtime.EventConsoleAPICalled) {
		if e.Type == runtime.ConsoleAPICalledTypeError {
			v.trouble("a script complains, or the policy was violated: %v", said(e))
		}
	})
	v.do(append([]step{
		browsertest.Protocol(network.Enable, network.EnableParams{}),
		browsertest.Protocol(runtime.Enable, cdp.Empty{}),
		browsertest.Protocol(browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
			Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: v.downloads,
		}),
		chromedp.EmulateViewport(1280, 900),
	}, setUp...)...)
	return v
}

// watch tells about every event of a kind until ctx ends.
func watch[E any](v *visitor, watchers *sync.WaitGroup, ctx context.Context, kind cdp.Event[E], tell func(E)) {
	events := cdp.Events(ctx, chromedp.FromContext(v.ctx).Target, kind)
	watchers.Go(func() {
		for e, err := range events {
			if err != nil {
				return
			}
			tell(e)
		}
	})
}

func (v *visitor) trouble(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.troubles = append(v.troubles, fmt.Sprintf(format, args...))
}

func (v *visitor) asked(e network.EventRequestWillBeSent) {
	u, err := url.Parse(e.Request.URL)
	local := err == nil && (u.Scheme == "blob" || u.Scheme == "data")
	if !local && !strings.HasPrefix(e.Request.URL, v.site+"/") {
		v.trouble("asked another site: %s", e.Request.URL)
	}
}

func (v *visitor) answered(e network.EventResponseReceived) {
	for name := range e.Response.Headers {
		if strings.EqualFold(name, "Set-Cookie") && v.cookie == "" {
			v.trouble("an answer sets a cookie")
		}
	}
}

func said(e runtime.EventConsoleAPICalled) (words []string) {
	for _, arg := range e.Args {
		words = append(words, string(arg.Value))
	}
	return words
}

func (v *visitor) do(steps ...step) {
	v.Helper()
	for i, one := range steps {
		if err := chromedp.Do(v.ctx, one); err != nil {
			where, _ := chromedp.Run(chromedpContext(v), chromedp.Location())
			text, _ := chromedp.Run(chromedpContext(v), chromedp.TextContent(chromedp.CSS("body")))
			v.Fatalf("step %d: %v, on %s:\n%s", i+1, err, strings.SplitN(where, "?", 2)[0], strings.Join(strings.Fields(text), " "))
		}
	}
}

// chromedpContext is for a last look, also when the time is over.
func chromedpContext(v *visitor) context.Context {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(v.ctx), 5*time.Second)
	v.Cleanup(cancel)
	return ctx
}

// get does one step and returns what it found.
func get[T any](v *visitor, a chromedp.Action[T]) T {
	v.Helper()
	found, err := chromedp.Run(v.ctx, a)
	if err != nil {
		v.Fatal(err)
	}
	return found
}

// noCookies looks into the browser's own jar.
func (v *visitor) noCookies() {
	jar, err := chromedp.Run(chromedpContext(v), func(ctx context.Context, t *chromedp.Target) (network.GetCookiesResult, error) {
		return cdp.Call(ctx, t, network.GetCookies, network.GetCookiesParams{})
	})
	if err != nil {
		v.Errorf("look for cookies: %v", err)
	}
	for _, c := range jar.Cookies {
		if c.Name != v.cookie {
			v.trouble("cookie %s", c.Name)
		}
	}
}

// watchPolicy makes violations of the content security policy complain, on every page.
func watchPolicy() step {
	return browsertest.Protocol(page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{
		Source: `addEventListener('securitypolicyviolation', e => console.error('policy', e.violatedDirective, e.blockedURI))`,
	})
}

func noScripts() step {
	return browsertest.Protocol(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
}

func dark() step {
	return browsertest.Protocol(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: "dark"}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

// picture is the photo as a file that a browser can choose.
func picture(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "holiday.jpg")
	write(t, path, testphotos.Original("astronaut"))
	return path
}

const (
	ready = chromedp.CSS(`#picture[data-status="ready"]`)
	gone  = chromedp.CSS(`#picture[data-status="deleted"]`)
)

func TestBrowserWholeLife(t *testing.T) {
	t.Parallel()
	s := serve(t, dataFolder(t))
	v := openBrowser(t, s, watchPolicy())
	v.do(
		chromedp.Navigate(s.url+"/"),
		chromedp.SetUploadFiles(chromedp.CSS("#photo"), []string{picture(t)}),
		chromedp.WaitVisible(ready),
		chromedp.WaitVisible(chromedp.CSS(`.compare input[type=range]`)),
	)
	// The slider moves between before and after.
	split := get(v, chromedp.Evaluate[string](`(() => {
		const range = document.querySelector('.compare input');
		range.value = 75;
		range.dispatchEvent(new Event('input'));
		return document.querySelector('.compare').style.getPropertyValue('--split') })()`))
	if split != "75%" {
		t.Errorf("the slider stands at %q", split)
	}
	if left := get(v, chromedp.Text(chromedp.CSS(".left"))); !strings.HasPrefix(left, "in 23:59:") {
		t.Errorf("the countdown says %q", left)
	}
	v.do(chromedp.Click(chromedp.CSS(`.actions a.button`)), chromedp.WaitVisible(gone))
	proof := get(v, chromedp.Text(chromedp.CSS(".proof")))
	for _, word := range []string{`No\. \d+ image\.deleted`, `No\. \d+ vault\.key_destroyed`} {
		if !regexp.MustCompile(word).MatchString(proof) {
			t.Errorf("the proof does not name %s: %s", word, proof)
		}
	}
	v.do(chromedp.Click(chromedp.CSS(`[data-check]`)))
	get(v, chromedp.Poll[bool](`document.querySelector('.check-answer').textContent.includes('410')`))
	checkCutout(t, v.downloaded("*.png"))

	v.do(chromedp.Click(chromedp.CSS(`a[download="deletion-receipt.txt"]`)))
	verdict, err := evidence.Check(v.downloaded("*.txt"), evidence.Known{Key: s.firstKey()})
	if err != nil || string(verdict.Receipt.Why) != "downloaded" {
		t.Errorf("the receipt: %v, %+v", err, verdict.Receipt)
	}
}

// downloaded waits for the file of such a name that the browser saves.
func (v *visitor) downloaded(named string) []byte {
	v.Helper()
	var content []byte
	until(v.T, "the downloaded file", func() bool {
		found, _ := filepath.Glob(filepath.Join(v.downloads, named))
		if len(found) != 1 {
			return false
		}
		var err error
		content, err = os.ReadFile(found[0])
		return err == nil && len(content) > 0
	})
	return content
}

func TestBrowserDropAndPaste(t *testing.T) {
	t.Parallel()
	s := serve(t, dataFolder(t))
	for how, event := range map[string]string{
		"drop":  `document.dispatchEvent(new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true}))`,
		"paste": `document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true}))`,
	} {
		t.Run(how, func(t *testing.T) {
			v := openBrowser(t, s, watchPolicy())
			v.do(chromedp.Navigate(s.url + "/"))
			photo := base64.StdEncoding.EncodeToString(testphotos.Original("coffee"))
			get(v, chromedp.Evaluate[bool](`(() => {
				const bytes = Uint8Array.from(atob('`+photo+`'), c => c.charCodeAt(0));
				const data = new DataTransfer();
				data.items.add(new File([bytes], 'coffee.jpg', {type: 'image/jpeg'}));
				`+event+`;
				return true })()`))
			v.do(chromedp.WaitVisible(ready), chromedp.Click(chromedp.CSS(`.delete button`)), chromedp.WaitVisible(gone))
		})
	}
}

func TestBrowserWithoutJavaScript(t *testing.T) {
	t.Parallel()
	s := serve(t, dataFolder(t))
	receipt := chromedp.CSS(`.receipt`)
	for how, end := range map[string]func(*visitor){
		"delete": func(v *visitor) {
			v.do(chromedp.Click(chromedp.CSS(`.delete button`)), chromedp.WaitVisible(receipt))
		},
		"download": func(v *visitor) {
			v.do(chromedp.Click(chromedp.CSS(`.actions a.button`)))
			checkCutout(v.T, v.downloaded("*.png"))
			v.do(chromedp.Click(chromedp.CSS(`.side p.nojs-only a`)), chromedp.WaitVisible(receipt))
		},
	} {
		t.Run(how, func(t *testing.T) {
			v := openBrowser(t, s, noScripts())
			v.do(
				chromedp.Navigate(s.url+"/"),
				chromedp.SetUploadFiles(chromedp.CSS("#photo"), []string{picture(t)}),
				chromedp.Click(chromedp.CSS(`#drop button[type=submit]`)),
				chromedp.WaitVisible(ready), // the page looks again by itself
			)
			end(v)
		})
	}
}

func TestBrowserByKeyboard(t *testing.T) {
	t.Parallel()
	s := serve(t, dataFolder(t))
	v := openBrowser(t, s, watchPolicy())
	v.do(chromedp.Navigate(s.url + "/"))
	v.tabTo(`#photo`)
	v.do(chromedp.SetUploadFiles(chromedp.CSS("#photo"), []string{picture(t)}), chromedp.WaitVisible(ready))
	v.tabTo(`.compare input`)
	before := get(v, chromedp.Value(chromedp.CSS(`.compare input`)))
	v.do(chromedp.KeyEvent(kb.ArrowRight))
	if after := get(v, chromedp.Value(chromedp.CSS(`.compare input`))); before == after {
		t.Errorf("the arrow key leaves the slider at %s", before)
	}
	v.tabTo(`.delete button`)
	v.do(chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(gone))
}

// tabTo presses Tab until an element has the focus, which must be visible.
func (v *visitor) tabTo(selector string) {
	v.Helper()
	for range 40 {
		v.do(chromedp.KeyEvent(kb.Tab))
		if !get(v, chromedp.Evaluate[bool](`document.activeElement.matches(':focus-visible') && document.activeElement.getClientRects().length > 0`)) {
			v.Errorf("on the way to %s the focus cannot be seen", selector)
		}
		if get(v, chromedp.Evaluate[bool](`document.activeElement.matches('`+selector+`')`)) {
			return
		}
	}
	v.Fatalf("Tab does not lead to %s", selector)
}

// Every page in both schemes at the width of a small phone and of a desk: nothing to
// scroll sideways, and nothing that axe finds.
func TestBrowserEveryPage(t *testing.T) {
	t.Parallel()
	s := serve(t, dataFolder(t))
	shown := s.upload(testphotos.Original("coffee"))
	until(t, "the cutout", func() bool { return s.status(shown) == "ready" })
	deleted := s.upload(testphotos.Original("rocket"))
	s.ask(http.MethodDelete, "/v1/images/"+deleted.ID, deleted.Capability)
	broken := s.upload(testphotos.Original("chelsea")[:9000])
	until(t, "the refusal", func() bool { return s.status(broken) == "failed" })
	for range 6 { // more than are hidden
		a := s.upload(testphotos.Original("rocket"))
		until(t, "the cutout", func() bool { return s.status(a) == "ready" })
	}
	s.stop()
	s = serve(t, s.data, "--clock-offset", "2h") // figures show an hour when it is over

	link := func(a accepted) string { return "/i/" + a.ID + "?key=" + a.Capability }
	pages := map[string]string{
		"home": "/", "ready": link(shown), "gone": link(deleted), "failed": link(broken), "stats": "/stats", "verify": "/verify", "no such page": "/nowhere",
	}
	axe := axe(t)
	for scheme, setUp := range map[string][]step{"light": nil, "dark": {dark()}} {
		t.Run(scheme, func(t *testing.T) {
			v := openBrowser(t, s, setUp...)
			for name, address := range pages {
				for _, width := range []int64{320, 1280} {
					v.checkPage(fmt.Sprintf("%s-%s-%d", name, scheme, width), address, width, axe)
				}
			}
		})
	}
}

// axe is the source of axe-core.
func axe(t *testing.T) string {
	t.Helper()
	files, err := embedded.FindRuntime()
	if err != nil {
		t.Fatal(err)
	}
	path, err := files.Axe()
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(source)
}

func (v *visitor) checkPage(name, address string, width int64, axe string) {
	v.Helper()
	v.do(
		chromedp.EmulateViewport(width, 900),
		chromedp.Navigate(v.site+address),
		chromedp.WaitVisible(chromedp.CSS("main h1")),
	)
	if wide := get(v, chromedp.Evaluate[int64](`document.documentElement.scrollWidth`)); wide > width {
		v.Errorf("%s is %d px wide", name, wide)
	}
	get(v, chromedp.Evaluate[bool](axe+`; true`))
	found := get(v, chromedp.Evaluate[[]string](
		`axe.run().then(r => r.passes.length === 0 ? ['axe checked nothing'] : r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).join(' | ')))`,
		chromedp.EvalAwaitPromise))
	for _, violation := range found {
		v.Errorf("%s: axe finds %s", name, violation)
	}
	if folder := os.Getenv("BGREMOVER_SCREENSHOTS"); folder != "" { // to look at
		write(v.T, filepath.Join(folder, name+".png"), get(v, chromedp.FullScreenshot(100)))
	}
}
