package main

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/internal/embedded"
	"github.com/bgremover/bgremover/internal/embedded/embeddedtest"
)

// freeAddr is an address on this machine that nobody listens on: for a service whose
// address must be known before it is ready.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// startUnready starts a service that will not get ready by itself, and returns once it answers.
func startUnready(t *testing.T, data string, env []string, flags ...string) *running {
	t.Helper()
	path, err := faulty()
	if err != nil {
		t.Fatal(err)
	}
	addr := freeAddr(t)
	cmd := exec.CommandContext(context.Background(), path, append(append(serveFlags(data), "--addr", addr), flags...)...)
	cmd.Env = append(append(os.Environ(), "BGREMOVER_CONFIG="), env...)
	r := &running{t: t, cmd: cmd, data: data, url: "http://" + addr, log: &lines{}, done: make(chan error, 1)}
	cmd.Stderr = r.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { r.done <- cmd.Wait() }()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the service said:\n%s", r.log)
		}
		r.kill()
	})
	until(t, "an answer of the service", func() bool {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/livez", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := roundTrip(req)
		return err == nil && res.code == http.StatusOK
	})
	return r
}

func (r *running) ready() bool { return r.ask(http.MethodGet, "/readyz", "").code == http.StatusOK }

// refuses checks that an upload is refused for the moment, and not for good.
func (r *running) refuses(key string, photo []byte) {
	r.t.Helper()
	res, err := r.post("/v1/images", "image", photo, http.Header{"Idempotency-Key": {key}})
	if err != nil || res.code != http.StatusServiceUnavailable || res.header.Get("Retry-After") == "" {
		r.t.Errorf("an upload: %s, %v", res, err)
	}
	if r.ready() {
		r.t.Error("it says that it is ready")
	}
}

// continues checks that a record begins with another one, fact by fact.
func continues(t *testing.T, now, before []operator.Line) {
	t.Helper()
	ids := map[string]bool{}
	for i, l := range now {
		if l.Seq != int64(i+1) || ids[l.ID] {
			t.Errorf("line %d: seq %d, fact %s", i+1, l.Seq, l.ID)
		}
		ids[l.ID] = true
	}
	for i, l := range before {
		if i >= len(now) || now[i].ID != l.ID || !bytes.Equal(now[i].Data, l.Data) {
			t.Fatalf("fact %d is not what it was", i+1)
		}
	}
}

// postgresTool runs one of PostgreSQL's own programs.
func postgresTool(t *testing.T, name string, args ...string) {
	t.Helper()
	files, err := embedded.FindRuntime()
	if err != nil {
		t.Fatal(err)
	}
	if said, err := exec.Command(filepath.Join(files.PostgresBin, name), args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, said)
	}
}

// on runs statements in a database of the server.
func (o *outside) on(database string, sql ...string) {
	o.t.Helper()
	dsn, err := url.Parse(o.postgres.DSN())
	if err != nil {
		o.t.Fatal(err)
	}
	dsn.Path = "/" + database
	conn, err := pgx.Connect(o.t.Context(), dsn.String())
	if err != nil {
		o.t.Fatal(err)
	}
	defer conn.Close(o.t.Context())
	for _, s := range sql {
		if _, err := conn.Exec(o.t.Context(), s); err != nil {
			o.t.Fatalf("%s: %v", s, err)
		}
	}
}

// Postgres is restored from a dump that is behind Kafka. Nothing is taken in until what
// Kafka has is adopted; no number and no fact comes twice, a request that the dump had not seen gets its
// first answer, and nobody whose deletion the dump had not seen is back.
func TestPostgresRestoredFromADump(t *testing.T) {
	t.Parallel()
	// The vault comes back as it was in the dump; or from its own backup, which is newer.
	for name, ownBackup := range map[string]bool{"with its vault": false, "and the vault from its own backup": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			restoreADump(t, ownBackup)
		})
	}
}

func restoreADump(t *testing.T, ownBackup bool) {
	o := newOutside(t)
	data := dataFolder(t)
	s := o.serve(data)
	kept, gone := s.upload(smallPhoto(t)), s.upload(smallPhoto(t))
	for _, a := range []accepted{kept, gone} {
		until(t, "the cutout", func() bool { return s.status(a) == "ready" })
	}
	dump := filepath.Join(t.TempDir(), "dump")
	postgresTool(t, "pg_dump", "--format=custom", "--file="+dump, o.postgres.DSN())
	if res := s.ask(http.MethodDelete, "/v1/images/"+gone.ID, gone.Capability); res.code != http.StatusOK {
		t.Fatalf("delete: %s", res)
	}
	// What the dump has not seen, and what is sealed under a key that it does not have.
	latePhoto, lateKey, backup := smallPhoto(t), http.Header{"Idempotency-Key": {"late"}}, filepath.Join(t.TempDir(), "vault")
	var late accepted
	if ownBackup {
		res, err := s.post("/v1/images", "image", latePhoto, lateKey)
		if err != nil {
			t.Fatal(err)
		}
		late = s.accepted(res)
		until(t, "the cutout", func() bool { return s.status(late) == "ready" })
		o.command(data, "vault", "backup", backup)
	}
	before := s.record()
	s.stop()

	o.on("template1", "drop database postgres with (force)", "create database postgres template template0")
	if ownBackup {
		postgresTool(t, "pg_restore", "--exit-on-error", "--exclude-schema=vault", "--dbname="+o.postgres.DSN(), dump)
		o.command(data, "vault", "restore", backup)
	} else {
		postgresTool(t, "pg_restore", "--exit-on-error", "--dbname="+o.postgres.DSN(), dump)
	}

	photo := smallPhoto(t)
	if ownBackup {
		s = o.serve(data)
	} else {
		s = o.refusesUntilAdopted(data, photo)
	}
	until(t, "readiness", s.ready)
	var a accepted
	until(t, "the repeated upload", func() bool {
		res, err := s.post("/v1/images", "image", photo, http.Header{"Idempotency-Key": {"meanwhile"}})
		if err != nil {
			t.Fatal(err)
		}
		if res.code == http.StatusAccepted {
			a = s.accepted(res)
		}
		return res.code == http.StatusAccepted
	})
	until(t, "the cutout", func() bool { return s.status(a) == "ready" })
	now := s.record()
	continues(t, now, before)
	if n, want := count(now, "image.uploaded.v1"), count(before, "image.uploaded.v1")+1; n != want {
		t.Errorf("%d uploads are recorded, and %d were made", n, want)
	}
	if ownBackup {
		again, err := s.post("/v1/images", "image", latePhoto, lateKey)
		if err != nil || s.accepted(again).ID != late.ID {
			t.Errorf("the upload that the dump had not seen, again: %s, %v", again, err)
		}
		if res := s.ask(http.MethodGet, "/v1/images/"+late.ID+"/result", late.Capability); res.code != http.StatusOK {
			t.Errorf("its result: %s", res)
		}
	}
	if status := s.status(gone); status != "deleted" {
		t.Errorf("the deleted picture is %s", status)
	}
	if res := s.ask(http.MethodGet, "/v1/images/"+kept.ID+"/result", kept.Capability); res.code != http.StatusOK {
		t.Errorf("the other one: %s", res)
	}
	s.stop()
	proven(t, data, o.env())
}

// refusesUntilAdopted starts a service that cannot come to the end of adoption, has it
// refuse an upload, and lets it go on.
func (o *outside) refusesUntilAdopted(data string, photo []byte) *running {
	t := o.t
	t.Helper()
	conn, err := pgx.Connect(t.Context(), o.postgres.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "lock table ledger.numbers in share mode"); err != nil {
		t.Fatal(err)
	}
	s := startUnready(t, data, o.env())
	s.refuses("meanwhile", photo)
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// command runs one command line of the program on it.
func (o *outside) command(data string, args ...string) {
	o.t.Helper()
	path, err := faulty()
	if err != nil {
		o.t.Fatal(err)
	}
	cmd := exec.Command(path, append(args, "--data", data)...)
	cmd.Env = append(append(os.Environ(), "BGREMOVER_CONFIG="), o.env()...)
	if said, err := cmd.CombinedOutput(); err != nil {
		o.t.Fatalf("bgremover %s: %v\n%s", strings.Join(args, " "), err, said)
	}
}

// copyFolder makes a copy with owners and modes, in place of what is there.
func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	if said, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("copy: %v\n%s", err, said)
	}
}

// Kafka comes back with an older state than Postgres: what is missing is published again,
// the same bytes under the same numbers.
func TestKafkaRestoredFromAnOlderCopy(t *testing.T) {
	t.Parallel()
	data := dataFolder(t)
	s := serve(t, data)
	first := s.upload(smallPhoto(t))
	until(t, "the cutout", func() bool { return s.status(first) == "ready" })
	s.stop()
	older := filepath.Join(embeddedtest.TempDir(t), "kafka")
	copyFolder(t, filepath.Join(data, "kafka"), older)

	s = serve(t, data)
	second := s.upload(smallPhoto(t))
	until(t, "the cutout", func() bool { return s.status(second) == "ready" })
	if res := s.ask(http.MethodDelete, "/v1/images/"+first.ID, first.Capability); res.code != http.StatusOK {
		t.Fatalf("delete: %s", res)
	}
	before := s.record()
	s.stop()
	copyFolder(t, older, filepath.Join(data, "kafka"))

	s = serve(t, data)
	continues(t, s.record(), before)
	s.logs("ALARM")
	third := s.upload(smallPhoto(t))
	until(t, "the cutout", func() bool { return s.status(third) == "ready" })
	continues(t, s.record(), before)
	if status := s.status(first); status != "deleted" {
		t.Errorf("the deleted picture is %s", status)
	}
	s.stop()
	proven(t, data, nil)
}

// The same under a service that lives on: the views read the record again by themselves.
func TestKafkaLosesItsTailUnderViews(t *testing.T) {
	t.Parallel()
	o := newOutside(t)
	data := dataFolder(t)
	s := o.serve(data)
	first := s.cutout(smallPhoto(t))
	older := filepath.Join(embeddedtest.TempDir(t), "kafka")
	port := o.stopKafka()
	copyFolder(t, o.kafka, older)
	o.startKafka(port)
	second := s.cutout(smallPhoto(t))
	s.deleted(first)
	before := s.record()

	port = o.stopKafka()
	copyFolder(t, older, o.kafka)
	o.startKafka(port)
	s.logs("ALARM: the broker")
	third := s.cutout(smallPhoto(t))
	continues(t, s.record(), before)
	for a, status := range map[accepted]string{first: "deleted", second: "ready", third: "ready"} {
		if got := s.status(a); got != status {
			t.Errorf("a picture is %s, not %s", got, status)
		}
	}
	s.stop()
	proven(t, data, o.env())
}

// Kafka and Postgres that do not belong together have other bytes under the same numbers.
// Nothing is appended any more; the service stays up, and says what to do.
func TestForkStopsEverything(t *testing.T) {
	t.Parallel()
	data := dataFolder(t)
	s := serve(t, data)
	first := s.upload(smallPhoto(t))
	until(t, "the cutout", func() bool { return s.status(first) == "ready" })
	s.stop()
	other := filepath.Join(embeddedtest.TempDir(t), "data")
	copyFolder(t, data, other)
	for _, folder := range []string{data, other} {
		s := serve(t, folder)
		a := s.upload(smallPhoto(t))
		until(t, "the cutout", func() bool { return s.status(a) == "ready" })
		s.stop()
	}
	right := filepath.Join(embeddedtest.TempDir(t), "kafka")
	copyFolder(t, filepath.Join(data, "kafka"), right)
	copyFolder(t, filepath.Join(other, "kafka"), filepath.Join(data, "kafka"))

	s = startUnready(t, data, nil)
	s.logs("ALARM: the record is damaged", "find out which Kafka and which Postgres belong together")
	began := time.Now()
	s.refuses("meanwhile", smallPhoto(t))
	if took := time.Since(began); took > patience {
		t.Errorf("refused after %s", took)
	}
	if res := s.ask(http.MethodGet, "/livez", ""); res.code != http.StatusOK {
		t.Errorf("/livez: %s", res)
	}
	s.stop()

	// The right pair goes on as if nothing had been.
	copyFolder(t, right, filepath.Join(data, "kafka"))
	s = serve(t, data)
	a := s.upload(smallPhoto(t))
	until(t, "the cutout", func() bool { return s.status(a) == "ready" })
	s.stop()
	proven(t, data, nil)
}
