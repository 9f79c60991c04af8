// Package kafkatest gives tests real Apache Kafka: nodes of their own, which they may
// kill one by one.
//
// It drives deploy/dev/kafka.py, which needs Java and, the first time, Maven. Tests that
// use it have the build tag "realkafka" and run by `make test-kafka`. What it starts ends
// with the test, and also when the test binary is killed, and leaves no files.
package kafkatest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
)

// Cluster is some nodes, each broker and controller, all on this machine. Calls on it
// wait for each other.
type Cluster struct {
	t     testing.TB
	about about

	mu      sync.Mutex
	command io.Writer
	answers *bufio.Scanner
}

type about struct {
	Dir     string
	Brokers []string
	Secure  Secure
	Error   string
}

// Secure says how to reach a cluster that [Secured] made.
type Secure struct {
	Users        []string // TLS; a password by PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512
	Scram        []string // TLS; a password by SCRAM-SHA-512 only
	Certificates []string // TLS; a client's certificate
	User         string
	Password     string
	CA           string // paths of PEM files
	Cert, Key    string
}

// Start starts a cluster of this test's own, without topics.
func Start(t testing.TB, nodes int) *Cluster { return start(t, strconv.Itoa(nodes)) }

// Secured starts a cluster of one node that also listens with TLS.
func Secured(t testing.TB) *Cluster { return start(t, "1", "--secure") }

func start(t testing.TB, args ...string) *Cluster {
	t.Helper()
	script, err := script()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("python3", append([]string{script, "up", "--json"}, args...)...) //nolint:gosec,noctx // Our own script; it ends with its input.
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &Cluster{t: t, command: in, answers: bufio.NewScanner(out)}
	t.Cleanup(func() {
		if t.Failed() {
			c.showLogs()
		}
		if err := errors.Join(in.Close(), cmd.Wait()); err != nil {
			t.Error(err)
		}
	})
	if c.about, err = c.answer(); err != nil {
		t.Fatal(err)
	}
	return c
}

// script finds deploy/dev/kafka.py from a package's folder, where its tests run.
func script() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		path := filepath.Join(dir, "deploy", "dev", "kafka.py")
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("kafkatest: deploy/dev/kafka.py is not above this folder")
		}
		dir = filepath.Dir(dir)
	}
}

// Brokers are the addresses without TLS or password. The first is node 1's.
func (c *Cluster) Brokers() []string { return c.about.Brokers }

// Secure says how to reach it with TLS.
func (c *Cluster) Secure() Secure { return c.about.Secure }

// Data is the folder in which a node keeps what it stores.
func (c *Cluster) Data(node int) string {
	return filepath.Join(c.about.Dir, "n"+strconv.Itoa(node))
}

// Kill ends a node as a power failure does (SIGKILL), but for what the system has buffered.
func (c *Cluster) Kill(node int) { c.do("kill", node) }

// Start starts a node again, and waits until clients can connect.
func (c *Cluster) Start(node int) { c.do("start", node) }

// do may be called from any goroutine of the test: it marks it as failed, and goes on.
func (c *Cluster) do(command string, node int) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := fmt.Fprintln(c.command, command, node)
	if err == nil {
		_, err = c.answer()
	}
	if err != nil {
		c.t.Errorf("%s node %d: %v", command, node, err)
	}
}

func (c *Cluster) answer() (about, error) {
	if !c.answers.Scan() {
		return about{}, errors.Join(errors.New("kafkatest: the nodes are gone"), c.answers.Err())
	}
	var a about
	if err := json.Unmarshal(c.answers.Bytes(), &a); err != nil {
		return about{}, fmt.Errorf("kafkatest: not an answer of kafka.py: %w", err)
	}
	if a.Error != "" {
		return about{}, errors.New(a.Error)
	}
	return a, nil
}

// showLogs prints what the nodes had to say last.
func (c *Cluster) showLogs() {
	const most = 4000
	for node := range c.about.Brokers {
		content, err := os.ReadFile(c.Data(node+1) + ".log")
		if err != nil {
			c.t.Log(err)
			continue
		}
		c.t.Logf("node %d:\n%s", node+1, content[max(0, len(content)-most):])
	}
}
