package main

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/opa"
	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/internal/config"
	"github.com/bgremover/bgremover/policies"
)

func TestStartWith(t *testing.T) {
	tests := map[string]struct {
		inForce, release     int64
		may                  bool
		own, activate, store bool
	}{
		"the first start":              {inForce: 0, release: 4, own: true, activate: true},
		"the same release again":       {inForce: 4, release: 4, may: true},
		"a newer release":              {inForce: 4, release: 5, store: true},
		"a newer release, for oneself": {inForce: 4, release: 5, may: true, own: true, activate: true},
		"an older release":             {inForce: 5, release: 4, may: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			own, activate, store := startWith(tt.inForce, tt.release, tt.may)
			if own != tt.own || activate != tt.activate || store != tt.store {
				t.Errorf("own rules %v, activate %v, store %v", own, activate, store)
			}
		})
	}
}

func TestTroubleIsSaidWhenItChanges(t *testing.T) {
	var f fetched
	away, other := errors.New("away"), errors.New("unsigned")
	for i, tt := range []struct {
		err     error
		changed bool
	}{{nil, false}, {away, true}, {errors.New("away"), false}, {other, true}, {nil, true}, {nil, false}} {
		if got := f.changed(tt.err, time.Unix(int64(i), 0)); got != tt.changed {
			t.Errorf("%d: %v is a change: %v", i, tt.err, got)
		}
	}
	if at, err := f.last(); err != nil || at.Unix() != 5 {
		t.Errorf("the last: %v, %v", at, err)
	}
}

// rulesFolder holds the rules of this release under another revision.
func rulesFolder(t *testing.T, revision string) string {
	t.Helper()
	folder := t.TempDir()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.CopyFS(folder, policies.Bundle))
	manifest := filepath.Join(folder, ".manifest")
	must(os.Chmod(manifest, 0o600))
	must(os.WriteFile(manifest, []byte(`{"revision": "`+revision+`"}`), 0o600))
	return folder
}

// signing is a key pair: the private part in a file, the public part in another.
type signing struct{ private, public string }

func newSigning(t *testing.T, keyID string) signing {
	t.Helper()
	folder := t.TempDir()
	s := signing{filepath.Join(folder, "key.pem"), filepath.Join(folder, "keys.pem")}
	public, errs, code := bgremover(t, "policy", "keygen", "--key-id", keyID, "--out", s.private)
	if code != 0 {
		t.Fatalf("keygen: %s", errs)
	}
	write(t, s.public, []byte(public))
	if info, err := os.Stat(s.private); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the private key: %v, %v", info.Mode(), err)
	}
	if _, errs, code := bgremover(t, "policy", "keygen", "--key-id", keyID, "--out", s.private); code != 1 || !strings.Contains(errs, "exists already") {
		t.Errorf("keygen over a key: %d, %s", code, errs)
	}
	return s
}

// sign packs and signs a folder with rules.
func (s signing) sign(t *testing.T, folder, keyID string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "bundle.tar.gz")
	if said, errs, code := bgremover(t, "policy", "sign", "--key", s.private, "--key-id", keyID, "--bundle", folder, "--out", out); code != 0 {
		t.Fatalf("sign: %s%s", said, errs)
	}
	return out
}

// rules is what `bgremover policy --json` prints: states by revision.
func (r *running) rules() map[int64]operator.Rules {
	r.t.Helper()
	out, errs, code := bgremover(r.t, "policy", "--json", "--data", r.data)
	var status operator.PolicyStatus
	if err := json.Unmarshal([]byte(out), &status); err != nil || code != 0 {
		r.t.Fatalf("policy: %d, %s, %v", code, errs, err)
	}
	found := map[int64]operator.Rules{}
	for _, one := range status.Rules {
		found[one.Revision] = one
	}
	return found
}

// enters signs an officer in, in a browser of their own.
func (r *running) enters(t *testing.T, name string) *http.Client {
	t.Helper()
	link, err := url.Parse(r.officerLink(name))
	if err != nil {
		t.Fatal(err)
	}
	browser := withJar(t)
	if got := fetch(t, browser, r.url+"/officer/enter", url.Values{"link": link.Query()["link"]}); got.code != 200 {
		t.Fatalf("entering: %s", got)
	}
	return browser
}

// Rules are signed, stored, tried, proposed by one officer and approved by another, while people upload: nobody is
// refused, and in the record every decision rests on the rules that were put in force last.
func TestRulesAreReplacedWhilePeopleUpload(t *testing.T) {
	t.Parallel()
	key, stranger := newSigning(t, "policy-1"), newSigning(t, "policy-1")
	data := dataFolder(t)
	s := serve(t, data, "--policy-keys", key.public)
	folder := rulesFolder(t, "1000")
	archive := key.sign(t, folder, "policy-1")
	command := func(code int, says string, args ...string) string {
		t.Helper()
		out, errs, got := bgremover(t, append(args, "--data", data)...)
		if got != code || !strings.Contains(out+errs, says) {
			t.Fatalf("%s: %d, %q, %q", strings.Join(args, " "), got, out, errs)
		}
		return out
	}

	for wrong, says := range map[string]string{
		folder: "not signed", stranger.sign(t, folder, "policy-1"): "not by the key that it names", key.sign(t, folder, "policy-2"): "nobody has named",
		key.sign(t, rulesFolder(t, "1"), "policy-1"): "put in force already", key.public: "no archive",
	} {
		command(1, says, "policy", "store", wrong)
	}
	command(0, "revision 1000 stored, signed by policy-1", "policy", "store", archive)
	command(0, "is stored already", "policy", "store", archive)
	command(0, "Revision 1000 waits: simulate it", "policy")
	grace, ada := s.enters(t, "Grace Hopper"), s.enters(t, "Ada Lovelace")
	command(1, "no simulation of this revision", "policy", "activate", "--revision", "1000", "--simulation", strings.Repeat("0", 64), "--as", "Grace Hopper")
	tried := command(0, "report ", "policy", "simulate", "--revision", "1000")
	digest := regexp.MustCompile(`report ([0-9a-f]{64})`).FindStringSubmatch(tried)
	if digest == nil {
		t.Fatalf("simulate printed %q", tried)
	}
	command(1, "Nobody of this name", "policy", "activate", "--revision", "1000", "--simulation", digest[1], "--as", "Joan Clarke")
	command(0, "once another officer approves it", "policy", "activate", "--revision", "1000", "--simulation", digest[1], "--as", "Grace Hopper")

	picture, done := photo(t), atomic.Bool{}
	var uploads atomic.Int64
	var people sync.WaitGroup
	for range 4 {
		people.Go(func() {
			for !done.Load() {
				got, err := s.post("/v1/images", "image", picture, nil)
				if err != nil || got.code != http.StatusCreated && got.code != http.StatusTooManyRequests && got.code != http.StatusAccepted {
					t.Errorf("an upload: %s, %v", got, err)
					return
				}
				if got.code != http.StatusTooManyRequests {
					uploads.Add(1)
				}
			}
		})
	}
	stop := sync.OnceFunc(func() { done.Store(true); people.Wait() })
	defer stop()
	until(t, "uploads under the old rules", func() bool { return uploads.Load() >= 4 })
	form := url.Values{"simulation": {digest[1]}}
	if got := fetch(t, grace, s.url+"/officer/policy/1000/approve", form); got.code != http.StatusForbidden {
		t.Errorf("approving one's own proposal: %s", got)
	}
	if got := fetch(t, ada, s.url+"/officer/policy/1000/approve", form); got.code != http.StatusOK || !strings.Contains(string(got.body), "in force") {
		t.Errorf("approving: %s", got)
	}
	before := uploads.Load()
	until(t, "uploads under the new rules", func() bool { return uploads.Load() >= before+4 || t.Failed() })
	stop()

	if got := s.rules(); got[1000].State != "in force" || got[1000].SignedBy != "policy-1" || len(got) != 2 {
		t.Errorf("rules: %+v", got)
	}
	if n := restsOnTheRulesInForce(t, s.record()); n[1000] == 0 {
		t.Errorf("decisions by revision: %v", n)
	}
	s.stop()

	s = serve(t, data, "--policy-keys", key.public) // the record's rules hold, not the release's
	s.upload(picture)
	last := s.record()
	if n := restsOnTheRulesInForce(t, last); n[1000] == 0 {
		t.Errorf("decisions by revision: %v", n)
	}
	if got := s.rules(); got[1000].State != "in force" {
		t.Errorf("after a restart: %+v", got)
	}
}

// restsOnTheRulesInForce holds that each decision is by the rules activated last before it, and counts them by revision.
func restsOnTheRulesInForce(t *testing.T, record []operator.Line) map[int64]int {
	t.Helper()
	decisions := map[int64]int{}
	var inForce int64
	for _, l := range record {
		if l.Decision != nil {
			decisions[l.Decision.Revision]++
			if inForce != 0 && l.Decision.Revision != inForce {
				t.Errorf("fact %d, %s, rests on revision %d, and %d is in force", l.Seq, l.Type, l.Decision.Revision, inForce)
			}
		}
		if l.Type == (policy.Activated{}).EventName() {
			var a struct{ Revision int64 }
			if err := json.Unmarshal(l.Data, &a); err != nil {
				t.Fatal(err)
			}
			inForce = a.Revision
		}
	}
	return decisions
}

// A start under rules that lack what this release asks ends with what to do.
func TestRulesThatDoNotFit(t *testing.T) {
	t.Parallel()
	data := dataFolder(t)
	serve(t, data).stop()
	open, err := openTools(t.Context(), config.Ground{Folder: config.Folder{Data: data}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	release, err := opa.ReadFolder(policies.Bundle)
	if err != nil {
		t.Fatal(err)
	}
	folder := rulesFolder(t, "3")
	b, err := opa.ReadFolder(os.DirFS(folder))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(folder, "keys", "keys.rego")); err != nil {
		t.Fatal(err)
	}
	lacking, err := opa.ReadFolder(os.DirFS(folder))
	if err != nil {
		t.Fatal(err)
	}
	archive, err := lacking.Archive()
	if err != nil {
		t.Fatal(err)
	}
	stored, err := json.Marshal(policy.BundleStored{Revision: b.Revision(), Digest: b.Digest(), SignedBy: "release", Archive: archive})
	if err != nil {
		t.Fatal(err)
	}
	// As a release would have left it that asked less.
	_, err = open.pool.Exec(t.Context(), "update ledger.facts set body = convert_to(regexp_replace(convert_from(body, 'UTF8'), '\"fact\":{[^}]*}', $2), 'UTF8') where stream = $1 and version = 1",
		policy.BundleStream(strconv.FormatInt(release.Revision(), 10)), `"fact":`+string(stored))
	if err = errors.Join(err, open.close()); err != nil {
		t.Fatal(err)
	}
	out, errs, code := bgremover(t, append(serveFlags(data), "--data", data)...)
	if code != 1 || !strings.Contains(errs, "the rule keys.due is missing") || !strings.Contains(errs, "Start the release that these rules came with") {
		t.Errorf("%d, %q, %q", code, out, errs)
	}
}

func TestUnfitRulesSayWhatToDo(t *testing.T) {
	s := &service{}
	s.rules.release.Revision = 5
	why := errors.New("the rule x.y is missing")
	for inForce, says := range map[int64]string{4: "--activate-release-policy, which puts its own revision 5", 5: "came with", 6: "came with"} {
		if err := s.unfit(inForce, why); !errors.Is(err, why) || !strings.Contains(err.Error(), says) {
			t.Errorf("revision %d: %v", inForce, err)
		}
	}
}

// What a bundle server has is stored, and waits.
func TestRulesAreFetched(t *testing.T) {
	t.Parallel()
	key := newSigning(t, "policy-fetched")
	archive, err := os.ReadFile(key.sign(t, rulesFolder(t, "1000"), "policy-fetched"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(archive) }))
	defer server.Close()
	s := serve(t, dataFolder(t), "--policy-keys", key.public, "--policy-url", server.URL+"/bundle.tar.gz")
	until(t, "the bundle is stored", func() bool { return s.rules()[1000].State == "stored" })
	s.logs("a policy bundle was fetched and stored")
}

func TestCapabilities(t *testing.T) {
	t.Parallel()
	out, _, code := bgremover(t, "policy", "capabilities")
	var read struct{ Builtins []struct{ Name string } }
	if err := json.Unmarshal([]byte(out), &read); err != nil || code != 0 || len(read.Builtins) < 50 {
		t.Fatalf("%d, %d built-in functions, %v", code, len(read.Builtins), err)
	}
	for _, b := range read.Builtins {
		if b.Name == "http.send" || b.Name == "time.now_ns" {
			t.Errorf("rules may call %s", b.Name)
		}
	}
}
