//go:build browser

package browsertest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/bgremover/bgremover/internal/embedded"
	"github.com/bgremover/bgremover/internal/testphotos"
)

// visitor is somebody in front of a browser of their own.
type visitor struct {
	*testing.T
	ctx context.Context
}

// cookiesOff is what the browser keeps when its owner forbids every site to store anything.
const cookiesOff = `{"profile": {"default_content_setting_values": {"cookies": 2}}}`

// visit opens a browser with these preferences.
func visit(t *testing.T, preferences string) *visitor {
	t.Helper()
	profile := t.TempDir()
	if err := os.Mkdir(filepath.Join(profile, "Default"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(profile, "Default", "Preferences"), []byte(preferences), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx := Open(t, profile)
	limited, stopTime := context.WithTimeout(ctx, 60*time.Second)
	t.Cleanup(stopTime)
	v := &visitor{T: t, ctx: limited}
	v.do(
		Protocol(browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
			Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: t.TempDir(),
		}),
		Protocol(page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{
			Source: `window.violations = []; addEventListener('securitypolicyviolation', e => violations.push(e.violatedDirective + ' ' + e.blockedURI))`,
		}),
		chromedp.EmulateViewport(1280, 900),
	)
	return v
}

func dark() Step {
	return Protocol(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: "dark"}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

func (v *visitor) do(steps ...Step) {
	v.Helper()
	for i, one := range steps {
		if err := chromedp.Do(v.ctx, one); err != nil {
			v.Fatalf("step %d: %v", i+1, err)
		}
	}
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

// until waits for an expression to become true in the page.
func (v *visitor) until(expression string) {
	v.Helper()
	if _, err := chromedp.Run(v.ctx, chromedp.Poll[bool](expression)); err != nil {
		v.Fatalf("%s: %v", expression, err)
	}
}

// choose chooses a file on the home page, which sends it.
func (v *visitor) choose(file string) {
	v.Helper()
	v.do(chromedp.SetUploadFiles(chromedp.CSS("#photo"), []string{file}))
}

// file makes a file that a browser can choose.
func file(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func photo(t *testing.T) string { return file(t, "holiday.jpg", testphotos.Original("astronaut")) }

// check looks at the page as it is: nothing to scroll sideways, nothing that axe finds,
// nothing that the policy forbids, no cookie.
func (v *visitor) check(name string, width int64) {
	v.Helper()
	if wide := get(v, chromedp.Evaluate[int64](`document.documentElement.scrollWidth`)); wide > width {
		v.Errorf("%s is %d px wide", name, wide)
	}
	get(v, chromedp.Evaluate[bool](axe(v.T)+`; true`))
	found := get(v, chromedp.Evaluate[[]string](
		`axe.run().then(r => r.passes.length === 0 ? ['axe checked nothing'] : r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).join(' | ')))`,
		chromedp.EvalAwaitPromise))
	for _, violation := range found {
		v.Errorf("%s: axe finds %s", name, violation)
	}
	v.clean(name)
	if folder := os.Getenv("BGREMOVER_SCREENSHOTS"); folder != "" { // to look at
		shot := filepath.Join(folder, fmt.Sprintf("%s-%d.png", name, width))
		if err := os.WriteFile(shot, get(v, chromedp.FullScreenshot(100)), 0o600); err != nil {
			v.Fatal(err)
		}
	}
}

// clean says that the page broke none of its own rules.
func (v *visitor) clean(name string) {
	v.Helper()
	if broken := get(v, chromedp.Evaluate[[]string](`violations`)); len(broken) > 0 {
		v.Errorf("%s violates the policy: %s", name, strings.Join(broken, ", "))
	}
	others := get(v, chromedp.Evaluate[[]string](
		`performance.getEntriesByType('resource').map(e => e.name).filter(n => !n.startsWith(location.origin) && !n.startsWith('blob:' + location.origin))`))
	if len(others) > 0 {
		v.Errorf("%s asks others: %s", name, strings.Join(others, ", "))
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
