package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/bgremover/bgremover/adapters/kafka"
	"github.com/bgremover/bgremover/internal/audit"
	"github.com/bgremover/bgremover/internal/config"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/merkle"
	"github.com/bgremover/bgremover/internal/telemetry"
)

// verifyLog runs `log verify` and reads its report.
func verifyLog(t *testing.T, wantCode int, args ...string) audit.Report {
	t.Helper()
	var out, diagnostics bytes.Buffer
	if code := run(t.Context(), append([]string{"log", "verify", "--json"}, args...), streams{&out, &diagnostics}); code != wantCode {
		t.Fatalf("exit code %d: %s%s", code, &out, &diagnostics)
	}
	var r audit.Report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("%v: %s%s", err, &out, &diagnostics)
	}
	return r
}

// A service's record is verified while it runs and when it is stopped; a second version of a
// fact, slipped into Kafka, is found and named.
func TestLogVerify(t *testing.T) {
	t.Parallel()
	s := serve(t, dataFolder(t))
	if res, err := s.post("/v1.0/removebg", "image_file", photo(t), nil); err != nil || res.code != http.StatusOK {
		t.Fatal(res, err)
	}
	until(t, "the deletion", func() bool { return len(s.record()) >= 5 })
	if r := verifyLog(t, 0, "--data", s.data); r.Facts < 5 || max(r.Compared, r.Covered) < 5 || r.First.IsZero() || r.Root == "" {
		t.Errorf("%+v", r)
	}
	s.stop()
	if r := verifyLog(t, 0, "--data", s.data); r.Facts < 5 {
		t.Errorf("%+v", r)
	}
	forge(t, s.data)
	r := verifyLog(t, 1, "--data", s.data)
	if r.Finding == nil || r.Finding.What != audit.Changed || r.Finding.Seq != 2 || r.Finding.Through != 2 {
		t.Errorf("%+v", r)
	}
	var out bytes.Buffer
	code := run(t.Context(), []string{"log", "verify", "--data", s.data}, streams{&out, &out})
	if code != 1 || !strings.Contains(out.String(), "DOES NOT HOLD (changed: seq 2:") {
		t.Errorf("exit code %d: %s", code, &out)
	}
}

// The service tells its operator what it found in its own record.
func TestTheServiceVerifiesItself(t *testing.T) {
	t.Parallel()
	s := serve(t, dataFolder(t))
	s.upload(photo(t))
	until(t, "two facts", func() bool { return len(s.record()) >= 2 })
	s.stop()
	tell := func(want ...string) {
		t.Helper()
		open, err := openTools(t.Context(), config.Ground{Folder: config.Folder{Data: s.data}}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer open.close()
		var log bytes.Buffer
		own := &service{ground: open.ground, log: slog.New(slog.NewTextHandler(&log, nil)), metrics: telemetry.NewMetrics(telemetry.Build{})}
		report, err := own.verify(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		own.tellVerdict(t.Context(), report)
		scrape := httptest.NewRecorder()
		own.metrics.Handler().ServeHTTP(scrape, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
		for _, text := range want {
			if !strings.Contains(log.String()+scrape.Body.String(), text) {
				t.Errorf("nothing says %q: %s", text, &log)
			}
		}
	}
	tell("the record was verified", "bgremover_record_broken 0")
	forge(t, s.data)
	tell("ALARM: the record does not hold", "what=changed seq=2", "bgremover_record_broken 1")
}

// forge puts another fact under the number 2 into a stopped service's Kafka.
func forge(t *testing.T, data string) {
	t.Helper()
	open, err := openTools(t.Context(), config.Ground{Folder: config.Folder{Data: data}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := open.close(); err != nil {
			t.Error(err)
		}
	}()
	sample, err := ledger.Sample("image.downloaded.v1")
	if err != nil {
		t.Fatal(err)
	}
	pub := kafka.NewPublisher(open.kafka)
	defer pub.Close()
	if err := pub.Publish(ledger.TopicRecord, &message.Message{Payload: sample, Metadata: message.Metadata{ledger.MetaSeq: "2"}}); err != nil {
		t.Fatal(err)
	}
}

// Whoever has Kafka, the log's first key and a checkpoint of some time needs nobody else.
func TestLogVerifyOverKafkaAlone(t *testing.T) {
	t.Parallel()
	s := serve(t, dataFolder(t), "--checkpoint-every", "1s")
	if res, err := s.post("/v1.0/removebg", "image_file", photo(t), nil); err != nil || res.code != http.StatusOK {
		t.Fatal(res, err)
	}
	kept := filepath.Join(t.TempDir(), "checkpoint")
	until(t, "a checkpoint", func() bool {
		res := s.ask(http.MethodGet, "/log/checkpoint", "")
		c, err := merkle.ReadCheckpoint(res.body)
		return res.code == http.StatusOK && err == nil && c.Size >= 5 && os.WriteFile(kept, res.body, 0o600) == nil
	})
	key := strings.TrimSpace(s.prints("log", "key"))
	s.prints("log", "rotate-key")
	s.upload(photo(t))
	where, err := askGround(t.Context(), s.data)
	if err != nil {
		t.Fatal(err)
	}
	cmd := logVerifyCmd{Against: kept, Key: key, Tiles: s.url + "/log", JSON: true}
	cmd.Data = t.TempDir()
	cmd.Kafka.Brokers, cmd.Kafka.User, cmd.Kafka.Password = where.Brokers, where.User, config.Secret(where.Password)
	var r audit.Report
	until(t, "a checkpoint of the new key", func() bool {
		var out bytes.Buffer
		if err := cmd.run(t.Context(), streams{&out, &out}); err != nil {
			t.Fatalf("%v: %s", err, &out)
		}
		if err := json.Unmarshal(out.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		return r.Rotations == 1 && r.Covered >= 7 && r.Checkpoints >= 2
	})
	if r.Key != key || !r.Pinned || r.Checkpoints < 2 || r.Compared != 0 {
		t.Errorf("%+v", r)
	}
}

// prints runs a command on the service's folder and returns what it prints.
func (r *running) prints(args ...string) string {
	r.t.Helper()
	var out, diagnostics bytes.Buffer
	if code := run(r.t.Context(), append(args, "--data", r.data), streams{&out, &diagnostics}); code != 0 {
		r.t.Fatalf("%v: exit code %d: %s", args, code, &diagnostics)
	}
	return out.String()
}

func TestLogVerifyThatCannot(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "missing")
	nonsense := filepath.Join(t.TempDir(), "nonsense")
	if err := os.WriteFile(nonsense, []byte("no checkpoint"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		args []string
		says string
	}{
		"no service and no folder":  {[]string{"--data", missing}, "--data"},
		"no checkpoint":             {[]string{"--data", missing, "--against", missing}, "kept elsewhere"},
		"no brokers there":          {[]string{"--data", missing, "--kafka", "127.0.0.1:1"}, "127.0.0.1:1"},
		"tiles of nobody":           {[]string{"--data", missing, "--kafka", "127.0.0.1:1", "--tiles", "nowhere"}, "--tiles"},
		"something that is no file": {[]string{"--data", missing, "--kafka", "127.0.0.1:1", "--against", nonsense}, "kept elsewhere"},
		"a key that is none":        {[]string{"--data", missing, "--kafka", "127.0.0.1:1", "--key", "nonsense"}, "verifier key"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, diagnostics bytes.Buffer
			code := run(t.Context(), append([]string{"log", "verify"}, tt.args...), streams{&out, &diagnostics})
			if code != 1 || !strings.Contains(diagnostics.String(), tt.says) || out.Len() > 0 {
				t.Errorf("exit code %d, says %s%s", code, &diagnostics, &out)
			}
		})
	}
}

// Tiles are asked for whole first, and once.
func TestWebTiles(t *testing.T) {
	t.Parallel()
	var asked []string
	hashes := func(n int) []byte {
		raw := make([]byte, 32*n)
		for i := range n {
			raw[32*i] = byte(i)
		}
		return raw
	}
	log := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
		switch r.URL.Path {
		case "/log/tile/0/000":
			_, _ = w.Write(hashes(256))
		case "/log/tile/0/001.p/3":
			_, _ = w.Write(hashes(3))
		case "/log/tile/0/002":
			_, _ = w.Write(hashes(255))
		default:
			http.NotFound(w, r)
		}
	}))
	defer log.Close()
	tiles, err := newWebTiles(log.URL + "/log/")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		given merkle.Tile
		asks  string
		fails bool
	}{
		{merkle.Tile{Index: 0, Width: 256}, "/log/tile/0/000", false},
		{merkle.Tile{Index: 0, Width: 7}, "", false},
		{merkle.Tile{Index: 1, Width: 3}, "/log/tile/0/001 /log/tile/0/001.p/3", false},
		{merkle.Tile{Index: 1, Width: 3}, "", false},
		{merkle.Tile{Index: 2, Width: 256}, "/log/tile/0/002", true},
		{merkle.Tile{Level: 1, Width: 1}, "/log/tile/1/000 /log/tile/1/000.p/1", true},
	}
	for _, tt := range tests {
		asked = nil
		got, err := tiles.Tile(t.Context(), tt.given)
		if (err != nil) != tt.fails || strings.Join(asked, " ") != tt.asks {
			t.Errorf("%s: asked for %v, got %v", tt.given.Path(), asked, err)
		}
		if err == nil && (len(got) != tt.given.Width || got[len(got)-1][0] != byte(len(got)-1)) {
			t.Errorf("%s: got %d hashes", tt.given.Path(), len(got))
		}
	}
}
