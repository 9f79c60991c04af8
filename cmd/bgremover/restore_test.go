package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// PostgreSQL is lost. Kafka, the blobs, the keyset and a backup of the vault are left, and give
// a service that works: what waits can be downloaded, and what was deleted since the backup
// stays deleted.
func TestRestoreFromKafka(t *testing.T) {
	t.Parallel()
	data, backup := dataFolder(t), filepath.Join(t.TempDir(), "vault.backup")
	s := serve(t, data)
	before, since, kept := s.upload(photo(t)), s.upload(photo(t)), s.upload(photo(t))
	for _, a := range []accepted{before, since, kept} {
		until(t, "the cutout", func() bool { return s.status(a) == "ready" })
	}
	remove := func(a accepted) {
		t.Helper()
		if res := s.ask(http.MethodDelete, "/v1/images/"+a.ID, a.Capability); res.code >= http.StatusBadRequest {
			t.Fatalf("delete: %s", res)
		}
		until(t, "the deletion", func() bool { return s.status(a) == "deleted" })
	}
	remove(before)
	tell(t, 0, "", "vault", "backup", backup, "--data", data)
	remove(since)
	facts := len(s.record())

	tell(t, 1, "stop it first", "restore", "--from-kafka", "--data", data)
	s.stop()
	tell(t, 1, "has a record already", "restore", "--from-kafka", "--data", data)
	if err := os.RemoveAll(filepath.Join(data, "postgres")); err != nil {
		t.Fatal(err)
	}
	tell(t, 1, "--vault FILE", "restore", "--from-kafka", "--data", data)
	tell(t, 0, "facts are back", "restore", "--from-kafka", "--vault", backup, "--data", data)

	s = serve(t, data)
	for _, a := range []accepted{before, since} {
		if got := s.status(a); got != "deleted" {
			t.Errorf("a deleted picture is %s", got)
		}
	}
	found := s.record("--type", "vault.key_resurrection_found.v1")
	if len(found) != 1 || !strings.HasSuffix(string(found[0].Subject), since.ID) {
		t.Errorf("the key that the backup brought back: %+v", found)
	}
	res := s.ask(http.MethodGet, "/v1/images/"+kept.ID+"/result", kept.Capability)
	if res.code != http.StatusOK {
		t.Fatalf("download: %s", res)
	}
	checkCutout(t, res.body)
	until(t, "the deletion of what was downloaded", func() bool { return s.status(kept) == "deleted" })
	if a := s.upload(photo(t)); s.status(a) == "" {
		t.Error("a new upload has no status")
	}
	if got := len(s.record()); got <= facts+1 {
		t.Errorf("%d facts after %d", got, facts)
	}
	tell(t, 0, "identical", "rebuild", "--check", "--data", data)
	tell(t, 0, "", "log", "verify", "--data", data)
	s.stop()
}

// A view that cannot take a fact does not keep a restore waiting for ever: the record is back, and
// which view stopped where is said.
func TestRestoreNamesAViewThatStops(t *testing.T) {
	t.Parallel()
	data, backup := dataFolder(t), filepath.Join(t.TempDir(), "vault.backup")
	s := serve(t, data)
	a := s.upload(photo(t))
	until(t, "the cutout", func() bool { return s.status(a) == "ready" })
	tell(t, 0, "", "vault", "backup", backup, "--data", data)
	s.stop()
	if err := os.RemoveAll(filepath.Join(data, "postgres")); err != nil {
		t.Fatal(err)
	}
	tell(t, 1, "--vault FILE", "restore", "--from-kafka", "--data", data) // makes the database
	tamper(t, data, `
		create schema trail;
		create table trail.fact (
			seq bigint primary key check (seq <> 2), id uuid, type text, stream text, version bigint, at timestamptz, cause uuid, request text
		)`)
	tell(t, 1, "the view trail stopped after fact 1", "restore", "--from-kafka", "--vault", backup, "--data", data)
}

// tell runs a command that must end with a code and say something.
func tell(t *testing.T, code int, says string, args ...string) {
	t.Helper()
	out, errs, got := bgremover(t, args...)
	if got != code || !strings.Contains(out+errs, says) {
		t.Fatalf("bgremover %s: exit code %d, %s%s", strings.Join(args, " "), got, out, errs)
	}
}
