package main

import (
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/bgremover/bgremover/internal/embedded"
	"github.com/bgremover/bgremover/internal/embedded/embeddedtest"
	"github.com/bgremover/bgremover/internal/fault/faulttest"
)

// gate stands in front of a broker. Shut, it breaks all connections and lets none through.
type gate struct {
	mu    sync.Mutex
	shut  bool
	conns []net.Conn
}

// listen opens a listener behind the gate.
func (g *gate) listen(network, address string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), network, address)
	return gated{l, g}, err
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = true
	for _, c := range g.conns {
		_ = c.Close()
	}
	g.conns = nil
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = false
}

type gated struct {
	net.Listener
	gate *gate
}

func (l gated) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		l.gate.mu.Lock()
		if !l.gate.shut {
			l.gate.conns = append(l.gate.conns, c)
			l.gate.mu.Unlock()
			return c, nil
		}
		l.gate.mu.Unlock()
		_ = c.Close()
	}
}

// outside is what a service is given instead of its own parts: they may fail, and it lives on.
type outside struct {
	t        *testing.T
	gate     gate
	cluster  *kfake.Cluster
	brokers  []string
	postgres *embedded.Postgres
	folder   string // of the PostgreSQL
	kafka    string // the broker's
	blobs    string
}

func newOutside(t *testing.T) *outside {
	o := &outside{t: t, folder: embeddedtest.TempDir(t), kafka: t.TempDir(), blobs: filepath.Join(t.TempDir(), "blobs")}
	o.startKafka(0)
	t.Cleanup(func() { o.cluster.Close() })
	o.startPostgres()
	t.Cleanup(func() {
		if err := o.postgres.Stop(); err != nil {
			t.Error(err)
		}
	})
	return o
}

// startKafka starts the broker on any port, or on the one that it had.
func (o *outside) startKafka(port int) {
	o.t.Helper()
	var err error
	o.cluster, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(port), kfake.ListenFn(o.gate.listen), kfake.DataDir(o.kafka), kfake.SyncWrites(),
		kfake.BrokerConfigs(map[string]string{"log.retention.ms": "-1", "default.replication.factor": "1"}))
	if err != nil {
		o.t.Fatal(err)
	}
	o.brokers = o.cluster.ListenAddrs()
}

// stopKafka stops it, and returns its port.
func (o *outside) stopKafka() (port int) {
	o.t.Helper()
	addr, err := net.ResolveTCPAddr("tcp", o.brokers[0])
	if err != nil {
		o.t.Fatal(err)
	}
	o.gate.close()
	o.cluster.Close()
	o.gate.open()
	return addr.Port
}

func (o *outside) startPostgres() {
	o.t.Helper()
	files, err := embedded.FindRuntime()
	if err != nil {
		o.t.Fatal(err)
	}
	o.postgres, err = embedded.Start(context.WithoutCancel(o.t.Context()), embedded.Config{
		Bin: files.PostgresBin, Dir: o.folder, Settings: map[string]string{"fsync": "off"},
	})
	if err != nil {
		o.t.Fatal(err)
	}
}

// killPostgres ends it with all its connections, without a word.
func (o *outside) killPostgres(how syscall.Signal) {
	o.t.Helper()
	content, err := os.ReadFile(filepath.Join(o.folder, "data", "postmaster.pid"))
	if err != nil {
		o.t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(first)
	if err == nil {
		err = syscall.Kill(pid, how)
	}
	if err != nil {
		o.t.Fatal(err)
	}
	<-o.postgres.Done()
	if err := o.postgres.Stop(); err != nil {
		o.t.Fatal(err)
	}
}

// env names it to a service.
func (o *outside) env() []string {
	return []string{"BGREMOVER_POSTGRES=" + o.postgres.DSN(), "BGREMOVER_KAFKA=" + strings.Join(o.brokers, ","), "BGREMOVER_BLOBS=" + o.blobs}
}

// serve starts a service that stands on it.
func (o *outside) serve(data string, flags ...string) *running {
	o.t.Helper()
	path, err := faulty()
	if err != nil {
		o.t.Fatal(err)
	}
	cmd := exec.Command(path, append(serveFlags(data), flags...)...)
	cmd.Env = append(append(os.Environ(), "BGREMOVER_CONFIG="), o.env()...)
	s := launch(o.t, cmd, data)
	if s.url == "" {
		o.t.Fatalf("the service did not get ready:\n%s", s.log)
	}
	return s
}

// patience is how long an upload waits for the record (adapters/web), with a margin.
const patience = 30*time.Second + 5*time.Second

// While Kafka or Postgres is away, an upload is refused in time, with when to come back; the
// same request afterwards gets one picture, and so does everybody who asks once more.
func TestUploadsWhileAPartIsAway(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*outside) (back func()){
		"Kafka": func(o *outside) func() {
			o.gate.close()
			return o.gate.open
		},
		"PostgreSQL": func(o *outside) func() {
			o.killPostgres(syscall.SIGKILL)
			return o.startPostgres
		},
	}
	for name, away := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOutside(t)
			s := o.serve(dataFolder(t))
			photo := smallPhoto(t)
			post := func(key string) answer {
				t.Helper()
				res, err := s.post("/v1/images", "image", photo, http.Header{"Idempotency-Key": {key}})
				if err != nil {
					t.Fatal(err)
				}
				return res
			}
			before := s.accepted(post("before"))

			back := away(o)
			began := time.Now()
			res := post("meanwhile")
			took := time.Since(began)
			if res.code != http.StatusServiceUnavailable || res.header.Get("Retry-After") == "" || took > patience {
				t.Errorf("after %s: %s, Retry-After %q", took, res, res.header.Get("Retry-After"))
			}
			if ready := s.ask(http.MethodGet, "/readyz", ""); ready.code != http.StatusServiceUnavailable {
				t.Errorf("/readyz: %s", ready)
			}
			if alive := s.ask(http.MethodGet, "/livez", ""); alive.code != http.StatusOK {
				t.Errorf("/livez: %s", alive)
			}

			back()
			// A connection that broke meanwhile may be noticed by an upload, which is refused once more.
			eventually := func(key string) (a accepted) {
				t.Helper()
				until(t, "the repeated upload", func() bool {
					res := post(key)
					if res.code == http.StatusServiceUnavailable || res.code == http.StatusConflict {
						return false
					}
					a = s.accepted(res)
					return true
				})
				return a
			}
			first := eventually("meanwhile")
			if again := eventually("meanwhile"); again.ID != first.ID || again.Capability != first.Capability {
				t.Errorf("the first time %+v, again %+v", first, again)
			}
			if again := eventually("before"); again.ID != before.ID {
				t.Errorf("before %+v, again %+v", before, again)
			}
			until(t, "readiness", func() bool { return s.ask(http.MethodGet, "/readyz", "").code == http.StatusOK })
			for _, a := range []accepted{before, first} {
				until(t, "the cutout", func() bool { return s.status(a) == "ready" })
			}
			if uploads := s.record("--type", "image.uploaded.v1"); len(uploads) != 2 {
				t.Errorf("%d uploads are recorded, and 2 were made", len(uploads))
			}
			s.stop()
			faulttest.Counted(t, "refused after %s, and carried out once afterwards", took.Round(100*time.Millisecond))
		})
	}
}

// PostgreSQL is killed, or Kafka cut off, again and again under a service that lives on.
func TestPartsFailUnderLoad(t *testing.T) {
	t.Parallel()
	o := newOutside(t)
	s := o.serve(dataFolder(t), "--checkpoint-every", "1s")
	c := newClients(t)
	var over atomic.Bool
	var load sync.WaitGroup
	for range 2 {
		load.Go(func() {
			for !over.Load() {
				if err := c.oneLife(s); err != nil {
					t.Error(err)
					return
				}
				<-time.After(100 * time.Millisecond) // what is cut out in the end is not what is tried
			}
		})
	}
	answered := func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.uploads)
	}
	kills := faulttest.Times(1, 20)
	for n := range 2 * kills {
		before := answered()
		until(t, "uploads that are answered", func() bool { return answered() >= before+2 })
		c.keepCheckpoint(s)
		away := time.Duration(rand.IntN(1500)) * time.Millisecond
		if n%2 == 0 {
			o.killPostgres([]syscall.Signal{syscall.SIGKILL, syscall.SIGQUIT}[n/2%2])
			<-time.After(away)
			o.startPostgres()
		} else {
			o.gate.close()
			<-time.After(away)
			o.gate.open()
		}
	}
	before := answered()
	until(t, "uploads that are answered", func() bool { return answered() >= before+2 })
	over.Store(true)
	load.Wait()
	c.settle(s, o.env()...)
	faulttest.Counted(t, "PostgreSQL killed %d times, Kafka cut off %d times, the service lived on; %s", kills, kills, c)
}
