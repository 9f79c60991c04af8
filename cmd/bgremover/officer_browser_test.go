//go:build browser

package main

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// An officer's day on a real service: the link, a filter, a fact of a picture that is gone, its
// proof checked in the browser, and out again.
func TestBrowserOfficer(t *testing.T) {
	t.Parallel()
	s := serve(t, dataFolder(t), "--checkpoint-every", "1s")
	up := s.upload(photo(t))
	until(t, "the cutout", func() bool { return s.status(up) == "ready" })
	s.ask("DELETE", "/v1/images/"+up.ID, up.Capability)

	v := openBrowser(t, s, watchPolicy())
	v.cookie = "officer"
	link := s.officerLink("Grace Hopper")
	v.do(
		chromedp.Navigate(link),
		chromedp.Click(chromedp.CSS(`main form button`)),
		chromedp.WaitVisible(chromedp.CSS(`table.log`)),
		chromedp.SetValue(chromedp.CSS(`[name=subject]`), "image/"+up.ID),
		chromedp.Click(chromedp.CSS(`.filter button`)),
		chromedp.WaitVisible(chromedp.CSS(`.log tbody tr:nth-child(3):last-child`)),
		chromedp.Click(chromedp.CSS(`.log tbody tr:last-child .type a`)),
		chromedp.WaitVisible(chromedp.CSS(`article.fact`)),
	)
	address := get(v, chromedp.Location())
	until(t, "a checkpoint over it", func() bool {
		v.do(chromedp.Navigate(address), chromedp.WaitVisible(chromedp.CSS(`article.fact`)))
		return get(v, chromedp.Evaluate[bool](`document.querySelector('[data-proof]') !== null`))
	})
	says := get(v, chromedp.Evaluate[string](`document.querySelector('main').textContent`))
	for _, want := range []string{"image.uploaded.v1", "[erased]", "retention.deadline", "image.delete-24h", "image.processed.v1", "vault.key_destroyed.v1"} {
		if !strings.Contains(says, want) {
			t.Errorf("the fact's page lacks %s", want)
		}
	}
	v.do(chromedp.Click(chromedp.CSS(`[data-check-proof]`)))
	get(v, chromedp.Poll[bool](`document.querySelector('.verdict').textContent !== ''`))
	if verdict := get(v, chromedp.Evaluate[string](`document.querySelector('[data-steps]').textContent + document.querySelector('.verdict').textContent`)); !strings.Contains(verdict, "The proof holds") {
		t.Errorf("the check says: %s", verdict)
	}
	v.do(
		chromedp.Click(chromedp.CSS(`.officer button`)),
		chromedp.WaitVisible(chromedp.CSS(`.notice`)),
		chromedp.Navigate(link), // once is enough
		chromedp.WaitVisible(chromedp.CSS(`.notice`)),
	)
	if says := get(v, chromedp.Evaluate[string](`document.querySelector('main').textContent`)); !strings.Contains(says, "staff.link") {
		t.Errorf("the link, used again, says: %s", says)
	}
	for _, line := range s.record("--type", "staff.signed_in.v1") {
		if line.Actor != "officer" {
			t.Errorf("recorded by a %s", line.Actor)
		}
	}
}
