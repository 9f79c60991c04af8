//go:build browser

package browsertest

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const (
	waiting = chromedp.CSS(`#picture[data-status="waiting"]`)
	ready   = chromedp.CSS(`#picture[data-status="ready"]`)
	gone    = chromedp.CSS(`#picture[data-status="deleted"]`)
)

// The moments between a choice and a cutout, in both schemes, on a desk and on a small phone.
func TestMomentsInBetween(t *testing.T) {
	for scheme, setUp := range map[string][]Step{"light": nil, "dark": {dark()}} {
		for _, width := range []int64{1280, 320} {
			t.Run(scheme, func(t *testing.T) {
				uploads, cutouts := make(chan struct{}), make(chan struct{})
				w := start(t, uploads, cutouts)
				v := visit(t, `{}`)
				v.do(append(setUp, chromedp.EmulateViewport(width, 900), chromedp.Navigate(w.url+"/"))...)

				v.choose(file(t, "notes.txt", make([]byte, 26<<20)))
				v.until(`document.querySelector('.problem').textContent.includes('too large')`)
				v.check("refused-"+scheme, width)

				v.choose(photo(t))
				v.do(chromedp.WaitVisible(chromedp.CSS(`.sending img`)))
				v.check("sending-"+scheme, width)

				close(uploads)
				v.do(chromedp.WaitVisible(waiting))
				v.until(`document.querySelector('.photo img').naturalWidth === 512`)
				v.check("waiting-"+scheme, width)

				close(cutouts)
				v.do(chromedp.WaitVisible(ready))
				v.until(`document.getElementById('announce').textContent === 'Your cutout is ready'`)
				v.clean("ready")
			})
		}
	}
}

func TestSendingCanBeCancelled(t *testing.T) {
	uploads := make(chan struct{})
	w := start(t, uploads, nil)
	defer close(uploads)
	v := visit(t, `{}`)
	v.do(chromedp.Navigate(w.url + "/"))
	v.choose(photo(t))
	v.until(`document.activeElement.matches('[data-cancel]')`)
	v.do(chromedp.KeyEvent(kb.Enter))
	v.until(`document.querySelector('.sending').hidden && document.querySelector('.problem').hidden && document.activeElement.id === 'photo'`)
}

// Somebody who forbids every site to store anything loses nothing here.
func TestWithCookiesOff(t *testing.T) {
	w := start(t, nil, nil)
	v := visit(t, cookiesOff)
	v.do(chromedp.Navigate(w.url + "/"))
	if kept := get(v, chromedp.Evaluate[string](`(document.cookie = 'a=b', document.cookie)`)); kept != "" {
		t.Fatal("the browser's cookies are on, so that this would show nothing")
	}
	v.choose(photo(t))
	v.do(chromedp.WaitVisible(ready), chromedp.Click(chromedp.CSS(`.actions a.button`)), chromedp.WaitVisible(gone))
	v.clean("gone")
}

// From choice to proof with the keyboard alone; what is swapped takes the focus along.
func TestDownloadByKeyboard(t *testing.T) {
	w := start(t, nil, nil)
	v := visit(t, `{}`)
	v.do(chromedp.Navigate(w.url + "/"))
	v.choose(photo(t))
	v.do(chromedp.WaitVisible(ready))
	v.until(`document.activeElement.id === 'heading'`)
	v.tabTo(`.actions a.button`)
	v.do(chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(gone))
	v.tabTo(`[data-check]`)
	v.do(chromedp.KeyEvent(kb.Enter))
	v.until(`document.querySelector('.check-answer').textContent.includes('410')`)
}

// tabTo presses Tab until an element has the focus.
func (v *visitor) tabTo(selector string) {
	v.Helper()
	for range 40 {
		v.do(chromedp.KeyEvent(kb.Tab))
		if get(v, chromedp.Evaluate[bool](`document.activeElement.matches('`+selector+`')`)) {
			return
		}
	}
	v.Fatalf("Tab does not lead to %s", selector)
}

// A page whose stream the service cannot serve asks again, and catches up.
func TestStreamThatWasAway(t *testing.T) {
	cutouts := make(chan struct{})
	w := start(t, nil, cutouts)
	w.streamsAway.Store(true)
	v := visit(t, `{}`)
	v.do(chromedp.Navigate(w.url + "/"))
	v.choose(photo(t))
	v.do(chromedp.WaitVisible(waiting))
	close(cutouts)
	w.streamsAway.Store(false)
	v.do(chromedp.WaitVisible(ready))
}

// Going back leads to the page that was there, and forward to the picture again.
func TestBackAndForward(t *testing.T) {
	w := start(t, nil, nil)
	v := visit(t, `{}`)
	v.do(chromedp.Navigate(w.url + "/"))
	v.choose(photo(t))
	v.do(chromedp.WaitVisible(ready))
	get(v, chromedp.Evaluate[bool](`history.back(), true`))
	v.do(chromedp.WaitVisible(chromedp.CSS(`#drop`)))
	get(v, chromedp.Evaluate[bool](`history.forward(), true`))
	v.do(chromedp.WaitVisible(ready))
}
