package ledger_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/internal/embedded"
	"github.com/bgremover/bgremover/internal/embedded/embeddedtest"
	"github.com/bgremover/bgremover/internal/fault/faulttest"
	"github.com/bgremover/bgremover/internal/ledger"
)

// mortal is a PostgreSQL that is killed and started again at the same address.
type mortal struct {
	t      testing.TB
	folder string
	server *embedded.Postgres
}

func newMortal(t testing.TB) *mortal {
	m := &mortal{t: t, folder: embeddedtest.TempDir(t)}
	m.start()
	t.Cleanup(func() { must(t, m.server.Stop()) })
	return m
}

func (m *mortal) start() {
	m.t.Helper()
	runtime, err := embedded.FindRuntime()
	must(m.t, err)
	// What a process leaves when it is killed, the system writes: fsync makes no difference.
	m.server, err = embedded.Start(context.WithoutCancel(m.t.Context()), embedded.Config{
		Bin: runtime.PostgresBin, Dir: m.folder, Settings: map[string]string{"fsync": "off"},
	})
	must(m.t, err)
}

// kill ends the postmaster with SIGKILL, or all of it at once as `pg_ctl stop -m immediate` does.
func (m *mortal) kill(how syscall.Signal) {
	m.t.Helper()
	content, err := os.ReadFile(filepath.Join(m.folder, "data", "postmaster.pid"))
	must(m.t, err)
	first, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(first)
	must(m.t, err)
	must(m.t, syscall.Kill(pid, how))
	<-m.server.Done()
	must(m.t, m.server.Stop())
}

// PostgreSQL is killed again and again while appends are on their way. Each is asked for by
// its request id until it is answered, and then it was stored once, or is stored now.
func TestPostgresKilled(t *testing.T) {
	t.Parallel()
	postgres := newMortal(t)
	w := worldOver(t, postgres.server.DSN(), newCluster(t))
	// given: callers who give up soon, and ask again
	l := ledger.New(w.pool, w.vault, ledger.Options{NewID: newID, Log: w.log, Patience: 200 * time.Millisecond})
	w.run(l.Run)
	s, _ := w.sequencerOf(l)
	var (
		stop               atomic.Bool
		callers            sync.WaitGroup
		mu                 sync.Mutex
		told               = map[id.Request]int64{}
		unknown, asks, rep atomic.Int64
	)
	for range 8 {
		callers.Go(func() {
			for !stop.Load() {
				a := w.upload(newImage())
				if rand.IntN(2) == 0 { // one round trip, and no key
					a = processed(newImage(), 0)
				}
				a.Request = id.Request(newID())
				for {
					made, err := l.Append(t.Context(), a)
					if errors.Is(err, event.ErrUnavailable) {
						unknown.Add(1)
						continue
					}
					if err != nil || len(made.Facts) != 1 {
						t.Errorf("%+v, %v", made, err)
						return
					}
					if made.Repeated {
						rep.Add(1)
					}
					mu.Lock()
					told[a.Request] = lastSeq(made)
					mu.Unlock()
					break
				}
				asks.Add(1)
			}
		})
	}
	kills := faulttest.Times(3, 20)
	for n := range kills {
		before := asks.Load()
		eventually(t, "appends are answered", func() bool { return asks.Load() >= before+20 })
		<-time.After(time.Duration(rand.IntN(100)) * time.Millisecond)
		postgres.kill([]syscall.Signal{syscall.SIGKILL, syscall.SIGQUIT}[n%2])
		<-time.After(time.Duration(rand.IntN(500)) * time.Millisecond)
		postgres.start()
	}
	before := asks.Load()
	eventually(t, "appends are answered", func() bool { return asks.Load() >= before+20 })
	stop.Store(true)
	callers.Wait()
	// then: everything that was told stands where it was told, once
	seen := map[id.Request]int64{}
	for _, env := range w.record(len(told)) {
		if seen[env.Cause.Request] != 0 {
			t.Errorf("request %s stands at %d and at %d", env.Cause.Request, seen[env.Cause.Request], env.Seq)
		}
		seen[env.Cause.Request] = env.Seq
	}
	for request, seq := range told {
		if seen[request] != seq {
			t.Errorf("request %s was told to be %d and is %d", request, seq, seen[request])
		}
	}
	faulttest.Counted(t, "PostgreSQL killed %d times, %d appends, %d unavailable and asked again, of which %d had been stored; %d transactions tried again, %d terms",
		kills, asks.Load(), unknown.Load(), rep.Load(), l.Counters().Retries.Load(), s.Counters().Terms.Load())
}

// Two sequencers; the one that works loses its lock while a batch is on its way, the other
// takes over, and the first one's batch arrives at any moment after that.
func TestTwoSequencersAfterALostLock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := ledger.New(w.pool, w.vault, ledger.Options{NewID: newID, Log: w.log})
	w.run(other.Run)
	var hold atomic.Pointer[held]
	slow := between(func(next message.Publisher, topic string, messages []*message.Message) error {
		if h := hold.Load(); h != nil && topic == ledger.TopicRecord && hold.CompareAndSwap(h, nil) {
			close(h.arrived)
			<-h.release
		}
		return next.Publish(topic, messages...)
	})
	first, _ := w.sequencer(slow)
	second, _ := w.sequencerOf(other, slow)
	const each = 30
	rounds := faulttest.Times(5, 60)
	terms := func() int64 { return first.Counters().Terms.Load() + second.Counters().Terms.Load() }
	for range rounds {
		began := terms()
		h := &held{arrived: make(chan struct{}), release: make(chan struct{})}
		hold.Store(h)
		wait := w.appendMany(w.ledger, each)
		<-h.arrived
		w.exec("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted and objsubid = 1 and database = (select oid from pg_database where datname = current_database())")
		eventually(t, "another term", func() bool { return terms() > began })
		<-time.After(time.Duration(rand.IntN(30)) * time.Millisecond)
		close(h.release)
		wait()
	}
	w.record(each * rounds)
	faulttest.Counted(t, "the lock lost %d times with a batch on its way; %d terms, of these %d of the second sequencer; %d facts",
		rounds, terms(), second.Counters().Terms.Load(), each*rounds)
}

// held is a batch that is kept from arriving.
type held struct{ arrived, release chan struct{} }
