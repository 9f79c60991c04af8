package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// childDir tells a copy of this test binary to run PostgreSQL there until it is killed.
const childDir = "BGREMOVER_TEST_CHILD_POSTGRES"

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(childDir) != "":
		runChildPostgres(os.Getenv(childDir))
	case os.Getenv(childKafka) != "":
		runChildKafka(os.Getenv(childKafka))
	default:
		os.Exit(m.Run())
	}
}

// tempDir is one that PostgreSQL's user can pass through, also when root tests.
func tempDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(path, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func startPostgres(t *testing.T, cfg Config) *Postgres {
	t.Helper()
	runtime, err := FindRuntime()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Bin = runtime.PostgresBin
	p, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func mustExec(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func countRows(t *testing.T, dsn string) (n int) {
	t.Helper()
	if err := connect(t, dsn).QueryRow(t.Context(), "select count(*) from kept").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestPostgresKeepsDataAcrossAStop(t *testing.T) {
	dir := filepath.Join(tempDir(t), "postgres")

	began := time.Now()
	first := startPostgres(t, Config{Dir: dir})
	cold := time.Since(began)
	conn := connect(t, first.DSN())
	mustExec(t, conn, "create table kept (n int)")
	mustExec(t, conn, "insert into kept values (1)")
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := first.Err(); err != nil {
		t.Errorf("a stop in order reports %v", err)
	}

	began = time.Now()
	second := startPostgres(t, Config{Dir: dir})
	t.Logf("cold start %v, warm start %v", cold.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	if n := countRows(t, second.DSN()); n != 1 {
		t.Errorf("%d rows after a restart, want 1", n)
	}
}

func TestPostgresIsRefusedToASecondProcess(t *testing.T) {
	dir := tempDir(t)
	child := startChild(t, dir)
	_, err := Start(t.Context(), Config{Dir: dir})
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), fmt.Sprintf("process %d", child.Process.Pid)) {
		t.Errorf("a second start says %v, want %v with process %d", err, ErrInUse, child.Process.Pid)
	}
}

func TestPostgresSurvivesKillOfThisProcess(t *testing.T) {
	dir := tempDir(t)
	child := startChild(t, dir)
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // killed

	p := startPostgres(t, Config{Dir: dir})
	if n := countRows(t, p.DSN()); n != 1 {
		t.Errorf("%d rows after kill -9, want 1", n)
	}
}

// A server that outlives us, as on systems that cannot tie it to us.
func TestPostgresEndsAnOrphan(t *testing.T) {
	dir := tempDir(t)
	orphan := startPostgres(t, Config{Dir: dir})
	mustExec(t, connect(t, orphan.DSN()), "create table kept (n int)")
	if err := orphan.lock.Unlock(); err != nil { // as the kernel does when a process ends
		t.Fatal(err)
	}

	p := startPostgres(t, Config{Dir: dir})
	select {
	case <-orphan.Done():
	default:
		t.Error("the server of the earlier run still runs")
	}
	if n := countRows(t, p.DSN()); n != 0 {
		t.Errorf("%d rows, want 0", n)
	}
}

func TestPostgresIgnoresAStalePidOfSomebodyElse(t *testing.T) {
	dir := tempDir(t)
	p := startPostgres(t, Config{Dir: dir})
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	// given a process id that lives, but is this test's
	pidFile := filepath.Join(dir, "data", "postmaster.pid")
	if err := os.WriteFile(pidFile, fmt.Appendf(nil, "%d\n%s\n", os.Getpid(), filepath.Join(dir, "data")), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := pgx.Connect(t.Context(), startPostgres(t, Config{Dir: dir}).DSN()); err != nil {
		t.Error(err)
	}
}

func TestPostgresReportsThatItDied(t *testing.T) {
	dir := tempDir(t)
	p := startPostgres(t, Config{Dir: dir})
	conn := connect(t, p.DSN())
	mustExec(t, conn, "create table kept (n int)")
	mustExec(t, conn, "insert into kept values (1)")
	if err := p.Err(); err != nil {
		t.Errorf("a running server reports %v", err)
	}
	if err := syscall.Kill(p.server.cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("nobody was told")
	}
	if err := p.Err(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("Err is %v, want that it was killed", err)
	}
	if err := p.Stop(); err != nil {
		t.Errorf("Stop after death: %v", err)
	}
	if n := countRows(t, startPostgres(t, Config{Dir: dir}).DSN()); n != 1 {
		t.Errorf("%d rows after kill -9 of postgres, want 1", n)
	}
}

func TestPostgresTakesALongPath(t *testing.T) {
	dir := filepath.Join(tempDir(t), strings.Repeat("long/", 30))
	p := startPostgres(t, Config{Dir: dir})
	connect(t, p.DSN())
	cfg, err := pgx.ParseConfig(p.DSN())
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(cfg.Host)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o700 || strings.HasPrefix(cfg.Host, dir) {
		t.Errorf("socket in %s, mode %v", cfg.Host, info.Mode())
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(cfg.Host); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket's folder outside the data folder is left: %v", err)
	}
}

func TestPostgresWantsThePassword(t *testing.T) {
	dir := tempDir(t)
	cfg, err := pgx.ParseConfig(startPostgres(t, Config{Dir: dir}).DSN())
	if err != nil {
		t.Fatal(err)
	}
	cfg.Password = "guess"
	if _, err := pgx.ConnectConfig(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "28P01") {
		t.Errorf("a wrong password gives %v", err)
	}
	info, err := os.Stat(filepath.Join(dir, "password"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the password's file has mode %v", info.Mode())
	}
}

func TestPostgresNeverRunsAsRoot(t *testing.T) {
	dir := tempDir(t)
	startPostgres(t, Config{Dir: dir})
	owner, ok := ownerOf(filepath.Join(dir, "data"))
	if self := uint32(os.Geteuid()); !ok || owner.uid == 0 || (self != 0 && owner.uid != self) {
		t.Errorf("started by user id %d, PostgreSQL's data belongs to %d", self, owner.uid)
	}
}

func TestPostgresUserMustReachItsFolders(t *testing.T) {
	closed := t.TempDir()
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	inside := filepath.Join(closed, "postgres")
	if err := os.Mkdir(inside, 0o755); err != nil {
		t.Fatal(err)
	}
	stranger := account{uid: 4_000_000_001, gid: 4_000_000_001, drop: true}

	err := stranger.mustReach(inside, "the data", "choose another folder")
	if err == nil || !strings.Contains(err.Error(), "chmod o+x "+closed) || !strings.Contains(err.Error(), "choose another folder") {
		t.Errorf("got %v, want the folder and two remedies", err)
	}
	if err := stranger.mustReach("/usr", "the data", ""); err != nil {
		t.Errorf("/usr is open to all: %v", err)
	}
}

func TestPostgresSaysWhyItDoesNotStart(t *testing.T) {
	runtime, err := FindRuntime()
	if err != nil {
		t.Fatal(err)
	}
	_, err = Start(t.Context(), Config{Bin: runtime.PostgresBin, Dir: tempDir(t), Settings: map[string]string{"work_mem": "soup"}})
	if err == nil || !strings.Contains(err.Error(), "work_mem") {
		t.Errorf("got %v, want the server's own words", err)
	}
	// and what failed holds nothing
	dir := tempDir(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	changedMind := errors.New("changed our mind")
	cancel(changedMind)
	if _, err := Start(ctx, Config{Bin: runtime.PostgresBin, Dir: dir}); !errors.Is(err, changedMind) {
		t.Errorf("a cancelled start says %v", err)
	}
	startPostgres(t, Config{Dir: dir})
}

// Values that people gave us appear in errors, details, crashes and slow
// statements; none may reach the log.
func TestPostgresLogsNoValues(t *testing.T) {
	const secret = "anna@example.org"
	var log logBuffer
	p := startPostgres(t, Config{Dir: tempDir(t), Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	conn := connect(t, p.DSN())
	mustExec(t, conn, "create table person (mail text unique check (mail <> 'x'))")
	mustExec(t, conn, "insert into person values ('"+secret+"')")
	for _, sql := range []string{
		"insert into person values ('" + secret + "')", // DETAIL: Key (mail)=(…) already exists
		"select '" + secret + "'::int",                 // ERROR: invalid input syntax …: "…"
		"select mail from person where '" + secret + "'",
		"do $$ begin raise warning '" + secret + "'; raise log 'reached the log'; end $$",
	} {
		_, err := conn.Exec(t.Context(), sql)
		t.Log(err)
	}
	if _, err := conn.Exec(t.Context(), "select $1::text::int", secret); err == nil {
		t.Error("text became a number")
	}
	// when a backend dies, PostgreSQL says which statement it was running
	victim := connect(t, p.DSN())
	pid := int(victim.PgConn().PID())
	go func() { _, _ = victim.Exec(t.Context(), "select '"+secret+"', pg_sleep(60)") }()
	waitFor(t, func() bool {
		var running bool
		err := conn.QueryRow(t.Context(), "select exists (select from pg_stat_activity where pid = $1 and query like '%pg_sleep(60)')", pid).Scan(&running)
		return err == nil && running
	})
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return strings.Contains(log.String(), "was terminated by signal 9") })
	waitFor(t, func() bool { // it recovers by itself
		conn, err := pgx.Connect(t.Context(), p.DSN())
		if err == nil {
			conn.Close(t.Context())
		}
		return err == nil
	})

	if got := log.String(); strings.Contains(got, secret) || !strings.Contains(got, "reached the log") {
		t.Errorf("the log holds what it must not, or lacks what it should:\n%s", got)
	}
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("waited 20 s in vain")
		}
	}
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// startChild runs a copy of this program with PostgreSQL in dir and one row in
// the table kept, and returns when the row is committed.
func startChild(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childDir+"="+dir)
	child.Stderr = os.Stderr
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = child.Process.Kill() // it may be dead already
		_ = child.Wait()
	})
	ready := make([]byte, len("ready"))
	if _, err := stdout.Read(ready); err != nil || string(ready) != "ready" {
		t.Fatalf("the child says %q, %v", ready, err)
	}
	return child
}

func runChildPostgres(dir string) {
	runtime, err := FindRuntime()
	if err != nil {
		panic(err)
	}
	p, err := Start(context.Background(), Config{Bin: runtime.PostgresBin, Dir: dir})
	if err != nil {
		panic(err)
	}
	conn, err := pgx.Connect(context.Background(), p.DSN())
	if err != nil {
		panic(err)
	}
	if _, err := conn.Exec(context.Background(), "create table kept as select 1 as n"); err != nil {
		panic(err)
	}
	fmt.Print("ready")
	<-p.Done()
}
