package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/bgremover/bgremover/internal/config"
	"github.com/bgremover/bgremover/internal/testphotos"
	"github.com/bgremover/bgremover/policies"
)

// A visitor of a service behind a proxy: how much is taken of one, and what is kept of whom, for how long.
func TestVisitorIsLimitedAndForgotten(t *testing.T) {
	t.Parallel()
	const visitor = "198.51.100.77"
	data := dataFolder(t)
	behind := append([]string{"--behind-tls-proxy", "--log-level", "debug"}, stated...)
	s := serve(t, data, behind...)
	from := http.Header{"X-Forwarded-For": {"127.0.0.1, " + visitor}, "User-Agent": {"canary-browser/77"}}
	small := testphotos.Original("chelsea")
	taken := 0
	for ; ; taken++ {
		res, err := s.post("/v1/images", "image", small, from)
		if err != nil {
			t.Fatal(err)
		}
		if res.code == http.StatusTooManyRequests {
			if res.header.Get("Retry-After") != "60" || !strings.Contains(string(res.body), "upload.too_many") {
				t.Errorf("refused with %s, %v", res, res.header)
			}
			break
		}
		s.accepted(res)
	}
	if most := visitorLimit(t); taken != most {
		t.Errorf("%d were taken in a minute, and the data says %d", taken, most)
	}
	res, err := s.post("/v1/images", "image", small, http.Header{"X-Forwarded-For": {visitor + ", 203.0.113.5"}})
	if err != nil || res.code != http.StatusAccepted {
		t.Errorf("somebody else: %s, %v", res, err)
	}
	s.stop()

	s2 := serve(t, data)
	began := s2.record("--type", "visit.began.v1")
	if len(began) != 2 || len(s2.record("--type", "visit.blocked.v1")) != 1 || len(s2.record("--type", "policy.decision_refused.v1")) == 0 {
		t.Fatalf("the record says: %s", story(s2.record()))
	}
	wantSecurityPage(t, s2)
	if refused, visits := abuseRows(t, data); refused == 0 || visits == 0 {
		t.Errorf("the view has %d rows of refusals and %d of visitors", refused, visits)
	}
	s2.stop()

	s3 := serve(t, data, "--clock-offset", "2160h1m") // 90 days
	until(t, "both visits are erased", func() bool {
		ended := 0
		for _, l := range s3.record("--type", "vault.key_destroyed.v1") {
			if strings.Contains(string(l.Data), `"visit/`) {
				ended++
			}
		}
		return ended == 2
	})
	until(t, "the log of requests of that day is dropped", func() bool {
		for _, l := range s3.record("--type", "retention.purged.v1") {
			if strings.Contains(string(l.Data), `"api_log"`) {
				return true
			}
		}
		return false
	})
	until(t, "the figures of that day go with it", func() bool { refused, visits := abuseRows(t, data); return refused == 0 && visits == 0 })
	answers(t, 0, []string{"rebuild", "abuse", "--check", "--data", data}, "abuse.refused: identical", "abuse.visits: identical")
	for _, l := range began {
		out, errs, code := bgremover(t, "stream", "show", string(l.Subject), "--data", data)
		if code != 0 || !strings.Contains(out, "What was personal is erased") || !strings.Contains(out, `"address":"[erased]"`) {
			t.Errorf("%d, %s%s", code, out, errs)
		}
	}
	shown, _, _ := bgremover(t, "log", "show", "--json", "--data", data)
	s3.stop()
	for _, canary := range []string{visitor, "198.51.100.0", "canary-browser"} {
		if strings.Contains(s.log.String()+s2.log.String()+s3.log.String()+shown, canary) {
			t.Errorf("%s stands in the open", canary)
		}
	}
}

// abuseRows counts the figures about refusals and visitors.
func abuseRows(t *testing.T, data string) (refused, visits int64) {
	t.Helper()
	open, err := openTools(t.Context(), config.Ground{Folder: config.Folder{Data: data}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	err = open.pool.QueryRow(t.Context(), "select (select count(*) from abuse.refused), (select count(*) from abuse.visits)").Scan(&refused, &visits)
	if err = errors.Join(err, open.close()); err != nil {
		t.Fatal(err)
	}
	return refused, visits
}

// visitorLimit is how many photos a visitor may send in a minute.
func visitorLimit(t *testing.T) int { return rateLimit(t, "visitor") }

// rateLimit is how many photos a scope may send in a minute, as the policy's data says.
func rateLimit(t *testing.T, scope string) int {
	t.Helper()
	content, err := fs.ReadFile(policies.Bundle, "data/upload.json")
	if err != nil {
		t.Fatal(err)
	}
	var data struct {
		Rates map[string]struct {
			Uploads int `json:"uploads_minute"`
		}
	}
	if err := json.Unmarshal(content, &data); err != nil || data.Rates[scope].Uploads == 0 {
		t.Fatalf("no limit of a %s in the data: %v", scope, err)
	}
	return data.Rates[scope].Uploads
}

// wantSecurityPage looks at what officers see of it: figures that name nobody.
func wantSecurityPage(t *testing.T, s *running) {
	t.Helper()
	link, err := url.Parse(s.officerLink("Grace Hopper"))
	if err != nil {
		t.Fatal(err)
	}
	grace := withJar(t)
	fetch(t, grace, s.url+"/officer/enter", url.Values{"link": {link.Query().Get("link")}})
	page := string(fetch(t, grace, s.url+"/officer/security", nil).body)
	for _, row := range []string{
		`<td>upload.rate</td><td>visitor</td><td>1</td>`,
		`<td>2</td><td>1</td></tr>`,                                            // visitors, and how many were held up
		fmt.Sprintf(`<td>%d</td><td>0</td><td>1</td><td>0`, visitorLimit(t)+1), // answers: photos taken, and one refused
		`of 2 visitors`, // live keys
	} {
		if !strings.Contains(page, row) {
			t.Errorf("the page about security lacks %q:\n%s", row, page)
		}
	}
}
