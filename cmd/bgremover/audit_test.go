package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/usecase"
)

// everythingStated is what an operator has to state for nothing to be open.
var everythingStated = []string{
	"--operator-name", "Example GmbH", "--operator-address", "Domplatz 1, Cologne", "--operator-region", "Cologne, Germany (EU)",
	"--operator-contact", "privacy@example.org", "--operator-authority", "LDI NRW, Düsseldorf",
}

// An operator asks for an audit: what is nobody's is found and removed, what is somebody's stays, the audit
// is in the record, signed by the log's key, and its checks have looked at the live service.
func TestAuditOnDemand(t *testing.T) {
	data := dataFolder(t)
	r := serve(t, data, everythingStated...)
	up := r.upload(photo(t))
	stray := filepath.Join(data, "blobs", "aa", "01900000-0000-7000-8000-0000000000aa.original")
	if err := os.MkdirAll(filepath.Dir(stray), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(stray, []byte("\x28noise"), 0o600); err != nil {
		t.Fatal(err)
	}
	gone := r.upload(photo(t))
	r.deleted(gone)
	late := filepath.Join(data, "blobs", gone.ID[len(gone.ID)-2:], gone.ID+".result") // as if a processor had come late
	if err := os.WriteFile(late, []byte("\x28unreadable"), 0o600); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(stray, old, old); err != nil {
		t.Fatal(err)
	}

	out, errOut, code := bgremover(t, "audit", "--data", data, "--json")
	var done usecase.Audit
	if err := json.Unmarshal([]byte(out), &done); err != nil || code != 0 {
		t.Fatalf("exit code %d: %s\n%s", code, out, errOut)
	}
	want := []system.Finding{
		{Code: "object.of_deleted", Promise: "image.no-permanent-store", Count: 1}, {Code: "object.unknown", Promise: "image.no-permanent-store", Count: 1},
	}
	if !slices.Equal(done.Fact.Findings, want) || done.Fact.Removed != 2 || !done.Fact.Whole || done.Fact.Objects < 3 {
		t.Errorf("found %+v", done.Fact)
	}
	for _, name := range []string{stray, late} {
		if _, err := os.Stat(name); !os.IsNotExist(err) {
			t.Errorf("%s: %v", filepath.Base(name), err)
		}
	}
	originals, err := filepath.Glob(filepath.Join(data, "blobs", "*", up.ID+".original"))
	if err != nil || len(originals) != 1 {
		t.Errorf("the photo that somebody waits for: %v, %v", originals, err)
	}
	for _, c := range done.Checks {
		onlyHere := c.Check == "transport.https" // plain HTTP that only this machine reaches shows nothing
		if c.Passed() == onlyHere || onlyHere && c.Code != "check.looked_at_nothing" {
			t.Errorf("the check %s looked at %d: %s", c.Check, c.Looked, c.Code)
		}
	}
	if len(done.Checks) < 9 {
		t.Errorf("only %d checks ran", len(done.Checks))
	}

	key, _, _ := bgremover(t, "log", "key", "--data", data)
	verifier, err := note.NewVerifier(strings.TrimSpace(key))
	if err != nil {
		t.Fatal(err)
	}
	recorded := r.record("--type", "audit.completed.v1")
	var fact system.AuditCompleted
	if len(recorded) != 1 || recorded[0].Seq != done.Seq || json.Unmarshal(recorded[0].Data, &fact) != nil {
		t.Fatalf("recorded %+v", recorded)
	}
	statement, err := usecase.AuditStatement(fact)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := note.Open([]byte(string(statement)+"\n"+fact.Signature+"\n"), note.VerifierList(verifier)); err != nil {
		t.Errorf("the signature: %v", err)
	}

	out, _, code = bgremover(t, "audit", "--data", data)
	if code != 0 || !strings.Contains(out, "everything was seen") || !strings.Contains(out, "what is kept is what the record says") || !strings.Contains(out, "region.stated") {
		t.Errorf("the next audit, exit code %d:\n%s", code, out)
	}
}

// A photo in clear among the service's files breaks a promise, and the command says so by its exit code.
func TestAuditFindsAPhotoInClear(t *testing.T) {
	data := dataFolder(t)
	r := serve(t, data, everythingStated...)
	if err := os.WriteFile(filepath.Join(data, "blobs", "unfinished", "left"), []byte("\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errOut, code := bgremover(t, "audit", "--data", data)
	if code != 1 || !strings.Contains(out, "file.unsealed") || !strings.Contains(out, "BROKEN") || !strings.Contains(errOut, "a promise is broken") {
		t.Errorf("exit code %d:\n%s%s", code, out, errOut)
	}
	if suspected := r.record("--type", "incident.suspected.v1"); len(suspected) != 1 {
		t.Errorf("suspected %+v", suspected)
	}
	if !strings.Contains(r.log.String(), "ALARM") {
		t.Errorf("the log:\n%s", r.log)
	}
	if page := fetch(t, http.DefaultClient, r.url+"/promises", nil); !strings.Contains(string(page.body), "The sentinel found pictures in clear among the service&#39;s files at ") {
		t.Errorf("the page of promises does not say in words what was found: %d", page.code)
	}
}

// A data folder that is reached by a link is looked into like any other.
func TestFilesBehindALink(t *testing.T) {
	folder, link := t.TempDir(), filepath.Join(t.TempDir(), "data")
	if err := os.Symlink(folder, link); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "left"), []byte("\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01"), 0o600); err != nil {
		t.Fatal(err)
	}
	found, err := dataFiles{link, filepath.Join(link, "blobs")}.Look(t.Context())
	if err != nil || len(found) != 1 || found[0].Count != 1 {
		t.Errorf("found %+v, %v", found, err)
	}
}
