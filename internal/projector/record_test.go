package projector_test

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/internal/embedded/embeddedtest"
	"github.com/bgremover/bgremover/internal/projector"
)

// noted is the only fact of these tests.
type noted struct{ n int64 }

func (noted) EventName() event.Name { return "test.noted.v1" }

func decode(_ context.Context, seq int64, body []byte) (event.Envelope, error) {
	n, err := strconv.ParseInt(string(body), 10, 64)
	return event.Envelope{Seq: seq, Fact: noted{n}}, err
}

// total is a view that shows everything: a fact lost, doubled or out of order changes its row.
var total = projector.View{
	Name: "total",
	Schema: `create table if not exists row (only_row boolean primary key default true, n bigint not null, digest bigint not null);
	         insert into row (n, digest) values (0, 0) on conflict do nothing;`,
	Apply: func(b *pgx.Batch, facts []event.Envelope) {
		for _, env := range facts {
			b.Queue(`update row set n = n + 1, digest = (digest * 31 + $1) % 1000003`, env.Fact.(noted).n)
		}
	},
}

// row is what total shows.
type row struct{ n, digest int64 }

func expected(facts []int64) row {
	var r row
	for _, n := range facts {
		r = row{r.n + 1, (r.digest*31 + n) % 1000003}
	}
	return r
}

func shown(t fataler, db *pgxpool.Pool) (r row) {
	if err := db.QueryRow(context.Background(), `select n, digest from total.row`).Scan(&r.n, &r.digest); err != nil {
		t.Fatalf("read the view: %v", err)
	}
	return r
}

type fataler interface {
	Fatalf(format string, args ...any)
}

// memory is a record in memory, of which a test says how it is read.
type memory struct {
	mu    sync.Mutex
	facts []int64
	more  chan struct{}
	// cut says how many of the next entries a reader gets at once, and how many old ones
	// before them. nil gives all.
	cut func(left int) (n, again int)
	// open counts the readings that were begun and not closed.
	open atomic.Int32
}

func remembering(facts ...int64) *memory { return &memory{facts: facts, more: make(chan struct{})} }

func (m *memory) add(facts ...int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.facts = append(m.facts, facts...)
	close(m.more)
	m.more = make(chan struct{})
}

func (m *memory) readFrom(after projector.Checkpoint) projector.Reading {
	m.open.Add(1)
	return &reading{memory: m, at: after.Seq}
}

type reading struct {
	*memory
	at int64
}

func (r *reading) Next(ctx context.Context) ([]projector.Entry, error) {
	for {
		entries, more := r.next()
		if len(entries) > 0 {
			return entries, nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (r *reading) Close() error {
	r.open.Add(-1)
	return nil
}

func (r *reading) next() (entries []projector.Entry, more <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	left := int64(len(r.facts)) - r.at
	if left == 0 {
		return nil, r.more
	}
	from, to := r.at, r.at+left
	if r.cut != nil {
		n, again := r.cut(int(left))
		from, to = max(0, r.at-int64(again)), r.at+int64(n)
	}
	for i := from; i < to; i++ {
		entries = append(entries, projector.Entry{Seq: i + 1, Offset: 10 * i, Body: strconv.AppendInt(nil, r.facts[i], 10)})
	}
	r.at = to
	return entries, nil
}

func open(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return openDSN(t, embeddedtest.NewDatabase(t))
}

func openDSN(t testing.TB, dsn string) *pgxpool.Pool {
	t.Helper()
	db, err := pgxpool.New(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

var quiet = slog.New(slog.DiscardHandler)

func logTo(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// start runs a projector until stop is called.
func start(p *projector.Projector) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

// until waits for a condition that another goroutine brings about.
func until(t fataler, what string, ok func() bool) {
	deadline := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 20 s", what)
		}
		<-tick.C
	}
}

func state(p *projector.Projector) projector.State { return p.Health()[0].State }
