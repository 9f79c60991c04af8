package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	recipient "filippo.io/age"

	"github.com/bgremover/bgremover/internal/simulation"
)

// What a rule is asked about one person is asked again in a simulation, and nobody is shown it.
func TestPersonalAttributesOnARealService(t *testing.T) {
	t.Parallel()
	s := serve(t, dataFolder(t))
	theirs, err := recipient.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	grace := s.atDesk(t, "Grace Hopper")
	registered := fetch(t, grace, s.url+"/officer/disclosures", url.Values{
		"from": {"partner"}, "sender": {"Example Partner"}, "country": {"DE"}, "category": {"account"}, "fields": {"email"}, "basis": {"explicit_consent"},
		"purpose": {"training"}, "expires": {time.Now().AddDate(1, 0, 0).Format(time.DateOnly)}, "reference": {"7"}, "key": {theirs.Recipient().String()},
		"text": {"Who is it?"},
	})
	if registered.code != http.StatusOK {
		t.Fatalf("registering answers %d %s", registered.code, registered.body)
	}
	list := string(fetch(t, grace, s.url+"/officer/disclosures", nil).body)
	_, rest, _ := strings.Cut(list, `href="/officer/disclosures/0`)
	name, _, _ := strings.Cut(rest, `"`)
	if got := fetch(t, grace, s.url+"/officer/disclosures/0"+name+"/decide", url.Values{}); got.code != http.StatusOK {
		t.Fatalf("deciding answers %d %s", got.code, got.body)
	}

	seen := ""
	for _, l := range s.record() {
		if l.Decision == nil || l.Decision.Rule != "sharing.share" {
			continue
		}
		seen = string(l.Decision.Input)
		if strings.Join(l.Decision.Personal, " ") != "gpc objected restricted" || strings.Contains(seen, "objected") {
			t.Errorf("the record says %v, %s", l.Decision.Personal, seen)
		}
	}
	if seen == "" {
		t.Fatal("no fact says what the rule was asked")
	}
	exported := answers(t, 0, []string{"policy", "decisions", "--data", s.data}, `"masked":["/input/gpc","/input/objected","/input/restricted"]`, `"objected":null`)
	if strings.Contains(exported, `"objected":false`) || strings.Contains(exported, "Example Partner") {
		t.Errorf("exported %s", exported)
	}

	out := answers(t, 0, []string{"policy", "simulate", "--json", "--data", s.data, "--bundle", filepath.Join("..", "..", "policies")})
	var report simulation.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	same := int64(0)
	for _, r := range report.Rules {
		if r.Rule == "sharing.share" {
			same = r.Same
		}
	}
	if same == 0 || report.Total.Erased != 0 {
		t.Errorf("simulated %s", out)
	}
}
