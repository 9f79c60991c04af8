package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/opa"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/internal/clock"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/policies"
)

// retentionData is the part of the retention data that says who deletes.
type retentionData struct {
	Periods map[string]struct {
		Executor string `json:"executor"`
		Key      string `json:"key"`
	} `json:"periods"`
}

func readRetention(t *testing.T) (d retentionData) {
	t.Helper()
	content, err := fs.ReadFile(policies.Bundle, "data/retention.json")
	if err == nil {
		err = json.Unmarshal(content, &d)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Every kind of the retention data is deleted by somebody here, or it is said why nothing of it is kept.
// The executors are those that the list names, and no others.
func TestEveryKindHasAnExecutorOrAReason(t *testing.T) {
	kinds := slices.Sorted(maps.Keys(readRetention(t).Periods))
	for _, kind := range kinds {
		if by, why := endedBy[kind], notHere[kind]; (by == "") == (why == "") {
			t.Errorf("the kind %s is deleted by %q and not here because %q", kind, by, why)
		}
	}
	known := slices.Sorted(maps.Keys(endedBy))
	known = slices.Sorted(slices.Values(append(known, slices.Collect(maps.Keys(notHere))...)))
	if !slices.Equal(kinds, known) {
		t.Errorf("the data has %v, the lists have %v", kinds, known)
	}
	ground := &ground{}
	clock, err := clock.Open(filepath.Join(t.TempDir(), "clock-offset"), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &service{ground: ground, clock: clock}
	s.apiLog = s.newAPILog()
	executed := usecase.KindsOf(s.executors())
	elsewhere := []string{"disclosure", "image", "preview", "result", "technical"} // by the picture, or by the key
	if got := slices.Sorted(slices.Values(append(slices.Clone(executed), elsewhere...))); !slices.Equal(got, slices.Sorted(maps.Keys(endedBy))) {
		t.Errorf("executors for %v, and %v elsewhere; the list has %v", executed, elsewhere, slices.Sorted(maps.Keys(endedBy)))
	}
	rules, err := opa.New(t.Context(), opa.Config{Bundle: policies.Bundle, ImagePeriod: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range executed {
		if _, _, err := rules.Limit(t.Context(), kind, time.Now(), time.Time{}); err != nil {
			t.Errorf("the rules know no limit of %s: %v", kind, err)
		}
	}
}

func TestPrintRetention(t *testing.T) {
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	status := usecase.RetentionStatus{
		Now: noon, Revision: 4, HeldUp: true, Jump: &usecase.Jump{From: noon, To: noon.Add(time.Hour)},
		Kinds: []usecase.KindStatus{
			{Kind: "account", Period: 30 * 24 * time.Hour, Rule: "retention.deletion", Why: "there are no accounts"},
			{
				Kind: "api_log", Period: 90 * 24 * time.Hour, Rule: "retention.deletion", By: "partitions", Waiting: 90, Due: noon.Add(-20 * time.Minute),
				Late: 20 * time.Minute, Purged: &usecase.LastPurge{Actual: noon.AddDate(0, 0, -1), Count: 2, Total: 7},
			},
			{Kind: "technical", Period: 90 * 24 * time.Hour, Rule: "keys.due", By: "keys", Waiting: 1, Due: noon.Add(-time.Hour), KeptBy: []string{"hold"}},
		},
	}
	const kept = `KIND       PERIOD   RULE                WAITING  DUE                LATE   KEPT BY  LAST DELETED
api_log    90 days  retention.deletion  90       2026-03-02 11:40Z  20m0s  -        2026-03-01 12:00Z: 2
technical  90 days  keys.due            1        2026-03-02 11:00Z  -      hold     -
`
	const rest = `
the engine's time is 2026-03-02 12:00Z; the rules are revision 4
no photo is taken: deletions are late
the clock jumped from 2026-03-02 12:00Z to 2026-03-02 13:00Z: look at it, then bgremover retention confirm-clock; until then nothing but pictures is deleted because of its time
`
	for all, want := range map[bool]string{
		false: kept + rest,
		true:  kept + "\nNOT KEPT HERE  PERIOD   BECAUSE\naccount        30 days  there are no accounts\n" + rest,
	} {
		var out strings.Builder
		if err := printRetention(&out, status, all); err != nil || out.String() != want {
			t.Errorf("all %v: printed\n%s\nwant\n%s\n%v", all, out.String(), want, err)
		}
	}
}

// With a clock that is ahead, everything whose time has come goes, each kind with a fact that carries its
// decision; nothing is late because the service was off, and views that are made anew hold none of it.
func TestRetentionIsExecutedAsTimePasses(t *testing.T) {
	t.Parallel()
	data := dataFolder(t)
	s := serve(t, data)
	gone := s.cutout(photo(t))
	if res := s.ask(http.MethodGet, "/v1/images/"+gone.ID+"/result", gone.Capability); res.code != http.StatusOK {
		t.Fatal(res)
	}
	until(t, "the deletion", func() bool { return s.status(gone) == "deleted" })
	if _, err := s.post("/v1/images", "image", photo(t), http.Header{"Idempotency-Key": {"once"}}); err != nil {
		t.Fatal(err)
	}
	until(t, "a photo that waits", func() bool { return s.kept("image").Waiting == 1 })
	if k := s.kept("image"); k.Late != 0 || k.Due.Before(time.Now().Add(23*time.Hour)) || k.Lasts() != "1 day" {
		t.Errorf("a photo waits as %+v", k)
	}
	until(t, "figures, and a log of requests", func() bool { return s.kept("analytics").Waiting > 0 && s.kept("api_log").Waiting > 0 })
	says(t, 1, "has not jumped", "retention", "confirm-clock", "--data", data)
	s.stop()

	s = serve(t, data, "--clock-offset", "9000h")
	for _, kind := range []string{"analytics", "api_log", "capability", "idempotency_answer"} {
		until(t, "the end of "+kind, func() bool { k := s.kept(kind); return k.Purged != nil && k.Purged.Count > 0 && k.Late == 0 })
	}
	until(t, "the end of photos", func() bool { return s.kept("image").Waiting == 0 })
	purged := s.record("--type", "retention.purged.v1")
	if len(purged) < 4 {
		t.Errorf("the record has %d purges", len(purged))
	}
	for _, l := range purged {
		if d := l.Decision; d == nil || d.Rule != "retention.deletion" || d.Outcome != "allow" {
			t.Errorf("%s was decided as %+v", l.Data, d)
		}
	}
	if late := s.record("--type", "retention.stalled.v1"); len(late) > 0 {
		t.Errorf("late after a start: %+v", late)
	}
	if res := s.ask(http.MethodGet, "/v1/images/"+gone.ID, gone.Capability); res.code != http.StatusNotFound {
		t.Errorf("a year later, its capability still opens something: %s", res)
	}
	again := s.upload(photo(t))
	if left := again.DeleteBy.Sub(time.Now().Add(9000 * time.Hour)); left > 24*time.Hour {
		t.Errorf("a new photo is deleted in %v", left)
	}
	says(t, 0, "identical", "rebuild", "--check", "--data", data)
	if out := says(t, 0, "analytics", "retention", "--all", "--data", data); !strings.Contains(out, "there are no accounts") {
		t.Errorf("retention prints %s", out)
	}
}

// A clock that is behind the record at a start, as after somebody set it back: only photos are deleted because of
// their time, by the record's time, until somebody confirms it; a restart forgets nothing of that.
func TestClockBehindTheRecord(t *testing.T) {
	t.Parallel()
	data := dataFolder(t)
	s := serve(t, data)
	waits := s.cutout(photo(t))
	s.stop()
	s = serve(t, data, "--clock-offset", "23h59m45s")
	s.upload(photo(t)) // the record's time is a day ahead from now on
	until(t, "the deletion before its due", func() bool { return s.status(waits) == "deleted" })
	if at := s.retention(); at.Jump != nil {
		t.Errorf("an offset that is meant is no jump: %+v", at.Jump)
	}
	s.stop()
	if err := os.Remove(filepath.Join(data, "clock-offset")); err != nil {
		t.Fatal(err)
	}
	s = serve(t, data)
	until(t, "the jump to be noticed", func() bool { return s.retention().Jump != nil })
	s.kill()
	s = serve(t, data)
	if at := s.retention(); at.Jump == nil || at.Now.Before(time.Now().Add(23*time.Hour)) {
		t.Errorf("after a restart: %+v", at)
	}
	says(t, 0, "was right", "retention", "confirm-clock", "--data", data)
	if at := s.retention(); at.Jump != nil {
		t.Errorf("confirmed, and still %+v", at.Jump)
	}
	if facts := s.record("--type", "retention.clock_jump_noticed.v1"); len(facts) == 0 {
		t.Error("the record does not say that the clock jumped")
	}
	if facts := s.record("--type", "retention.clock_jump_confirmed.v1"); len(facts) != 1 || facts[0].Actor != event.Operator {
		t.Errorf("confirmed as %+v", facts)
	}
}

// A clock that was a year ahead for a while, and is right again: by the record's time everything is due, and no key
// ends by that until somebody has looked.
func TestNoKeyEndsByAClockThatNobodyBelieves(t *testing.T) {
	t.Parallel()
	data := dataFolder(t)
	ahead := serve(t, data, "--clock-offset", "9000h")
	ahead.stop()
	if err := os.Remove(filepath.Join(data, "clock-offset")); err != nil {
		t.Fatal(err)
	}
	s := serve(t, data, append([]string{"--behind-tls-proxy"}, stated...)...)
	until(t, "the jump to be noticed", func() bool { return s.retention().Jump != nil })
	if res, err := s.post("/v1/images", "image", photo(t), http.Header{"X-Forwarded-For": {"198.51.100.77"}}); err != nil || res.code != http.StatusAccepted {
		t.Fatal(res, err)
	}
	s.stop() // which records who came
	s = serve(t, data)
	until(t, "a visitor's day that waits for the clock", func() bool {
		k := s.kept("technical")
		return k.Waiting == 1 && k.Late == 0 && slices.Contains(k.KeptBy, usecase.UnsureClock)
	})
	for _, l := range s.record("--type", "vault.key_destroyed.v1") {
		if bytes.Contains(l.Data, []byte(`"visit/`)) {
			t.Errorf("a key ended by a clock that nobody believes: %s", l.Data)
		}
	}
}

// Rules with a shorter period for photos come into force while one waits: it is due earlier from then on, for whoever
// asks, with a fact that carries the new rules' decision.
func TestShorterPeriodComesIntoForce(t *testing.T) {
	t.Parallel()
	key, data := newSigning(t, "policy-1"), dataFolder(t)
	s := serve(t, data, "--policy-keys", key.public)
	waits := s.cutout(photo(t))
	s.stop()
	s = serve(t, data, "--policy-keys", key.public, "--delete-after", "1h") // for new ones; else the rules do not fit it
	folder := rulesFolder(t, "1000")
	file := filepath.Join(folder, "data", "retention.json")
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, file, bytes.ReplaceAll(content, []byte(`"seconds": 86400`), []byte(`"seconds": 7200`)))
	says(t, 0, "stored", "policy", "store", key.sign(t, folder, "policy-1"), "--data", data)
	s.enters(t, "Grace Hopper")
	ada := s.enters(t, "Ada Lovelace")
	digest := regexp.MustCompile(`report ([0-9a-f]{64})`).FindStringSubmatch(says(t, 0, "report ", "policy", "simulate", "--revision", "1000", "--data", data))
	if digest == nil {
		t.Fatal("no report")
	}
	says(t, 0, "another officer", "policy", "activate", "--revision", "1000", "--simulation", digest[1], "--as", "Grace Hopper", "--data", data)
	if got := fetch(t, ada, s.url+"/officer/policy/1000/approve", url.Values{"simulation": {digest[1]}}); got.code != http.StatusOK {
		t.Fatalf("approving: %s", got)
	}
	until(t, "an earlier deadline", func() bool { return len(s.record("--type", "image.deletion_due_changed.v1")) > 0 })
	changed := s.record("--type", "image.deletion_due_changed.v1")
	var fact struct{ Due time.Time }
	if err := json.Unmarshal(changed[0].Data, &fact); err != nil || len(changed) != 1 {
		t.Fatalf("changed %+v, %v", changed, err)
	}
	if d := changed[0].Decision; d == nil || d.Rule != "retention.limit" || d.Revision != 1000 || d.Outcome != "allow" {
		t.Errorf("decided as %+v", d)
	}
	if want := waits.DeleteBy.Add(-22 * time.Hour); !fact.Due.Equal(want) {
		t.Errorf("due %v, want %v", fact.Due, want)
	}
	until(t, "everybody to see it", func() bool {
		k := s.kept("image")
		return k.Due.Equal(fact.Due) && k.Lasts() == "2h0m0s"
	})
}

// What two officers have put on hold outlives its time; what they have not goes.
func TestHoldOutlivesThePeriod(t *testing.T) {
	t.Parallel()
	data := dataFolder(t)
	s := serve(t, data, append([]string{"--behind-tls-proxy"}, stated...)...)
	if res, err := s.post("/v1/images", "image", photo(t), http.Header{"X-Forwarded-For": {"198.51.100.77"}}); err != nil || res.code != http.StatusAccepted {
		t.Fatal(res, err)
	}
	s.stop() // which records who came
	s = serve(t, data)
	grace, ada := s.enters(t, "Grace Hopper"), s.enters(t, "Ada Lovelace")
	propose := func(kind string) answer {
		return fetch(t, grace, s.url+"/officer/retention/holds", url.Values{"kind": {kind}, "fields": {"address"}, "ground": {"order 7 O 8/26"}})
	}
	if got := propose("image"); got.code != http.StatusForbidden {
		t.Errorf("a photo on hold: %s", got)
	}
	if got := propose("technical"); got.code != http.StatusOK || !strings.Contains(string(got.body), "Approve and place it") {
		t.Fatalf("proposing a hold: %s", got)
	}
	var fact struct{ Hold string }
	if proposed := s.record("--type", "retention.hold_proposed.v1"); len(proposed) != 1 || json.Unmarshal(proposed[0].Data, &fact) != nil {
		t.Fatalf("proposed: %+v", proposed)
	}
	place := s.url + "/officer/retention/holds/" + fact.Hold + "/place"
	if got := fetch(t, grace, place, url.Values{}); got.code != http.StatusForbidden {
		t.Errorf("placing one's own: %s", got)
	}
	if got := fetch(t, ada, place, url.Values{}); got.code != http.StatusOK {
		t.Errorf("placing: %s", got)
	}
	until(t, "the hold", func() bool { return len(s.kept("technical").Held) == 1 })
	s.stop()

	s = serve(t, data, "--clock-offset", "9000h")
	until(t, "the end of the log", func() bool { k := s.kept("api_log"); return k.Purged != nil || k.Waiting == 0 })
	until(t, "the hold to show", func() bool { return len(s.kept("technical").KeptBy) > 0 })
	if k := s.kept("technical"); k.Waiting == 0 || k.Late != 0 || k.KeptBy[0] != "hold" {
		t.Errorf("what is on hold stands as %+v", k)
	}
	for _, l := range s.record("--type", "vault.key_destroyed.v1") {
		if bytes.Contains(l.Data, []byte(`"visit/`)) {
			t.Errorf("a key that is on hold ended: %s", l.Data)
		}
	}
	if out, _, _ := bgremover(t, "audit", "--data", data); !strings.Contains(out, "table.held") || strings.Contains(out, "table.overdue") {
		t.Errorf("an audit says of what is on hold:\n%s", out)
	}
}

// retention asks the service how it stands.
func (r *running) retention() (status usecase.RetentionStatus) {
	r.t.Helper()
	out, errs, code := bgremover(r.t, "retention", "--json", "--data", r.data)
	if err := json.Unmarshal([]byte(out), &status); err != nil || code != 0 {
		r.t.Fatalf("retention: %d, %s%s", code, out, errs)
	}
	return status
}

// kept asks the service how it stands with one kind.
func (r *running) kept(kind string) (found usecase.KindStatus) {
	r.t.Helper()
	for _, k := range r.retention().Kinds {
		if k.Kind == kind {
			found = k
		}
	}
	return found
}
