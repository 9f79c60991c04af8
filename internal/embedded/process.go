package embedded

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// command prepares a program of PostgreSQL: as the cluster's user, in a process
// group of its own (so that Ctrl-C in a terminal reaches only us, and we stop
// the server last), with an environment that says nothing of ours.
func (c cluster) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Dir = "/"
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/bin:/bin", "TZ=UTC"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if c.account.drop {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: c.account.uid, Gid: c.account.gid}
	}
	return cmd
}

// startTied starts cmd so that it ends when this process ends, where the system
// can do that, and reports its end on the channel once. The kernel ties it to
// the thread that started it; hence that thread waits here as long as it lives.
func startTied(cmd *exec.Cmd) (exited <-chan error, err error) {
	tieToParent(cmd.SysProcAttr)
	started, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := cmd.Start()
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return ended, nil
}

// server is one run of the program postgres.
type server struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how, after done

	mu   sync.Mutex
	said tail
}

// launch starts the server and returns when it accepts connections.
func (c cluster) launch(ctx context.Context, cfg Config) (*server, error) {
	s := &server{cmd: c.command(filepath.Join(cfg.Bin, "postgres"), c.settings(cfg.Settings)...), done: make(chan struct{})}
	stderr, w := io.Pipe()
	s.cmd.Stderr = w
	exited, err := startTied(s.cmd)
	if err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	logged := make(chan struct{})
	go func() { defer close(logged); s.pump(stderr, cfg.Log) }()
	go func() {
		s.err = <-exited
		w.Close()
		<-logged
		close(s.done)
	}()
	if err := s.await(ctx, c.data()); err != nil {
		return nil, err
	}
	return s, nil
}

// pump passes the server's messages on. Only a PANIC is worth anybody's
// attention by itself; a server that ends is noticed by whoever watches Done.
func (s *server) pump(from io.Reader, log *slog.Logger) {
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		s.mu.Lock()
		s.said.add(lines.Text())
		s.mu.Unlock()
		level := slog.LevelDebug
		if strings.HasPrefix(lines.Text(), "PANIC:") {
			level = slog.LevelError
		}
		log.Log(context.Background(), level, "postgres says", "line", lines.Text())
	}
	// A line too long for the scanner must not leave the server blocked on a full pipe.
	if _, err := io.Copy(io.Discard, from); err != nil {
		log.Warn("postgres's messages cannot be read any more", "error", err)
	}
}

func (s *server) lastWords() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.said.String()
}

// await returns when the server says in postmaster.pid that it is ready, as
// pg_ctl does, or has ended, or ctx is over.
func (s *server) await(ctx context.Context, data string) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-s.done:
			return &startError{said: s.lastWords(), err: s.err}
		case <-ctx.Done():
			err := errors.Join(context.Cause(ctx), s.stop(syscall.SIGQUIT))
			return fmt.Errorf("wait for postgres: %w\n%s", err, s.lastWords())
		case <-tick.C:
			if p, err := readPostmaster(data); err == nil && p.pid == s.cmd.Process.Pid && p.status == "ready" {
				return nil
			}
		}
	}
}

// stop asks the server to end in one of its ways (SIGINT: fast, with a
// checkpoint; SIGQUIT: at once) and waits. What does not end is killed.
func (s *server) stop(how syscall.Signal) error {
	if err := s.cmd.Process.Signal(how); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal postgres: %w", err)
	}
	select {
	case <-s.done:
		return nil
	case <-time.After(30 * time.Second):
	}
	err := s.cmd.Process.Kill()
	<-s.done
	return errors.Join(errors.New("postgres did not stop within 30 s and was killed; it recovers at the next start"), err)
}

type startError struct {
	said string
	err  error
}

func (e *startError) Error() string {
	return fmt.Sprintf("postgres ended at start: %v\n%s", e.err, e.said)
}
func (e *startError) Unwrap() error { return e.err }

// waitable says that a predecessor's processes are still about to end.
func (e *startError) waitable() bool { return strings.Contains(e.said, "is still in use") }

// postmaster is what postmaster.pid says of the server that wrote it.
type postmaster struct {
	pid    int
	status string
}

func readPostmaster(data string) (postmaster, error) {
	content, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return postmaster{}, err
	}
	lines := strings.Split(string(content), "\n")
	pid, err := strconv.Atoi(lines[0])
	if err != nil || pid <= 1 {
		return postmaster{}, fmt.Errorf("%s/postmaster.pid is damaged", data)
	}
	p := postmaster{pid: pid}
	if len(lines) > 7 {
		p.status = strings.TrimSpace(lines[7])
	}
	return p, nil
}

// endPredecessor deals with what a start that was killed left behind: a server
// that still runs is stopped, and a postmaster.pid that names no server of this
// cluster (its process id may be somebody else's by now, and PostgreSQL would
// refuse to start) is removed. The caller holds the folder's lock, so no other
// bgremover uses that server.
func (c cluster) endPredecessor(ctx context.Context) error {
	p, err := readPostmaster(c.data())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for signalled := false; isPostmaster(p.pid, c.data()); signalled = true {
			if !signalled {
				if err := syscall.Kill(p.pid, syscall.SIGINT); err != nil && !errors.Is(err, syscall.ESRCH) {
					return fmt.Errorf("stop the postgres of an earlier run (process %d): %w", p.pid, err)
				}
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("wait for the postgres of an earlier run (process %d) to end: %w", p.pid, context.Cause(ctx))
			case <-tick.C:
			}
		}
	}
	if err := os.Remove(filepath.Join(c.data(), "postmaster.pid")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove a stale postmaster.pid: %w", err)
	}
	return nil
}
