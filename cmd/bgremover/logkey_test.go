package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/bgremover/bgremover/adapters/web/public"
	"github.com/bgremover/bgremover/internal/merkle"
)

// checkpoint reads the service's newest one as somebody else's client does, with a key.
func (r *running) checkpoint(vkey string) (c torchwood.Checkpoint, ok bool) {
	r.t.Helper()
	answer := r.ask(http.MethodGet, "/log/checkpoint", "")
	if answer.code == http.StatusNotFound {
		return c, false
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		r.t.Fatal(err)
	}
	n, err := note.Open(answer.body, note.VerifierList(verifier))
	if err != nil {
		return c, false // another key signs by now, or does not yet
	}
	if c, err = torchwood.ParseCheckpoint(n.Text); err != nil {
		r.t.Fatal(err)
	}
	return c, true
}

func (r *running) keys() []string {
	r.t.Helper()
	out, errs, code := bgremover(r.t, "log", "key", "--data", r.data)
	if code != 0 {
		r.t.Fatalf("log key: %s", errs)
	}
	return strings.Fields(out)
}

// What the service signs can be followed by others through restarts and changes of its key.
func TestSignedHeadsEndToEnd(t *testing.T) {
	t.Parallel()
	data := dataFolder(t)
	s := serve(t, data, "--log-origin=log.example.org/1", "--checkpoint-every=1s")
	first := s.keys()
	if len(first) != 1 || !strings.HasPrefix(first[0], "log.example.org/1+") {
		t.Fatalf("the keys are %v", first)
	}
	s.upload(photo(t))
	var before torchwood.Checkpoint
	until(t, "a checkpoint is public", func() (ok bool) { before, ok = s.checkpoint(first[0]); return ok })
	if before.Origin != "log.example.org/1" || before.N < 1 {
		t.Errorf("%+v", before)
	}

	out, errs, code := bgremover(t, "log", "rotate-key", "--data", data)
	if code != 0 || !strings.HasPrefix(out, "log.example.org/1+") {
		t.Fatalf("%d: %s%s", code, out, errs)
	}
	s.stop()
	if _, errs, code := bgremover(t, append(serveFlags(data), "--log-origin=another.example")...); code == 0 || !strings.Contains(errs, "--log-origin=log.example.org/1") {
		t.Errorf("another name: %d: %s", code, errs)
	}
	s = serve(t, data, "--checkpoint-every=1s")
	keys := s.keys()
	if len(keys) != 2 || keys[0] != first[0] || !strings.HasPrefix(out, keys[1]) {
		t.Fatalf("the keys are %v", keys)
	}
	var now torchwood.Checkpoint
	until(t, "the new key has signed", func() (ok bool) { now, ok = s.checkpoint(keys[1]); return ok })
	if now.N <= before.N || now.Origin != before.Origin {
		t.Errorf("%+v after %+v", now, before)
	}

	// Whoever kept the first key gets along the rotation to the newest, and sees that nothing was changed.
	var served public.LogKeys
	if err := json.Unmarshal(s.ask(http.MethodGet, "/log/keys", "").body, &served); err != nil {
		t.Fatal(err)
	}
	rotations := make([][]byte, len(served.Rotations))
	for i, r := range served.Rotations {
		rotations[i] = []byte(r)
	}
	if followed, err := merkle.Verifiers(first[0], rotations); err != nil || followed[len(followed)-1] != keys[1] {
		t.Errorf("%v, %v", followed, err)
	}
	client, err := torchwood.NewTileFetcher(s.url+"/log", torchwood.WithUserAgent("test (test@example.com)"))
	if err != nil {
		t.Fatal(err)
	}
	hashes := torchwood.TileHashReaderWithContext(t.Context(), now.Tree, client)
	proof, err := tlog.ProveTree(now.N, before.N, hashes)
	if err != nil {
		t.Fatal(err)
	}
	if err := tlog.CheckTree(proof, now.N, now.Hash, before.N, before.Hash); err != nil {
		t.Error(err)
	}
	if got := s.record("--type", "log.key_rotated.v1"); len(got) != 1 || got[0].Actor != "operator" {
		t.Errorf("%+v", got)
	}
}
