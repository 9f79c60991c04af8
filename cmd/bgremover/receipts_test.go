package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/internal/evidence"
	"github.com/bgremover/bgremover/internal/merkle"
)

// buildVerifier builds bgverify as it is handed out.
func buildVerifier(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bgverify")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "../bgverify")
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build bgverify: %v: %s", err, out)
	}
	return path
}

// bgverify runs the program on a receipt.
func bgverify(t *testing.T, program string, receipt []byte, args ...string) (said string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, append([]string{"receipt", "-"}, args...)...)
	cmd.Stdin = bytes.NewReader(receipt)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(string(out)), " "), cmd.ProcessState.ExitCode()
}

// firstKey is what somebody keeps of a service to check its receipts later.
func (r *running) firstKey() string {
	r.t.Helper()
	var keys struct{ First string }
	until(r.t, "the log's key", func() bool {
		res := r.ask(http.MethodGet, "/log/keys", "")
		return res.code == http.StatusOK && json.Unmarshal(res.body, &keys) == nil && keys.First != ""
	})
	return keys.First
}

func (r *running) head() []byte {
	r.t.Helper()
	var note []byte
	until(r.t, "a checkpoint", func() bool {
		res := r.ask(http.MethodGet, "/log/checkpoint", "")
		note = res.body
		return res.code == http.StatusOK
	})
	return note
}

// Who cuts out many photos gets a receipt with its proof beside each cutout.
func TestRemoveSavesReceipts(t *testing.T) {
	t.Parallel()
	s := serve(t, dataFolder(t), "--checkpoint-every", "3s")
	photos, out := t.TempDir(), t.TempDir()
	write(t, filepath.Join(photos, "a.jpg"), photo(t))
	write(t, filepath.Join(photos, "more", "b.jpg"), photo(t))
	_, errs, code := bgremover(t, "remove", photos, "-d", out, "--server", s.url, "--receipts")
	if code != 0 || strings.Contains(errs, "key=") {
		t.Fatalf("exit code %d, %s", code, errs)
	}
	for _, name := range []string{"a.receipt.txt", "more/b.receipt.txt"} {
		receipt, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		v, err := evidence.Check(receipt, evidence.Known{Key: s.firstKey()})
		if err != nil || !v.Complete() || v.Receipt.Why != image.BecauseDownloaded {
			t.Errorf("%s: %v, %v", name, err, v.Findings())
		}
	}
	// Nobody else keeps the receipt that is there.
	if err := os.Remove(filepath.Join(out, "a.cutout.png")); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := bgremover(t, "remove", filepath.Join(photos, "a.jpg"), "-d", out, "--server", s.url, "--receipts"); code != 1 || !strings.Contains(errs, "a.receipt.txt is already there") {
		t.Errorf("over a receipt: %d, %s", code, errs)
	}
	if _, errs, code := bgremover(t, "remove", photos, "-d", out, "--receipts"); code != 1 || !strings.Contains(errs, "--server") {
		t.Errorf("without a service: %d, %s", code, errs)
	}
	// Another program that speaks remove.bg's interface, and has no receipts.
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("png")) }))
	defer plain.Close()
	if _, errs, code := bgremover(t, "remove", filepath.Join(photos, "a.jpg"), "-d", out, "--force", "--server", plain.URL, "--receipts"); code != 1 || !strings.Contains(errs, "gives no receipts") {
		t.Errorf("from a service without receipts: %d, %s", code, errs)
	}
}

// One receipt that cannot be had keeps nobody from the others.
func TestReceiptThatCannotBeHad(t *testing.T) {
	t.Parallel()
	proof, err := os.ReadFile(filepath.Join("..", "..", "internal", "evidence", "testdata", "proof.txt"))
	if err != nil {
		t.Fatal(err)
	}
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/there" {
			http.Error(w, "no", http.StatusInternalServerError)
			return
		}
		_, _ = w.Write(proof)
	}))
	defer service.Close()
	there := filepath.Join(t.TempDir(), "b.receipt.txt")
	var errs bytes.Buffer
	err = saveReceipts(t.Context(), streams{err: &errs}, &remoteRemover{client: service.Client()},
		[]receipt{{address: service.URL + "/away?key=secret", path: "a.receipt.txt"}, {address: service.URL + "/there", path: there}})
	if err == nil || err.Error() != "1 of 2 receipts could not be had" || !strings.Contains(errs.String(), "a.receipt.txt: the service answers 500") || strings.Contains(errs.String(), "secret") {
		t.Errorf("%v, %s", err, &errs)
	}
	if got, err := os.ReadFile(there); err != nil || !bytes.Equal(got, proof) {
		t.Errorf("the other one: %q, %v", got, err)
	}
}

// What a person gets and keeps, from the upload to the proof, and checks without the service.
func TestReceiptEndToEnd(t *testing.T) {
	t.Parallel()
	program := buildVerifier(t)
	s := serve(t, dataFolder(t), "--checkpoint-every", "8s")
	before := s.ask(http.MethodGet, "/log/checkpoint", "").body
	a := s.upload(photo(t))
	path := "/v1/images/" + a.ID + "/receipt"

	refused := func(path, token string, status int, code string) {
		t.Helper()
		res := s.ask(http.MethodGet, path, token)
		var problem struct{ Code string }
		if json.Unmarshal(res.body, &problem) != nil || res.code != status || problem.Code != code {
			t.Errorf("got %s, want %d %s", res, status, code)
		}
	}
	refused(path, a.Capability, http.StatusConflict, "receipt.not_deleted")
	refused(path, "wrong", http.StatusNotFound, "image.unknown")

	// Right behind a checkpoint: the next one is seconds away.
	until(t, "a checkpoint over the upload", func() bool {
		res := s.ask(http.MethodGet, "/log/checkpoint", "")
		return res.code == http.StatusOK && !bytes.Equal(res.body, before)
	})
	kept, key := s.head(), s.firstKey()
	if res := s.ask(http.MethodDelete, "/v1/images/"+a.ID, a.Capability); res.code != http.StatusOK {
		t.Fatalf("delete: %s", res)
	}
	res := s.ask(http.MethodGet, path, a.Capability)
	if res.code != http.StatusOK || res.header.Get("Cache-Control") != "no-store" || !strings.Contains(res.header.Get("Content-Disposition"), "attachment") {
		t.Fatalf("the receipt: %s, headers %v", res, res.header)
	}
	promise := res.body
	if said, code := bgverify(t, program, promise, "--key", key); code != 3 || !strings.Contains(said, "as a promise") || !strings.Contains(said, "not found: original, result") {
		t.Errorf("at once: exit code %d, %s", code, said)
	}
	refused(path, "wrong", http.StatusNotFound, "image.unknown")
	refused(path+"?against=0", a.Capability, http.StatusBadRequest, "receipt.against")
	refused(path+"?against=1000000", a.Capability, http.StatusConflict, "receipt.ahead")

	var proof []byte
	until(t, "the proof", func() bool {
		proof = s.ask(http.MethodGet, path, a.Capability).body
		return bytes.Contains(proof, []byte("\ncheckpoint\n"))
	})
	if said, code := bgverify(t, program, proof, "--key", key); code != 0 || !strings.Contains(said, "This receipt holds.") || !strings.Contains(said, "whoever held its link asked for it") {
		t.Errorf("after the checkpoint: exit code %d, %s", code, said)
	}
	if said, code := bgverify(t, program, proof); code != 3 || !strings.Contains(said, "Whose key that is") {
		t.Errorf("with no key: exit code %d, %s", code, said)
	}

	// Against what was kept before the deletion.
	old, err := merkle.ReadCheckpoint(kept)
	if err != nil {
		t.Fatal(err)
	}
	keptFile := filepath.Join(t.TempDir(), "checkpoint.txt")
	write(t, keptFile, kept)
	since := s.ask(http.MethodGet, path+"?against="+strconv.FormatInt(old.Size, 10), a.Capability).body
	if said, code := bgverify(t, program, since, "--against", keptFile); code != 0 || !strings.Contains(said, "nothing in it was changed or removed since") {
		t.Errorf("against a kept checkpoint: exit code %d, %s", code, said)
	}
	if said, code := bgverify(t, program, proof, "--against", keptFile); code != 3 {
		t.Errorf("without having asked for it: exit code %d, %s", code, said)
	}

	// One bit, in the middle.
	flipped := bytes.Clone(proof)
	flipped[len(flipped)/2] ^= 1
	if said, code := bgverify(t, program, flipped, "--key", key); code != 1 {
		t.Errorf("with a flipped bit: exit code %d, %s", code, said)
	}

	// After the key has changed hands, the old key still leads there.
	rotated, errs, code := bgremover(t, "log", "rotate-key", "--data", s.data)
	if code != 0 {
		t.Fatalf("rotate: %s", errs)
	}
	var after []byte
	until(t, "a receipt of the new key", func() bool {
		after = s.ask(http.MethodGet, path, a.Capability).body
		return bytes.Contains(after, []byte("\nrotation\n"))
	})
	for _, known := range []string{key, strings.Fields(rotated)[0]} {
		if said, code := bgverify(t, program, after, "--key", known); code != 0 {
			t.Errorf("after the rotation, with %s: exit code %d, %s", known, code, said)
		}
	}

	// Somebody else's service vouches for nothing here.
	other := serve(t, dataFolder(t))
	other.upload(photo(t))
	if said, code := bgverify(t, program, proof, "--key", other.firstKey()); code != 1 || !strings.Contains(said, "receipt.other_key") {
		t.Errorf("with another installation's key: exit code %d, %s", code, said)
	}
	write(t, keptFile, other.head())
	if said, code := bgverify(t, program, proof, "--against", keptFile); code != 1 || !strings.Contains(said, "receipt.other_log") {
		t.Errorf("with another installation's checkpoint: exit code %d, %s", code, said)
	}
}
