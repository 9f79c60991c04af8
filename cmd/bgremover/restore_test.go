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
	before, since, kept := s.cutout(photo(t)), s.cutout(photo(t)), s.cutout(photo(t))
	s.deleted(before)
	says(t, 0, "", "vault", "backup", backup, "--data", data)
	s.deleted(since)
	until(t, "the deletion", func() bool { return s.status(since) == "deleted" })
	facts := len(s.record())

	says(t, 1, "stop it first", "restore", "--from-kafka", "--data", data)
	s.stop()
	says(t, 1, "has a record already", "restore", "--from-kafka", "--data", data)
	if err := os.RemoveAll(filepath.Join(data, "postgres")); err != nil {
		t.Fatal(err)
	}
	says(t, 1, "--vault FILE", "restore", "--from-kafka", "--data", data)
	says(t, 0, "facts are back", "restore", "--from-kafka", "--vault", backup, "--data", data)

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
	says(t, 0, "identical", "rebuild", "--check", "--data", data)
	says(t, 0, "", "log", "verify", "--data", data)
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
	says(t, 0, "", "vault", "backup", backup, "--data", data)
	s.stop()
	if err := os.RemoveAll(filepath.Join(data, "postgres")); err != nil {
		t.Fatal(err)
	}
	says(t, 1, "--vault FILE", "restore", "--from-kafka", "--data", data) // makes the database
	tamper(t, data, `
		create schema trail;
		create table trail.fact (
			seq bigint primary key check (seq <> 2), id uuid, type text, stream text, version bigint, at timestamptz, cause uuid, request text
		)`)
	says(t, 1, "the view trail stopped after fact 1", "restore", "--from-kafka", "--vault", backup, "--data", data)
}
