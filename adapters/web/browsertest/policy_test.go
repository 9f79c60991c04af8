//go:build browser

package browsertest

import (
	"log/slog"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/bgremover/bgremover/adapters/web"
	"github.com/bgremover/bgremover/adapters/web/public"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/internal/published"
	"github.com/bgremover/bgremover/policies"
)

// publish starts a site with the policy of this release, which its operator has filled in half.
func publish(t *testing.T) (url string) {
	t.Helper()
	p, err := published.Load(policies.Published)
	if err != nil {
		t.Fatal(err)
	}
	rules, err := published.Rules(policies.Bundle)
	if err != nil {
		t.Fatal(err)
	}
	site := web.New(web.Config{
		Policy: &public.Policy{
			Promises: p.Promises, Versions: p.Versions, Rules: rules,
			Operator: policy.Operator{Name: "Example Ltd", Contact: "privacy@example.org", Region: "Frankfurt, Germany (EU)"},
		},
		Log: slog.New(slog.DiscardHandler),
	})
	server := httptest.NewServer(site)
	t.Cleanup(func() {
		site.Stop()
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

// The pages in both schemes, on a desk and on a small phone.
func TestPolicyPages(t *testing.T) {
	url := publish(t)
	for scheme, setUp := range map[string][]step{"light": nil, "dark": {dark()}} {
		for name, address := range map[string]string{"privacy": "/privacy", "promises": "/promises"} {
			t.Run(name+"-"+scheme, func(t *testing.T) {
				v := visit(t, `{}`)
				v.do(setUp...)
				for _, width := range []int64{320, 1280} {
					v.do(chromedp.EmulateViewport(width, 900), chromedp.Navigate(url+address), chromedp.WaitVisible(chromedp.CSS(`main h1`)))
					v.check(name+"-"+scheme, width)
				}
			})
		}
		t.Run("promises-open-"+scheme, func(t *testing.T) {
			v := visit(t, `{}`)
			v.do(append(setUp, chromedp.Navigate(url+"/promises"), chromedp.WaitVisible(chromedp.CSS(`main h1`)))...)
			get(v, chromedp.Evaluate[bool](`document.querySelectorAll('.promise:first-of-type details, .rule').forEach(d => d.open = true); true`))
			v.check("promises-open-"+scheme, 1280)
		})
	}
}

// From a sentence to its promise and back, and down the page by its contents, without a script.
func TestPolicyByLinksAlone(t *testing.T) {
	url := publish(t)
	v := visit(t, cookiesOff)
	v.do(
		protocol(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}),
		chromedp.Navigate(url+"/verify"), chromedp.Click(chromedp.CSS(`footer a[href="/privacy"]`)), chromedp.WaitVisible(chromedp.CSS(`.prose`)),
		chromedp.Click(chromedp.CSS(`.contents a[href="#cookies"]`)),
		chromedp.Click(chromedp.CSS(`a[href="/promises#cookie.essential"]`)), chromedp.WaitVisible(chromedp.CSS(`.promise:target`)),
	)
	if at := get(v, chromedp.Evaluate[string](`document.querySelector('.promise:target').id + ' ' + (document.querySelector('.promise:target').getBoundingClientRect().top < innerHeight)`)); at != "cookie.essential true" {
		t.Errorf("the link leads to %s", at)
	}
	v.do(
		chromedp.Click(chromedp.CSS(`.promise:target summary`)), chromedp.Click(chromedp.CSS(`.promise:target a[href="#rule-consent.given"]`)),
		chromedp.Click(chromedp.CSS(`.rule:target summary`)), chromedp.WaitVisible(chromedp.CSS(`.rule:target .source`)),
	)
}
