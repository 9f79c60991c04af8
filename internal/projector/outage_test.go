package projector_test

import (
	"bytes"
	"context"
	"net"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/internal/embedded"
	"github.com/bgremover/bgremover/internal/embedded/embeddedtest"
	"github.com/bgremover/bgremover/internal/projector"
)

// deafAfterCommit is a connection on which the answer to the first commit is lost.
type deafAfterCommit struct {
	net.Conn
	lost *atomic.Bool
}

func (c deafAfterCommit) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if err == nil && bytes.Contains(b, []byte("commit")) && c.lost.CompareAndSwap(false, true) {
		one := make([]byte, 1)
		_, _ = c.Read(one) // the server has committed once it answers
		return n, c.Close()
	}
	return n, err
}

// The transaction was committed, and its client cannot know: the facts must count once.
func TestLostAnswerToACommit(t *testing.T) {
	config, err := pgxpool.ParseConfig(embeddedtest.NewDatabase(t))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if err := newProjector(t, plain, nil, total).Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}

	var armed, lost atomic.Bool
	flaky := config.Copy()
	dial := flaky.ConnConfig.DialFunc
	flaky.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return deafAfterCommit{conn, &lost}, nil
	}
	lost.Store(true) // not while the tables are prepared
	db, err := pgxpool.NewWithConfig(t.Context(), flaky)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	record := remembering(1, 2, 3)
	record.cut = func(left int) (int, int) {
		if armed.CompareAndSwap(false, true) {
			lost.Store(false)
		}
		return left, 0
	}
	p := newProjector(t, db, record, total)
	defer start(p)()
	if err := p.WaitFor(t.Context(), "total", 3); err != nil {
		t.Fatal(err)
	}
	if !lost.Load() {
		t.Fatal("no answer was lost")
	}
	if got, want := shown(t, plain), expected([]int64{1, 2, 3}); got != want {
		t.Errorf("shown %+v, want %+v", got, want)
	}
}

// A database that goes away and comes back costs time and nothing else.
func TestDatabaseRestarts(t *testing.T) {
	dir := embeddedtest.TempDir(t)
	server := startPostgres(t, dir)
	db := openDSN(t, server.DSN())
	record := remembering(1, 2)
	p := newProjector(t, db, record, total)
	defer start(p)()
	if err := p.WaitFor(t.Context(), "total", 2); err != nil {
		t.Fatal(err)
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	record.add(3)
	until(t, "the view waits", func() bool { return state(p) == projector.Retrying })

	server = startPostgres(t, dir)
	defer func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	}()
	if err := p.WaitFor(t.Context(), "total", 3); err != nil {
		t.Fatal(err)
	}
	if got, want := shown(t, db), expected([]int64{1, 2, 3}); got != want {
		t.Errorf("shown %+v, want %+v", got, want)
	}
}

func startPostgres(t *testing.T, dir string) *embedded.Postgres {
	t.Helper()
	runtime, err := embedded.FindRuntime()
	if err != nil {
		t.Fatal(err)
	}
	server, err := embedded.Start(t.Context(), embedded.Config{Bin: runtime.PostgresBin, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return server
}
