// Package embeddedtest gives tests of other packages the real PostgreSQL and the
// real Kafka protocol: one private server per test binary, a database of its own
// per test, and a Kafka per test.
//
// Everything it starts ends with the test binary, also when that is killed, and
// leaves no files. It is for tests alone: its PostgreSQL does not fsync.
package embeddedtest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/internal/embedded"
)

// unsafe is faster, and loses data only if the machine itself fails.
var unsafe = map[string]string{"fsync": "off", "full_page_writes": "off", "max_connections": "300"}

// NewDatabase returns the connection string of an empty database of this test's
// own, on a server that all tests of the binary share. The database is dropped
// after the test, along with connections that it left open.
func NewDatabase(t testing.TB) string {
	t.Helper()
	server, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("test_%d", databases.Add(1))
	execute(t, server.DSN(), "create database "+name+" template template0 strategy wal_log")
	t.Cleanup(func() { execute(t, server.DSN(), "drop database "+name+" with (force)") })
	dsn, err := url.Parse(server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	dsn.Path = "/" + name
	return dsn.String()
}

// StartPostgres starts a server of this test's own, for tests that stop or kill
// it and benchmarks that measure it. It fsyncs unless settings say otherwise.
func StartPostgres(t testing.TB, settings map[string]string) *embedded.Postgres {
	t.Helper()
	server, err := start(TempDir(t), settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// NewKafka starts a broker of this test's own, without topics.
func NewKafka(t testing.TB) *embedded.Kafka {
	t.Helper()
	kafka, err := embedded.StartKafka(t.Context(), embedded.KafkaConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kafka.Close(); err != nil {
			t.Error(err)
		}
	})
	return kafka
}

// TempDir is t.TempDir, but everybody may pass through it: what a test that runs
// as root gives as a data folder, because PostgreSQL then runs as somebody else.
func TempDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(path, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var databases atomic.Int64

var shared = sync.OnceValues(func() (*embedded.Postgres, error) {
	dir, err := os.MkdirTemp("", "bgremover-test-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		return nil, err
	}
	if err := removeAtExit(dir); err != nil {
		return nil, err
	}
	return start(dir, unsafe)
})

// removeAtExit has a shell wait for the end of this process, however it ends
// (then its standard input ends), stop the server if the system has not, and
// remove the folder.
func removeAtExit(dir string) error {
	const script = `
		cat >/dev/null
		pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid" 2>/dev/null
		tries=100
		while [ -f "$1/data/postmaster.pid" ] && [ $tries -gt 0 ]; do tries=$((tries - 1)); sleep 0.05; done
		rm -rf "$1"`
	// A group of its own: Ctrl-C ends the tests, not the tidying up.
	cmd := exec.Command("sh", "-c", script, "sh", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if _, err := cmd.StdinPipe(); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // it outlives us; waiting keeps the pipe from the garbage collector
	return nil
}

func start(dir string, settings map[string]string) (*embedded.Postgres, error) {
	runtime, err := embedded.FindRuntime()
	if err != nil {
		return nil, err
	}
	return embedded.Start(context.Background(), embedded.Config{Bin: runtime.PostgresBin, Dir: dir, Settings: settings})
}

// execute runs outside any transaction, on a connection of its own.
func execute(t testing.TB, dsn, sql string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // also used after the test
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql); err != nil {
		t.Fatal(err)
	}
}
