package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
)

// officerLink makes a link for somebody.
func (r *running) officerLink(name string) string {
	r.t.Helper()
	out, errs, code := bgremover(r.t, "officer", "link", "--name", name, "--role", "officer", "--data", r.data)
	if code != 0 || !strings.HasPrefix(out, r.url+"/officer/enter?link=") || !strings.Contains(errs, "one session") {
		r.t.Fatalf("officer link: %d, %q, %q", code, out, errs)
	}
	return strings.TrimSpace(out)
}

// stream is what `bgremover stream show --json` prints.
func (r *running) stream(args ...string) (s operator.Stream) {
	r.t.Helper()
	out, errs, code := bgremover(r.t, append([]string{"stream", "show", "--json", "--data", r.data}, args...)...)
	if code != 0 {
		r.t.Fatalf("stream show: %d, %s", code, errs)
	}
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		r.t.Fatalf("stream show printed %q: %v", out, err)
	}
	return s
}

func seqText(seq int64) string { return strconv.FormatInt(seq, 10) }

func TestTimeTravel(t *testing.T) {
	t.Parallel()
	s := serve(t, dataFolder(t))
	up := s.upload(photo(t))
	until(t, "the cutout", func() bool { return s.status(up) == "ready" })
	s.ask(http.MethodDelete, "/v1/images/"+up.ID, up.Capability)
	subject := "image/" + up.ID

	at := map[string]int64{} // places in the record, by kind
	var ready time.Time      // as the record has it
	for _, line := range s.record() {
		if line.Subject == event.Stream(subject) || line.Type == "vault.key_destroyed.v1" {
			at[string(line.Type)] = line.Seq
		}
		if line.Type == "image.processed.v1" {
			ready = line.Time.UTC()
		}
	}
	uploaded, processed, deleted, destroyed := at["image.uploaded.v1"], at["image.processed.v1"], at["image.deleted.v1"], at["vault.key_destroyed.v1"]

	for moment, want := range map[string]image.Status{
		seqText(uploaded): image.Waiting, seqText(processed): image.Ready, ready.Format(time.RFC3339Nano): image.Ready, seqText(destroyed): image.Gone,
	} {
		got := s.stream(subject, "--as-of", moment)
		if got.State == nil || got.State.Status != want || got.Erased == nil || got.Erased.Seq != destroyed {
			t.Errorf("as of %s: %+v", moment, got)
		}
		if data := string(got.Facts[0].Data); !strings.Contains(data, `"name":"[erased]"`) || strings.Contains(data, "holiday") {
			t.Errorf("as of %s: %s", moment, data)
		}
	}
	for moment, want := range map[string][2]int64{ // the last fact that is shown: from, and before
		seqText(uploaded): {uploaded, uploaded + 1}, seqText(deleted): {deleted, deleted + 1}, ready.Format(time.RFC3339Nano): {processed, deleted}, "2000-01-01 12:00": {0, 1},
	} {
		got := s.record("--as-of", moment)
		if last := int64(len(got)); last < want[0] || last >= want[1] {
			t.Errorf("log show as of %s: %d facts, %s", moment, last, story(got))
		}
	}
	text, _, _ := bgremover(t, "stream", "show", subject, "--data", s.data)
	for _, want := range []string{"retention.deadline allow image.delete-24h", "state     deleted", "because: requested", "[erased]", "by fact " + seqText(destroyed)} {
		if !strings.Contains(text, want) {
			t.Errorf("stream show lacks %q:\n%s", want, text)
		}
	}
	for _, wrong := range []struct{ args, says string }{
		{"stream show image/nobody", "says nothing about it"},
		{"stream show " + subject + " --as-of 1000000", "The record has "},
		{"stream show vault/" + up.ID + " --as-of " + seqText(uploaded), "its first fact is number " + seqText(destroyed)},
		{"stream show " + subject + " --as-of soon", "neither a fact's number nor a time"},
		{"log show --as-of 2100-01-01", "still to come"},
		{"log show --as-of 2 --follow", "either --as-of or --follow"},
	} {
		_, errs, code := bgremover(t, append(strings.Fields(wrong.args), "--data", s.data)...)
		if code != 1 || !strings.Contains(errs, wrong.says) {
			t.Errorf("%s: %d, %s", wrong.args, code, errs)
		}
	}
}

// withJar is a client that keeps cookies, as a browser does.
func withJar(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar}
}

// fetch asks for a page, or sends a form when there is one.
func fetch(t *testing.T, c *http.Client, address string, form url.Values) answer {
	t.Helper()
	method, body := http.MethodGet, strings.NewReader("")
	if form != nil {
		method, body = http.MethodPost, strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(t.Context(), method, address, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	content, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, content}
}

func TestOfficersOnARealService(t *testing.T) {
	t.Parallel()
	s := serve(t, dataFolder(t))
	link := s.officerLink("Grace Hopper")
	parsed, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"link": parsed.Query()["link"]}
	in, out := withJar(t), withJar(t)
	if got := fetch(t, in, s.url+"/officer/enter", form); got.code != 200 || !strings.Contains(string(got.body), "Grace Hopper") {
		t.Fatalf("entering: %s", got)
	}
	if got := fetch(t, out, s.url+"/officer/enter", form); got.code != 403 {
		t.Errorf("the same link again: %s", got)
	}
	if got := fetch(t, out, s.url+"/officer/log", nil); got.code != 401 {
		t.Errorf("without a session: %s", got)
	}
	if got := story(s.record()); got != "staff.invited staff.signed_in" {
		t.Errorf("recorded: %s", got)
	}
	signedIn := s.record("--type", "staff.signed_in.v1")[0].Seq
	s.stop()
	again := serve(t, s.data, "--addr", strings.TrimPrefix(s.url, "http://"))
	if got := fetch(t, in, again.url+"/officer/log/"+seqText(signedIn), nil); got.code != 200 || !strings.Contains(string(got.body), "[sealed]") {
		t.Errorf("after a restart: %s", got)
	}
	again.officerLink("Grace Hopper")
	again.officerLink("Ada Lovelace")
	for _, step := range []struct{ name, says string }{
		{"Grace Hopper", "ended 1 session, took back 1 link"},
		{"Grace Hopper", "ended 0 sessions, took back 0 links"},
		{"Nobody", "Nobody of this name was invited"},
	} {
		said, errs, _ := bgremover(t, "officer", "end", "--name", step.name, "--data", s.data)
		if !strings.Contains(said+errs, step.says) {
			t.Errorf("officer end %s: %s%s", step.name, said, errs)
		}
	}
	if got := fetch(t, in, again.url+"/officer/log", nil); got.code != 401 {
		t.Errorf("after its end: %s", got)
	}
	recorded := again.record()
	if got := story(recorded); got != "staff.invited staff.signed_in staff.invited" {
		t.Errorf("recorded: %s", got)
	}
	again.stop()
	for _, name := range []string{"Hopper", "Lovelace"} {
		if strings.Contains(s.log.String()+again.log.String()+fmt.Sprint(recorded), name) {
			t.Errorf("%s stands in the open", name)
		}
	}
}

func TestOfficerLinkWantsToKnowTheSite(t *testing.T) {
	t.Parallel()
	s := serve(t, dataFolder(t), append(stated, "--behind-tls-proxy")...)
	args := []string{"officer", "link", "--name", "Grace Hopper", "--role", "responder", "--data", s.data}
	if _, errs, code := bgremover(t, args...); code != 1 || !strings.Contains(errs, "--url") {
		t.Errorf("behind a proxy: %d, %s", code, errs)
	}
	if _, errs, code := bgremover(t, append(args, "--url", "https://bg.example.org/pages")...); code != 1 || !strings.Contains(errs, "the address of a site") {
		t.Errorf("no site: %d, %s", code, errs)
	}
	for _, site := range []struct {
		url   string
		warns bool
	}{{"https://bg.example.org/", false}, {"http://bg.example.org", true}, {"http://192.0.2.7:8080", true}, {"http://127.0.0.1:8080", false}, {"http://localhost", false}} {
		out, errs, code := bgremover(t, append(args, "--url", site.url)...)
		if code != 0 || !strings.HasPrefix(out, strings.TrimSuffix(site.url, "/")+"/officer/enter?link=") || strings.Contains(errs, "plain HTTP") != site.warns {
			t.Errorf("%s: %d, %s%s", site.url, code, out, errs)
		}
	}
	if got := story(s.record()); got != "staff.invited" {
		t.Errorf("recorded: %s", got)
	}
}
