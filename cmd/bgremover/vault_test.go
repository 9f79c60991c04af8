package main

import (
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/adapters/kms/kmstest"
	"github.com/bgremover/bgremover/internal/config"
)

// says runs a command that must succeed, or fail when code is not 0, and say something.
func says(t testing.TB, code int, what string, args ...string) string {
	t.Helper()
	out, errs, got := bgremover(t, args...)
	if got != code || !strings.Contains(out+errs, what) {
		t.Errorf("%s: %d, %s%s; want %d and %q", strings.Join(args, " "), got, out, errs, code, what)
	}
	return out
}

// cutout uploads a photo and waits for its cutout.
func (r *running) cutout(photo []byte) accepted {
	r.t.Helper()
	a := r.upload(photo)
	until(r.t, "the cutout", func() bool { return r.status(a) == "ready" })
	return a
}

// deleted has a picture deleted.
func (r *running) deleted(a accepted) {
	r.t.Helper()
	if res := r.ask(http.MethodDelete, "/v1/images/"+a.ID, a.Capability); res.code >= 300 {
		r.t.Fatalf("delete: %s", res)
	}
}

// downloads says that a picture's result can still be had.
func (r *running) downloads(a accepted) {
	r.t.Helper()
	if res := r.ask(http.MethodGet, "/v1/images/"+a.ID+"/result", a.Capability); res.code != http.StatusOK {
		r.t.Errorf("download: %s", res)
	}
}

func TestVaultRotates(t *testing.T) {
	t.Parallel()
	data := dataFolder(t)
	s := serve(t, data)
	a := s.cutout(photo(t))
	before := says(t, 0, "wraps", "vault", "status", "--data", data)
	if strings.Count(before, "retired") != 0 || !strings.Contains(before, "image") {
		t.Errorf("the status is\n%s", before)
	}
	says(t, 0, "keys and secrets are wrapped now by a new key-encryption key", "vault", "rotate", "--data", data)
	after := says(t, 0, "retired", "vault", "status", "--data", data)
	if strings.Count(after, "wraps") < 1 {
		t.Errorf("the status is\n%s", after)
	}
	s.stop()
	s = serve(t, data)
	s.downloads(a)
	b := s.cutout(photo(t))
	s.downloads(b)
	s.stop()
}

// A backup of the vault that comes back brings nobody back with it.
func TestVaultThatComesBack(t *testing.T) {
	t.Parallel()
	data := dataFolder(t)
	backup := filepath.Join(t.TempDir(), "vault.backup")
	s := serve(t, data)
	kept, deleted := s.cutout(photo(t)), s.cutout(photo(t))
	says(t, 0, " keys, 0 tombstones", "vault", "backup", backup, "--data", data)
	says(t, 1, "is there already", "vault", "backup", backup, "--data", data)
	says(t, 1, "stop it first", "vault", "restore", backup, "--data", data)
	s.deleted(deleted)
	later := s.cutout(photo(t))
	s.deleted(later)
	lost := s.cutout(photo(t)) // its key is in no backup
	s.stop()
	says(t, 1, "in use", "vault", "restore", backup, "--data", data)

	loseVault(t, data)
	says(t, 0, " keys, 0 tombstones", "vault", "restore", backup, "--data", data)
	s = serve(t, data)
	s.logs("ALARM: the vault held keys that the record has destroyed", `"keys":1`)
	found := s.record("--type", "vault.key_resurrection_found.v1")
	if len(found) != 1 || !strings.Contains(string(found[0].Data), deleted.ID) {
		t.Errorf("found %+v", found)
	}
	status := says(t, 0, "image", "vault", "status", "--json", "--data", data)
	if !strings.Contains(status, `"kind":"image","live":1,"destroyed":2`) {
		t.Errorf("the status is %s", status)
	}
	s.downloads(kept)
	// What the vault has lost is no lawful erasure: it is not said to be deleted.
	if res := s.ask(http.MethodGet, "/v1/images/"+lost.ID+"/result", lost.Capability); res.code != http.StatusInternalServerError {
		t.Errorf("a picture whose key is lost: %s", res)
	}
	s.logs("the vault does not know this key")
	s.stop()
	// Once and for all.
	s = serve(t, data)
	again := s.record("--type", "vault.key_resurrection_found.v1")
	s.stop()
	if len(again) != 1 || strings.Contains(s.log.String(), "ALARM") {
		t.Errorf("found again: %+v\n%s", again, s.log)
	}
	// A file that somebody changed restores nothing.
	content, err := os.ReadFile(backup)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)-1] ^= 1
	write(t, backup, content)
	loseVault(t, data)
	says(t, 1, "damaged", "vault", "restore", backup, "--data", data)
}

// loseVault drops all keys of a service that is stopped, as the loss of a disk does.
func loseVault(t *testing.T, data string) {
	t.Helper()
	open, err := openTools(t.Context(), config.Ground{Folder: config.Folder{Data: data}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), open.access.DSN)
	if err == nil {
		_, err = conn.Exec(t.Context(), "drop schema vault cascade; create schema vault authorization bgremover_vault")
		err = errors.Join(err, conn.Close(t.Context()))
	}
	if err = errors.Join(err, open.close()); err != nil {
		t.Fatal(err)
	}
}

func TestKeysetUnderAKeyOfAService(t *testing.T) {
	vault := kmstest.HashiCorp(t) // sets variables, so this is not parallel
	one, other := vault.Transit("a"), vault.Transit("b")
	data := dataFolder(t)
	s := serve(t, data)
	a := s.cutout(photo(t))
	says(t, 1, "stop it first", "vault", "rewrap", "--to", one, "--data", data)
	s.stop()
	says(t, 0, "is sealed under", "vault", "rewrap", "--to", one, "--data", data)
	refuses := func(what string, flags ...string) {
		t.Helper()
		says(t, 1, what, append(serveFlags(data), flags...)...)
	}
	refuses("name the key there with --vault-key")
	refuses("name the key that it was sealed under", "--vault-key", other)
	vault.Be(kmstest.Denying)
	refuses("check the credentials", "--vault-key", one)
	vault.Be(kmstest.Ignorant)
	refuses("does not know this key", "--vault-key", one)
	vault.Be(kmstest.Willing)
	asked := vault.Asked()
	s = serve(t, data, "--vault-key", one)
	s.downloads(a)
	b := s.cutout(photo(t))
	if n := vault.Asked() - asked; n != 1 {
		t.Errorf("the service was asked %d times for one start", n)
	}
	says(t, 0, "are wrapped now", "vault", "rotate", "--data", data)
	says(t, 0, ", 1 tombstone and", "vault", "backup", filepath.Join(t.TempDir(), "b"), "--data", data)
	s.stop()
	says(t, 1, "name the key there with --vault-key", "vault", "rewrap", "--to", "clear", "--data", data)
	says(t, 0, "stands in clear now", "vault", "rewrap", "--to", "clear", "--vault-key", one, "--data", data)
	refuses("stands in clear", "--vault-key", one)
	s = serve(t, data)
	s.downloads(b)
	s.stop()
}
