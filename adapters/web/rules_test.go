package web_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/web"
	"github.com/bgremover/bgremover/adapters/web/officer"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/internal/usecase"
)

// ruleDesk lists what a test says, and notes what officers decide.
type ruleDesk struct {
	all     []usecase.Rules
	refuse  error
	decided []string
}

func (d *ruleDesk) Do(context.Context) ([]usecase.Rules, error) { return d.all, nil }

// deciding notes decisions under a name.
type deciding struct {
	*ruleDesk

	what string
}

func (d deciding) Do(_ context.Context, o usecase.Officer, revision int64, simulation string) error {
	if d.refuse != nil {
		return d.refuse
	}
	name, _ := o.Name.Reveal()
	d.decided = append(d.decided, strings.Join([]string{d.what, name, policy.RevisionName(revision), simulation}, " "))
	return nil
}

func newRuleDesk(t *testing.T, all ...usecase.Rules) (*office, *ruleDesk) {
	t.Helper()
	desk := &ruleDesk{all: all}
	return newOffice(t, func(c *web.Config) {
		c.Officer = &officer.Config{Rules: &officer.Rules{List: desk, Propose: deciding{desk, "propose"}, Approve: deciding{desk, "approve"}}}
	}), desk
}

func rulesOf(revision int64, state usecase.RulesState, proposer string) usecase.Rules {
	r := usecase.Rules{State: state, Since: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC), Seq: 7}
	r.Revision, r.Digest, r.SignedBy = revision, "digest-"+policy.RevisionName(revision), "ours-1"
	if proposer != "" {
		r.Proposal = &policy.Proposal{Simulation: "5e", By: personal.Of(proposer)}
	}
	return r
}

func TestRulesPage(t *testing.T) {
	release := rulesOf(4, usecase.RulesInUse, "")
	release.SignedBy = "release"
	tests := map[string]struct {
		given []usecase.Rules
		has   []string
		lacks []string
	}{
		"none": {nil, []string{"No rules are in the record yet"}, []string{"<article"}},
		"the release's": {
			[]usecase.Rules{release},
			[]string{"Revision 4", "in force", "the release carries it", "digest-4", "/officer/log/7"},
			[]string{"<form class=\"filter\""},
		},
		"stored": {[]usecase.Rules{rulesOf(5, usecase.RulesStored, "")}, []string{"stored", "ours-1", `action="/officer/policy/5/propose"`}, []string{`/approve"`}},
		"proposed by another": {
			[]usecase.Rules{rulesOf(5, usecase.RulesProposed, "Ada")},
			[]string{`action="/officer/policy/5/approve"`, `name="simulation" value="5e"`, "Propose it anew"},
			[]string{"Ada", "You have proposed it"},
		},
		"proposed by whoever looks": {
			[]usecase.Rules{rulesOf(5, usecase.RulesProposed, "Grace <Hopper>")},
			[]string{"You have proposed it"},
			[]string{`/approve"`},
		},
		"passed over": {[]usecase.Rules{rulesOf(3, usecase.RulesPassed, "Ada")}, []string{"passed over"}, []string{"<form class=\"filter\""}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			o, _ := newRuleDesk(t, tt.given...)
			if got := o.get("/officer/policy"); got.Code != http.StatusUnauthorized {
				t.Errorf("without a session: %d", got.Code)
			}
			page := o.signIn().get("/officer/policy").Body.String()
			for _, want := range tt.has {
				if !strings.Contains(page, want) {
					t.Errorf("it lacks %q:\n%s", want, page)
				}
			}
			for _, other := range tt.lacks {
				if strings.Contains(page, other) {
					t.Errorf("it has %q:\n%s", other, page)
				}
			}
		})
	}
}

func TestOfficersDecideAboutRules(t *testing.T) {
	o, desk := newRuleDesk(t, rulesOf(5, usecase.RulesProposed, "Ada"))
	form := url.Values{"simulation": {"5e"}}
	if got := o.submit("/officer/policy/5/approve", form); got.Code != http.StatusUnauthorized {
		t.Errorf("without a session: %d", got.Code)
	}
	o.signIn()
	for what, want := range map[string]string{"propose": "propose Grace <Hopper> 5 5e", "approve": "approve Grace <Hopper> 5 5e"} {
		desk.decided = nil
		got := o.submit("/officer/policy/5/"+what, form)
		if got.Code != http.StatusSeeOther || got.Header().Get("Location") != "/officer/policy#revision-5" {
			t.Errorf("%s: %d to %q", what, got.Code, got.Header().Get("Location"))
		}
		if len(desk.decided) != 1 || desk.decided[0] != want {
			t.Errorf("%s: %q", what, desk.decided)
		}
	}
	if got := o.submit("/officer/policy/five/approve", form); got.Code != http.StatusNotFound {
		t.Errorf("no revision: %d", got.Code)
	}
	other := o.do(t, "POST", "/officer/policy/5/approve", strings.NewReader(form.Encode()),
		"Cookie", o.cookie, "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "cross-site")
	if other.Code != http.StatusForbidden {
		t.Errorf("from another site: %d", other.Code)
	}
	desk.refuse = policy.ErrSamePerson
	if got := o.submit("/officer/policy/5/approve", form); got.Code != http.StatusForbidden || !strings.Contains(got.Body.String(), "policy.same_person") {
		t.Errorf("refused: %d %s", got.Code, got.Body)
	}
}

// submit sends a form as the page does.
func (o *office) submit(target string, form url.Values) *httptest.ResponseRecorder {
	o.t.Helper()
	return o.do(o.t, "POST", target, strings.NewReader(form.Encode()), "Cookie", o.cookie, "Content-Type", "application/x-www-form-urlencoded")
}
