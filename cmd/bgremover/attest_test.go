package main

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/domain/system"
)

// An officer signs the words that stand at the promise, in a session; the command line lists it.
func TestAnOfficerSigns(t *testing.T) {
	t.Parallel()
	s := serve(t, dataFolder(t))
	if got := s.attestations()["secure.firewall"]; got.State != operator.AttestationMissing || got.SignedBy != "officer" || got.Words == "" {
		t.Fatalf("before anybody signed: %+v", got)
	}
	p, err := readPublished()
	if err != nil {
		t.Fatal(err)
	}
	promise, _ := p.Promises.Promise("secure.firewall")
	if promise.Kind != policy.Attested {
		t.Fatalf("%s is %s", promise.ID, promise.Kind)
	}
	words := system.Statement{Words: promise.Statement}.Digest()

	officer := withJar(t)
	link, err := url.Parse(s.officerLink("Grace Hopper"))
	if err != nil {
		t.Fatal(err)
	}
	fetch(t, officer, s.url+link.Path, url.Values{"link": {link.Query().Get("link")}})
	if page := fetch(t, officer, s.url+"/officer/attestations", nil); page.code != 200 || !strings.Contains(string(page.body), words) {
		t.Fatalf("the page answers %s", page)
	}
	fetch(t, officer, s.url+"/officer/attestations/secure.firewall", url.Values{"seen": {words}, "looked": {"yes"}, "note": {"all hosts, one by one"}})

	made := s.record("--type", "audit.attestation_made.v1")
	if len(made) != 1 || made[0].Actor != event.Officer || made[0].Decision == nil || made[0].Decision.Rule != "access.act" || made[0].Decision.Outcome != "allow" {
		t.Fatalf("on record: %+v", made)
	}
	if strings.Contains(string(made[0].Data), "all hosts") || !strings.Contains(string(made[0].Data), words) {
		t.Errorf("on record: %s", made[0].Data)
	}
	if got := s.attestations()["secure.firewall"]; got.State != operator.AttestationSigned || got.Days < promise.HoldsDays-1 {
		t.Errorf("signed: %+v", got)
	}
	if got := s.attestations()["model.licensed"]; got.State != operator.AttestationMissing {
		t.Errorf("another promise: %+v", got)
	}
	if out, errs, code := bgremover(t, "attest", "list", "--data", s.data); code != 0 || !strings.Contains(out, "secure.firewall") || !strings.Contains(out, "signed") {
		t.Errorf("exit code %d, %s%s", code, out, errs)
	}
	s.stop()
}

// attestations is what `bgremover attest list --json` prints, by promise.
func (r *running) attestations() map[string]operator.Attestation {
	r.t.Helper()
	out, errs, code := bgremover(r.t, "attest", "list", "--json", "--data", r.data)
	if code != 0 {
		r.t.Fatalf("exit code %d, %s", code, errs)
	}
	var all []operator.Attestation
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		r.t.Fatalf("attest list printed %q: %v", out, err)
	}
	found := map[string]operator.Attestation{}
	for _, one := range all {
		found[one.Promise] = one
	}
	return found
}
