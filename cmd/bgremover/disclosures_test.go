package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	recipient "filippo.io/age"

	"github.com/bgremover/bgremover/internal/testphotos"
)

// A request from outside, on a real service: registered, approved by two others, decided by the rules in
// force, made, counted for everybody; and a denied transfer keeps a service for others from starting.
func TestDisclosureOnARealService(t *testing.T) {
	t.Parallel()
	data, small := dataFolder(t), testphotos.Original("chelsea")
	before := serve(t, data, append([]string{"--behind-tls-proxy"}, stated...)...)
	for _, address := range []string{"192.0.2.7", "192.0.2.8"} {
		if res, err := before.post("/v1/images", "image", small, http.Header{"X-Forwarded-For": {address}}); err != nil || res.code != http.StatusAccepted {
			t.Fatalf("upload: %s, %v", res, err)
		}
	}
	before.stop() // which records who came
	s := serve(t, data, "--operator-country", "DE", "--provider",
		"hosting; name=Example Cloud; country=US; contract=DPA of 2026-01-15; reviewed=2026-10-01; until=2099-10-01; safeguard=scc; assessed=yes")
	theirs, err := recipient.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	grace, ada, jean := s.atDesk(t, "Grace Hopper"), s.atDesk(t, "Ada Lovelace"), s.atDesk(t, "Jean Bartik")
	day := func(from int) string { return time.Now().UTC().AddDate(0, 0, from).Format(time.DateOnly) }
	form := url.Values{
		"first_day": {day(-1)}, "last_day": {day(1)},
		"from": {"authority"}, "sender": {"Staatsanwaltschaft Musterstadt"}, "country": {"DE"}, "category": {"technical"}, "fields": {"address access_time"},
		"basis": {"order"}, "purpose": {"access"}, "expires": {time.Now().AddDate(1, 0, 0).Format(time.DateOnly)}, "reference": {"12 Js 34/26"}, "address": {"192.0.2.7"},
		"key": {theirs.Recipient().String()}, "text": {"Who was it?"},
	}
	registered := fetch(t, grace, s.url+"/officer/disclosures", form) // the client goes where it is led
	if registered.code != http.StatusOK || !strings.Contains(string(registered.body), "0 of 2 that the rules ask for") {
		t.Fatalf("registering answers %d %s", registered.code, registered.body)
	}
	list := string(fetch(t, grace, s.url+"/officer/disclosures", nil).body)
	_, rest, _ := strings.Cut(list, `href="/officer/disclosures/0`)
	name, _, _ := strings.Cut(rest, `"`)
	one := s.url + "/officer/disclosures/0" + name
	for _, step := range []struct {
		who  *http.Client
		what string
		then int
	}{{grace, "approve", 403}, {ada, "approve", 200}, {grace, "decide", 409}, {jean, "approve", 200}, {grace, "decide", 200}} {
		if got := fetch(t, step.who, one+"/"+step.what, url.Values{}); got.code != step.then {
			t.Fatalf("%s answers %d %s", step.what, got.code, got.body)
		}
	}
	if shown := fetch(t, jean, one+"/read", url.Values{"reason": {"to see what became of it"}}); !strings.Contains(string(shown.body), "Musterstadt") {
		t.Errorf("opened: %d %s", shown.code, shown.body)
	}
	made := fetch(t, grace, one+"/make", url.Values{})
	if made.code != http.StatusOK || !strings.HasPrefix(string(made.body), "age-encryption.org/v1") {
		t.Fatalf("made: %d %s", made.code, made.body)
	}
	opened, err := recipient.Decrypt(bytes.NewReader(made.body), theirs)
	if err != nil {
		t.Fatal(err)
	}
	var given struct{ Records []map[string]string }
	if err := json.NewDecoder(opened).Decode(&given); err != nil {
		t.Fatal(err)
	}
	if len(given.Records) != 1 || given.Records[0]["address"] != "192.0.2.7" || given.Records[0]["access_time"] == "" || len(given.Records[0]) != 2 {
		t.Errorf("given: %v", given.Records)
	}
	report := fetch(t, withJar(t), s.url+"/v1/transparency", nil)
	if !strings.Contains(string(report.body), `"requests":1,"made":1,"nothing":0`) {
		t.Errorf("the report says %s", report.body)
	}
	facts := map[string]bool{}
	for _, l := range s.record() {
		facts[string(l.Type)] = true
	}
	for _, want := range []string{"transfer.decided.v1", "disclosure.requested.v1", "disclosure.scoped.v1", "disclosure.approved.v1", "disclosure.permitted.v1", "disclosure.made.v1", "staff.data_read.v1"} {
		if !facts[want] {
			t.Errorf("the record lacks %s: %v", want, facts)
		}
	}
	page := string(fetch(t, withJar(t), s.url+"/processing", nil).body)
	if !strings.Contains(page, "Example Cloud, US: standard contractual clauses") {
		t.Errorf("the register does not name the transfer: %s", page)
	}
	s.stop()
	for _, canary := range []string{"192.0.2.7", "Musterstadt", "12 Js 34", theirs.Recipient().String()} {
		if strings.Contains(s.log.String(), canary) {
			t.Errorf("%s stands in the log", canary)
		}
	}
}

// atDesk is a browser in which somebody has signed in.
func (r *running) atDesk(t *testing.T, name string) *http.Client {
	t.Helper()
	link, err := url.Parse(r.officerLink(name))
	if err != nil {
		t.Fatal(err)
	}
	in := withJar(t)
	if got := fetch(t, in, r.url+"/officer/enter", url.Values{"link": link.Query()["link"]}); got.code != http.StatusOK {
		t.Fatalf("entering: %d %s", got.code, got.body)
	}
	return in
}

// A service for others does not start when a rule denies that data goes where a provider is.
func TestDeniedTransferStopsTheStart(t *testing.T) {
	t.Parallel()
	_, errs, code := bgremover(t, "serve", "--data", dataFolder(t), "--model", "u2netp", "--accept-model-passport", "u2netp", "--addr", "127.0.0.1:0", "--behind-tls-proxy",
		"--metrics-addr", "", "--operator-name", "Example", "--operator-region", "Frankfurt", "--operator-contact", "privacy@example.org", "--operator-country", "DE",
		"--provider", "hosting; name=Example Cloud; country=US; contract=DPA; reviewed=2026-10-01; until=2099-10-01")
	if code == 0 || !strings.Contains(errs, "transfer.move") || !strings.Contains(errs, "from DE to US: assessment, safeguard") {
		t.Errorf("%d: %s", code, errs)
	}
}
