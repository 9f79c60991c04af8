package web_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/usecase"
)

// officersSign lets officers sign, as the rule does.
type officersSign struct{}

func (officersSign) Act(_ context.Context, _, role string, named, _ bool) (bool, event.Decision, error) {
	return role == "officer" && named, event.Decision{Rule: "access.act", Promises: []string{"staff.least"}, Revision: 1, Outcome: "allow", Input: []byte(`{}`)}, nil
}

// lateSignatures are the signatures of a world that is made later.
type lateSignatures struct{ o *office }

func (l lateSignatures) real() usecase.Attest {
	return usecase.Attest{
		Record: l.o.Record, Vault: l.o.Vault, Acts: officersSign{}, Now: l.o.now,
		Promises: policy.Catalogue{
			{ID: "x.signed", Kind: policy.Attested, SignedBy: "officer", HoldsDays: 180, Statement: "I have seen <it>."},
			{ID: "x.theirs", Kind: policy.Attested, SignedBy: "responder", HoldsDays: 10, Statement: "We have seen that."},
		},
	}
}

func (l lateSignatures) List(ctx context.Context) ([]usecase.Attested, error) {
	return l.real().List(ctx)
}

func (l lateSignatures) Sign(ctx context.Context, o usecase.Officer, promise policy.ID, seen string, looked bool, note string) error {
	return l.real().Sign(ctx, o, promise, seen, looked, note)
}

func (l lateSignatures) Withdraw(ctx context.Context, o usecase.Officer, promise policy.ID, note string) error {
	return l.real().Withdraw(ctx, o, promise, note)
}

// send sends a form.
func (o *office) send(target string, form url.Values) *httptest.ResponseRecorder {
	o.t.Helper()
	return o.do(o.t, "POST", target, strings.NewReader(form.Encode()), "Cookie", o.cookie, "Content-Type", "application/x-www-form-urlencoded")
}

var seenWords = system.Statement{Words: "I have seen <it>."}.Digest()

func TestOfficersSignTheExactWords(t *testing.T) {
	o := newOffice(t)
	o.signIn()
	page := o.get("/officer/attestations").Body.String()
	for _, want := range []string{"I have seen &lt;it&gt;.", "nobody has signed", `name="seen" value="` + seenWords + `"`, "I have looked", "We have seen that."} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Count(page, "<form class=\"filter\"") != 1 {
		t.Error("there is a form for what another role signs")
	}
	sign := url.Values{"seen": {seenWords}, "looked": {"yes"}, "note": {"all hosts"}}
	if got := o.send("/officer/attestations/x.signed", sign); got.Code != http.StatusSeeOther || got.Header().Get("Location") != "/officer/attestations#x.signed" {
		t.Fatalf("signing answers %d, %s", got.Code, got.Body)
	}
	last := o.Record.All()[len(o.Record.All())-1]
	if fact, ok := last.Fact.(system.AttestationMade); !ok || fact.Statement != seenWords || last.Actor.Role != event.Officer || last.Actor.Who.IsEmpty() {
		t.Errorf("recorded: %+v", last)
	}
	if page := o.get("/officer/attestations").Body.String(); !strings.Contains(page, ">signed</span>") || strings.Contains(page, "all hosts") {
		t.Error("the page does not say that it is signed, or shows the note")
	}
	o.advance(160 * 24 * time.Hour)
	o.signIn()
	if page := o.get("/officer/attestations").Body.String(); !strings.Contains(page, "20 days are left") && !strings.Contains(page, "19 days are left") {
		t.Error("the page does not say that its time runs out")
	}
	if got := o.send("/officer/attestations/x.signed/withdraw", url.Values{"note": {"a host was missing"}}); got.Code != http.StatusSeeOther {
		t.Fatalf("withdrawing answers %d, %s", got.Code, got.Body)
	}
	if page := o.get("/officer/attestations").Body.String(); !strings.Contains(page, ">withdrawn</span>") {
		t.Error("the page does not say that it was withdrawn")
	}
}

func TestSignaturesThatAreRefused(t *testing.T) {
	o := newOffice(t)
	if got := o.send("/officer/attestations/x.signed", url.Values{"seen": {seenWords}, "looked": {"yes"}}); got.Code != http.StatusUnauthorized {
		t.Errorf("without a session: %d", got.Code)
	}
	o.signIn()
	before := len(o.Record.All())
	for name, tt := range map[string]struct {
		path string
		form url.Values
		code string
	}{
		"without looking":     {"x.signed", url.Values{"seen": {seenWords}}, "attestation.not_looked"},
		"other words":         {"x.signed", url.Values{"seen": {"abc"}, "looked": {"yes"}}, "attestation.other_words"},
		"another's promise":   {"x.theirs", url.Values{"seen": {system.Statement{Words: "We have seen that."}.Digest()}, "looked": {"yes"}}, "attestation.role"},
		"no such promise":     {"x.none", url.Values{"seen": {seenWords}, "looked": {"yes"}}, "attestation.nothing"},
		"nothing to withdraw": {"x.signed/withdraw", url.Values{}, "attestation.not_signed"},
	} {
		if got := o.send("/officer/attestations/"+tt.path, tt.form); got.Code < 400 || !strings.Contains(got.Body.String(), tt.code) {
			t.Errorf("%s: %d, %s", name, got.Code, got.Body)
		}
	}
	if after := len(o.Record.All()); after != before {
		t.Errorf("%d facts were recorded for nothing", after-before)
	}
}
