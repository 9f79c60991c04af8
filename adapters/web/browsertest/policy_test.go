//go:build browser

package browsertest

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

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
			Facts:    map[string]public.Fact{"image.deleted.v1": {{Name: "why"}, {Name: "due"}}, "audit.attestation_made.v1": {{Name: "promise"}, {Name: "note", Sealed: true}}},
			Evidence: evidence(p.Promises), Now: time.Now,
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

// evidence shows every promise that is built as kept, but one that is broken and one at risk.
func evidence(all policy.Catalogue) public.Evidence {
	return func(context.Context) (public.Known, error) {
		now := time.Now()
		known := public.Known{Read: now, Through: 123_456, Of: map[policy.ID]policy.Evidence{}}
		for i, p := range all {
			f := policy.Figure{Name: p.Figure, At: now, Standing: policy.Kept, Why: "Every photo that was deleted in the last 30 days was deleted in time, and none is overdue.", Values: []policy.Value{
				policy.Rounded("deleted in time, last 30 days", 1_204_317, "photos"), policy.Rounded("others, last 30 days", 3, "photos"),
				{Label: "downloaded and not deleted within a minute, last 30 days", Unit: "photos"},
			}}
			switch i {
			case 0:
				f.Standing, f.Why = policy.Broken, "1 photo is past its deadline and not deleted, the first since 12:00:01 UTC on 2 March 2026."
			case 1:
				f.Standing, f.Why = policy.AtRisk, "Removal is late: something should have been removed at 12:00:01 UTC on 2 March 2026."
			}
			known.Of[p.ID] = policy.Evidence{
				Figure: &f, Checks: []policy.Checked{{Name: p.Check, At: now, Passed: true, Looked: 7}},
				Signed: &policy.Signed{At: now, Until: now.AddDate(1, 0, 0), Current: true}, Audit: &policy.Audited{At: now, Whole: true},
			}
		}
		return known, nil
	}
}

// The pages in both schemes, on a desk and on a small phone.
func TestPolicyPages(t *testing.T) {
	url := publish(t)
	for scheme, setUp := range map[string][]Step{"light": nil, "dark": {dark()}} {
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
		Protocol(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}),
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
