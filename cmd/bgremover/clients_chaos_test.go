package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/internal/config"
	"github.com/bgremover/bgremover/internal/fault/faulttest"
)

// clients are people who use a service that dies under them, and remember what it told them.
type clients struct {
	t *testing.T

	mu         sync.Mutex
	uploads    map[string]accepted // acknowledged, by image
	keyed      map[string]string   // the image that was acknowledged, by idempotency key
	unsure     map[string][]byte   // photos whose upload nobody answered, by idempotency key
	downloaded map[string]bool     // whole, by image
	deleted    map[string]bool     // acknowledged, by image
	requests   int

	record   []operator.Line // as it was read last
	reads    int
	repeated int      // uploads that were asked for again
	saved    []string // files with checkpoints, as somebody outside keeps them
}

func newClients(t *testing.T) *clients {
	return &clients{
		t: t, uploads: map[string]accepted{}, keyed: map[string]string{}, unsure: map[string][]byte{},
		downloaded: map[string]bool{}, deleted: map[string]bool{},
	}
}

// String tells what happened, for the summary.
func (c *clients) String() string {
	return fmt.Sprintf("%d requests, acknowledged: %d uploads, %d downloads, %d deletions; %d uploads asked for again; %d facts, compared %d times; %d checkpoints kept",
		c.requests, len(c.uploads), len(c.downloaded), len(c.deleted), c.repeated, len(c.record), c.reads, len(c.saved))
}

// keepCheckpoint saves the public checkpoint, if there is one.
func (c *clients) keepCheckpoint(s *running) {
	c.t.Helper()
	res, err := c.ask(s, http.MethodGet, "/log/checkpoint", "")
	if err != nil || res.code != http.StatusOK {
		return
	}
	path := filepath.Join(c.t.TempDir(), "checkpoint")
	if err := os.WriteFile(path, res.body, 0o600); err != nil {
		c.t.Fatal(err)
	}
	c.saved = append(c.saved, path)
}

// someSaved are the oldest checkpoint, the newest, and some between them.
func (c *clients) someSaved() (some []string) {
	n := min(faulttest.Times(1, 10), len(c.saved))
	for i := range n {
		some = append(some, c.saved[i*(len(c.saved)-1)/max(1, n-1)])
	}
	return some
}

// load sends requests from several clients until the service is gone, or the time is over.
func (c *clients) load(s *running, atMost time.Duration) {
	until := time.Now().Add(atMost)
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			for time.Now().Before(until) && c.oneLife(s) == nil {
			}
		})
	}
	all.Wait()
}

// oneLife uploads a photo, and downloads it, deletes it, or leaves it. Its error says that
// the service is gone.
func (c *clients) oneLife(s *running) error {
	key, photo := newID(), smallPhoto(c.t)
	a, err := c.upload(s, key, photo)
	if err != nil || a.ID == "" {
		return err
	}
	end := rand.IntN(5)
	if end == 0 {
		return nil // left, to be deleted when it is due
	}
	if end == 1 {
		return c.delete(s, a)
	}
	for {
		res, err := c.ask(s, http.MethodGet, "/v1/images/"+a.ID, a.Capability)
		if err != nil {
			return err
		}
		var is struct{ Status string }
		if err := json.Unmarshal(res.body, &is); err == nil && is.Status != "waiting" {
			break
		}
		<-time.After(30 * time.Millisecond)
	}
	if end == 2 {
		return c.delete(s, a)
	}
	res, err := c.ask(s, http.MethodGet, "/v1/images/"+a.ID+"/result", a.Capability)
	if err == nil && res.code == http.StatusOK { // the body came whole
		c.note(func() { c.downloaded[a.ID] = true })
	}
	return err
}

func (c *clients) note(what func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	what()
}

func (c *clients) upload(s *running, key string, photo []byte) (a accepted, err error) {
	c.note(func() { c.requests++; c.unsure[key] = photo })
	res, err := s.post("/v1/images", "image", photo, http.Header{"Idempotency-Key": {key}})
	if err != nil || res.code != http.StatusAccepted {
		return accepted{}, err
	}
	if err := json.Unmarshal(res.body, &a); err != nil {
		return accepted{}, err // cut off in its body
	}
	c.note(func() {
		delete(c.unsure, key)
		c.uploads[a.ID], c.keyed[key] = a, a.ID
	})
	return a, nil
}

func (c *clients) delete(s *running, a accepted) error {
	res, err := c.ask(s, http.MethodDelete, "/v1/images/"+a.ID, a.Capability)
	if err == nil && res.code == http.StatusOK {
		c.note(func() { c.deleted[a.ID] = true })
	}
	return err
}

func (c *clients) ask(s *running, method, path, capability string) (answer, error) {
	req, err := http.NewRequestWithContext(c.t.Context(), method, s.url+path, nil)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Authorization", "Bearer "+capability)
	c.note(func() { c.requests++ })
	return roundTrip(req)
}

// checkUnlessKilled compares the record with what was acknowledged, while the service lives.
func (c *clients) checkUnlessKilled(s *running) {
	c.t.Helper()
	path, err := faulty()
	if err != nil {
		c.t.Fatal(err)
	}
	out, err := exec.Command(path, "log", "show", "--json", "--data", s.data).Output()
	if err != nil {
		if !s.endedBy(syscall.SIGKILL) {
			c.t.Fatalf("log show: %v", err)
		}
		return
	}
	c.check(parseLines(c.t, string(out)))
}

// minuteOf is which minute a fact counts decisions of: of one rule there is one fact for each.
func minuteOf(t *testing.T, l operator.Line) string {
	t.Helper()
	counts := policy.DecisionsCounted{}.EventName()
	if l.Type != counts {
		return ""
	}
	var counted policy.DecisionsCounted
	if err := json.Unmarshal(l.Data, &counted); err != nil || counted.From.IsZero() {
		t.Fatalf("fact %d: %v", l.Seq, err)
	}
	return counted.From.Format(" 2006-01-02T15:04")
}

// check compares the record with what was acknowledged, and with what it was before.
func (c *clients) check(record []operator.Line) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads++
	for i, before := range c.record {
		if i >= len(record) || record[i].ID != before.ID || !bytes.Equal(record[i].Data, before.Data) {
			c.t.Fatalf("fact %d was %s, and is it no more", i+1, before.ID)
		}
	}
	c.record = record
	version, facts, ids := map[event.Stream]int64{}, map[string]int{}, map[string]bool{}
	requests := map[string]int{}
	for i, l := range record {
		if version[l.Subject]++; l.Seq != int64(i+1) || l.Version != version[l.Subject] || ids[l.ID] {
			c.t.Fatalf("line %d: seq %d, %s version %d, fact %s", i+1, l.Seq, l.Subject, l.Version, l.ID)
		}
		ids[l.ID] = true
		name := string(l.Type) + " " + string(l.Subject) + minuteOf(c.t, l)
		// A download that was broken off may come before the whole one.
		if facts[name]++; facts[name] > 1 && l.Type != "image.downloaded.v1" {
			c.t.Errorf("%d times %s", facts[name], name)
		}
		if l.Request != "" {
			if requests[l.Request]++; requests[l.Request] > 1 {
				c.t.Errorf("request %s was carried out twice", l.Request)
			}
		}
	}
	for img := range c.uploads {
		if facts["image.uploaded.v1 image/"+img] != 1 {
			c.t.Errorf("the acknowledged upload of %s is not in the record", img)
		}
	}
	for img := range c.deleted {
		if facts["image.deleted.v1 image/"+img] != 1 {
			c.t.Errorf("the acknowledged deletion of %s is not in the record", img)
		}
	}
	if destroyed := count(record, "vault.key_destroyed.v1"); destroyed != count(record, "image.deleted.v1") {
		c.t.Errorf("%d deletions, %d destroyed keys", count(record, "image.deleted.v1"), destroyed)
	}
}

func count(record []operator.Line, name event.Name) (n int) {
	for _, l := range record {
		if l.Type == name {
			n++
		}
	}
	return n
}

// settle lets the service finish what is left, looks at everything, and stops it.
func (c *clients) settle(s *running, env ...string) {
	c.t.Helper()
	if s.url == "" {
		_ = s.wait()
		c.t.Fatalf("the service does not start any more (%s):\n%s", s.cmd.ProcessState, s.log)
	}
	c.age(s)
	// Whoever got no answer asks again, and gets the first one's, if there was one.
	for key, photo := range c.unsure {
		var a accepted
		until(c.t, "the answer to a repeated upload", func() (ok bool) {
			var err error
			if a, err = c.upload(s, key, photo); err != nil {
				c.t.Fatal(err)
			}
			return a.ID != ""
		})
		c.repeated++
	}
	for _, a := range c.uploads {
		until(c.t, "the outcome of "+a.ID, func() bool { return s.status(a) != "waiting" })
	}
	for img := range c.downloaded {
		until(c.t, "the deletion of "+img+", which was downloaded", func() bool { return s.status(c.uploads[img]) == "deleted" })
	}
	if len(c.uploads) == 0 {
		c.t.Error("nothing was acknowledged, so nothing was tried")
	}
	c.check(s.record())
	for img := range c.downloaded {
		whole := 0
		for _, l := range c.record {
			if l.Type == "image.downloaded.v1" && string(l.Subject) == "image/"+img && bytes.Contains(l.Data, []byte("true")) {
				whole++
			}
		}
		if whole != 1 {
			c.t.Errorf("%s was downloaded, and the record says so %d times", img, whole)
		}
	}
	s.stop()
	proven(c.t, s.data, env, c.someSaved()...)
}

// due lets a day pass: whatever had happened to a picture, it is deleted.
func (c *clients) due(s *running) {
	c.t.Helper()
	for _, a := range c.uploads {
		until(c.t, "the deletion of "+a.ID, func() bool { return s.status(a) == "deleted" })
	}
	record := s.record()
	if uploads, deletions := count(record, "image.uploaded.v1"), count(record, "image.deleted.v1"); uploads != deletions {
		c.t.Errorf("%d uploads, %d deletions", uploads, deletions)
	}
	s.stop()
}

// age lets a minute and a half pass for what dead processes had taken: their leases, the
// requests they were at, the downloads that they did not see to the end.
func (c *clients) age(s *running) {
	c.t.Helper()
	g, err := openTools(c.t.Context(), config.Ground{Folder: config.Folder{Data: s.data}}, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, sql := range []string{
		`update work.leases set until = until - interval '90 s'`,
		`update work.requests set until = until - interval '90 s' where finished_at is null`,
		`update work.deliveries set marked_at = marked_at - interval '90 s'`,
	} {
		if _, err := g.pool.Exec(c.t.Context(), sql); err != nil {
			c.t.Fatal(err)
		}
	}
	if err := g.close(); err != nil {
		c.t.Fatal(err)
	}
}

// smallPhoto is one of its own, quick to decode and to encode.
func smallPhoto(t testing.TB) []byte {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, 48, 48))
	for y := range 48 {
		for x := range 48 {
			img.SetNRGBA(x, y, color.NRGBA{R: uint8(x * 5), G: uint8(y * 5), B: uint8(rand.IntN(256)), A: 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// proven checks what a stopped service keeps, by the commands that an operator has for that;
// against checkpoints, if there are any, that were saved before.
func proven(t testing.TB, data string, env []string, saved ...string) {
	t.Helper()
	path, err := faulty()
	if err != nil {
		t.Fatal(err)
	}
	lines := [][]string{{"rebuild", "--check"}}
	for _, checkpoint := range saved {
		lines = append(lines, []string{"log", "verify", "--against", checkpoint})
	}
	if len(saved) == 0 {
		lines = append(lines, []string{"log", "verify"})
	}
	for _, line := range lines {
		cmd := exec.Command(path, append(line, "--data", data)...)
		cmd.Env = append(append(os.Environ(), "BGREMOVER_CONFIG="), env...)
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("bgremover %s: %v\n%s", strings.Join(line, " "), err, said)
		}
	}
}
