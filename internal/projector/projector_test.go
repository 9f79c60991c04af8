package projector_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/internal/projector"
)

// However the record is cut, repeated and interrupted, and however often the connection
// dies in the middle of a transaction or the process between two, the rows are the same.
func TestSameRowsWhateverHappens(t *testing.T) {
	db := open(t)
	rapid.Check(t, func(t *rapid.T) {
		if _, err := db.Exec(context.Background(), `drop schema if exists total cascade`); err != nil {
			t.Fatal(err)
		}
		facts := rapid.SliceOfN(rapid.Int64Range(0, 1000), 1, 60).Draw(t, "facts")
		mishaps := rapid.IntRange(0, 6).Draw(t, "mishaps")
		record := remembering(facts...)
		record.cut = func(left int) (int, int) {
			return rapid.IntRange(1, left).Draw(t, "entries"), rapid.IntRange(0, 5).Draw(t, "again")
		}
		view := total
		view.Apply = func(b *pgx.Batch, facts []event.Envelope) {
			for i := range facts {
				total.Apply(b, facts[i:i+1])
				if mishaps > 0 && rapid.IntRange(0, 10).Draw(t, "transaction") == 0 {
					mishaps--
					b.Queue(`select pg_terminate_backend(pg_backend_pid())`)
				}
			}
		}
		for from := 0; from < len(facts); { // each turn is one life of a process
			to := rapid.IntRange(from+1, len(facts)).Draw(t, "life")
			record.facts = facts[:to]
			p := newProjector(t, db, record, view)
			p.Hurry(rapid.IntRange(1, 20).Draw(t, "batch"))
			stop := start(p)
			if err := p.WaitFor(context.Background(), "total", int64(to)); err != nil {
				t.Fatalf("wait: %v (%+v)", err, p.Health())
			}
			stop()
			from = to
			if n := record.open.Load(); n != 0 {
				t.Fatalf("%d readings are still open", n)
			}
		}
		if got, want := shown(t, db), expected(facts); got != want {
			t.Fatalf("shown %+v, want %+v", got, want)
		}
	})
}

func newProjector(t fataler, db *pgxpool.Pool, record *memory, views ...projector.View) *projector.Projector {
	p, err := projector.New(projector.Config{DB: db, Record: record.readFrom, Decode: decode, Log: quiet}, views...)
	if err != nil {
		t.Fatalf("new: %v", err)
	}
	p.Hurry(10)
	return p
}

// Two projectors of one view at once: one works, the other takes over, and no fact counts twice.
func TestOneWorksAndAnotherTakesOver(t *testing.T) {
	db := open(t)
	record := remembering(1, 2, 3)
	first, second := newProjector(t, db, record, total), newProjector(t, db, record, total)

	stopFirst := start(first)
	until(t, "the first follows", func() bool { return state(first) == projector.Following })
	stopSecond := start(second)
	defer stopSecond()
	until(t, "the second stands by", func() bool { return state(second) == projector.Standby })
	if err := second.WaitFor(t.Context(), "total", 3); err != nil {
		t.Errorf("the second process does not see what the first has applied: %v", err)
	}
	stopFirst()
	until(t, "the second follows", func() bool { return state(second) == projector.Following })
	record.add(4, 5)
	if err := second.WaitFor(t.Context(), "total", 5); err != nil {
		t.Fatal(err)
	}
	if got, want := shown(t, db), expected([]int64{1, 2, 3, 4, 5}); got != want {
		t.Errorf("shown %+v, want %+v", got, want)
	}
}

// One that stands by ends as well as one that works.
func TestStandbyEnds(t *testing.T) {
	db := open(t)
	record := remembering(1)
	first := newProjector(t, db, record, total)
	defer start(first)()
	until(t, "the first follows", func() bool { return state(first) == projector.Following })
	for range 3 {
		second := newProjector(t, db, record, total)
		stop := start(second)
		until(t, "the second stands by", func() bool { return state(second) == projector.Standby })
		stop()
	}
	if got := state(first); got != projector.Following {
		t.Errorf("the first is %s", got)
	}
}

// A projector that lost its lock without noticing changes nothing.
func TestOvertakenProjectorChangesNothing(t *testing.T) {
	db := open(t)
	record := remembering(1, 2)
	p := newProjector(t, db, record, total)
	defer start(p)()
	if err := p.WaitFor(t.Context(), "total", 2); err != nil {
		t.Fatal(err)
	}
	// Another applies facts 3 and 4 behind its back.
	facts := []int64{1, 2, 3, 4, 5}
	want := expected(facts[:4])
	_, err := db.Exec(t.Context(), `with other as (update total.row set n = $1, digest = $2)
	                                update total.checkpoint set seq = 4, "offset" = 30`, want.n, want.digest)
	if err != nil {
		t.Fatal(err)
	}
	record.add(facts[2:]...)
	if err := p.WaitFor(t.Context(), "total", 5); err != nil {
		t.Fatal(err)
	}
	if got, want := shown(t, db), expected(facts); got != want {
		t.Errorf("shown %+v, want %+v", got, want)
	}
}

// A fact that cannot be applied stops its view right before it, tells where without telling
// what, and leaves the other views alone.
func TestFactThatCannotBeApplied(t *testing.T) {
	const poison = 666_666
	tests := map[string]struct {
		apply func(*pgx.Batch)
		cause string
	}{
		"SQL that the database refuses": {func(b *pgx.Batch) { b.Queue(`insert into total.row (n, digest) values ($1, 0)`, poison) }, "SQLSTATE 23505"},
		"SQL that makes no sense":       {func(b *pgx.Batch) { b.Queue(`selekt 666666`) }, "SQLSTATE 42601"},
		"value quoted by the database":  {func(b *pgx.Batch) { b.Queue(`select ('x' || $1::text)::bigint`, "666666") }, "SQLSTATE 22P02"},
		"value that fits no parameter":  {func(b *pgx.Batch) { b.Queue(`update total.row set n = $1`, struct{ s string }{"666666"}) }, "driver rejects"},
		"panic":                         {func(*pgx.Batch) { panic(fmt.Sprint(poison)) }, "panicked"},
		"panic of the runtime":          {func(*pgx.Batch) { var none []int; _ = none[len(none)] }, "index out of range"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			db := open(t)
			view := total
			view.Apply = func(b *pgx.Batch, facts []event.Envelope) {
				for i, env := range facts {
					total.Apply(b, facts[i:i+1])
					if env.Fact.(noted).n == poison {
						tt.apply(b)
					}
				}
			}
			other := projector.View{Name: "other", Apply: func(*pgx.Batch, []event.Envelope) {}}
			var log bytes.Buffer
			p, err := projector.New(projector.Config{
				DB: db, Record: remembering(1, 2, 3, poison, 5).readFrom, Decode: decode, Log: logTo(&log),
			}, view, other)
			if err != nil {
				t.Fatal(err)
			}
			p.Hurry(10)
			stop := start(p)
			until(t, "the view stops", func() bool { return state(p) == projector.Stopped })
			if err := p.WaitFor(t.Context(), "other", 5); err != nil {
				t.Errorf("the other view: %v", err)
			}
			if err := p.WaitFor(t.Context(), "total", 4); !errors.Is(err, projector.ErrStopped) {
				t.Errorf("waiting for what a stopped view will not show: %v", err)
			}
			health := p.Health()[0]
			stop()

			if got, want := shown(t, db), expected([]int64{1, 2, 3}); got != want {
				t.Errorf("shown %+v, want %+v", got, want)
			}
			if health.Seq != 3 || !strings.Contains(health.Cause, "fact 4 (test.noted.v1)") || !strings.Contains(health.Cause, tt.cause) {
				t.Errorf("health %+v; want fact 4 and %q named", health, tt.cause)
			}
			if !strings.Contains(log.String(), "ALARM") || strings.Contains(log.String(), fmt.Sprint(poison)) {
				t.Errorf("log must give the alarm and not the value:\n%s", &log)
			}
		})
	}
}

func TestFactThatCannotBeDecoded(t *testing.T) {
	tests := map[string]struct {
		err   error // of decoding fact 3, the first time
		state projector.State
		seq   int64
	}{
		"for good":           {errors.New("the secret of fact 3"), projector.Stopped, 2},
		"the vault was away": {fmt.Errorf("open: %w", event.ErrUnavailable), projector.Following, 4},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var failed atomic.Bool
			failing := func(ctx context.Context, seq int64, body []byte) (event.Envelope, error) {
				if string(body) == "3" && (tt.state == projector.Stopped || !failed.Swap(true)) {
					return event.Envelope{}, tt.err
				}
				return decode(ctx, seq, body)
			}
			p, err := projector.New(projector.Config{DB: open(t), Record: remembering(1, 2, 3, 4).readFrom, Decode: failing, Log: quiet}, total)
			if err != nil {
				t.Fatal(err)
			}
			p.Hurry(10)
			defer start(p)()
			until(t, "the view comes to rest", func() bool { return state(p) == tt.state && p.Health()[0].Seq == tt.seq })
			if strings.Contains(p.Health()[0].Cause, "secret") {
				t.Errorf("cause %q", p.Health()[0].Cause)
			}
		})
	}
}

// scripted is a reading that gives what the test says.
type scripted func() ([]projector.Entry, error)

func (s scripted) Next(context.Context) ([]projector.Entry, error) { return s() }
func (scripted) Close() error                                      { return nil }

func TestDamagedRecordStopsTheView(t *testing.T) {
	entry := func(seq int64) projector.Entry { return projector.Entry{Seq: seq, Body: []byte("1")} }
	tests := map[string]scripted{
		"a hole":           func() ([]projector.Entry, error) { return []projector.Entry{entry(1), entry(3)}, nil },
		"the reader's own": func() ([]projector.Entry, error) { return nil, errors.New("the record is forked") },
	}
	for name, reading := range tests {
		t.Run(name, func(t *testing.T) {
			record := func(projector.Checkpoint) projector.Reading { return reading }
			p, err := projector.New(projector.Config{DB: open(t), Record: record, Decode: decode, Log: quiet}, total)
			if err != nil {
				t.Fatal(err)
			}
			p.Hurry(10)
			defer start(p)()
			until(t, "the view stops", func() bool { return state(p) == projector.Stopped })
			if cause := p.Health()[0].Cause; !strings.Contains(cause, "damaged") {
				t.Errorf("cause %q", cause)
			}
		})
	}
}

// What the broker lost comes back, and so does the view, by itself.
func TestRecordThatIsWholeAgain(t *testing.T) {
	db, whole := open(t), remembering(1, 2, 3, 4)
	var lost atomic.Bool
	lost.Store(true)
	var readings atomic.Int32
	record := func(after projector.Checkpoint) projector.Reading {
		readings.Add(1)
		if !lost.Load() {
			return whole.readFrom(after)
		}
		rest := remembering(1, 2).readFrom(after)
		return scripted(func() ([]projector.Entry, error) {
			if after.Seq == 0 {
				after.Seq = 2
				return rest.Next(t.Context())
			}
			return nil, fmt.Errorf("%w: fact 3", projector.ErrLost)
		})
	}
	var log bytes.Buffer
	p, err := projector.New(projector.Config{DB: db, Record: record, Decode: decode, Log: logTo(&log)}, total)
	if err != nil {
		t.Fatal(err)
	}
	p.Hurry(2)
	stop := start(p)
	until(t, "the view reads the record again and again", func() bool { return readings.Load() > 3 && state(p) == projector.Retrying })
	if seq := p.Health()[0].Seq; seq != 2 {
		t.Errorf("meanwhile the view is at %d", seq)
	}
	lost.Store(false)
	if err := p.WaitFor(t.Context(), "total", 4); err != nil {
		t.Fatal(err)
	}
	stop()
	if got, want := shown(t, db), expected([]int64{1, 2, 3, 4}); got != want {
		t.Errorf("shown %+v, want %+v", got, want)
	}
	if !strings.Contains(log.String(), "ALARM: a projection waits until the record is whole") {
		t.Errorf("nobody was alarmed:\n%s", &log)
	}
}

func TestWaitFor(t *testing.T) {
	db := open(t)
	record := remembering(1)
	p := newProjector(t, db, record, total)
	p.Patience(100 * time.Millisecond)
	if err := p.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.Prepare(t.Context()); err != nil {
		t.Fatalf("preparing twice: %v", err)
	}
	if err := p.WaitFor(t.Context(), "total", 1); !errors.Is(err, projector.ErrBehind) {
		t.Errorf("while nobody keeps the view: %v", err)
	}
	if r, ok := refusal.As(p.WaitFor(t.Context(), "total", 1)); !ok || r.Kind != refusal.Unavailable {
		t.Errorf("must be a refusal that says: again soon; got %v", r)
	}
	if err := p.WaitFor(t.Context(), "total", 0); err != nil {
		t.Errorf("nothing to wait for: %v", err)
	}
	if err := p.WaitFor(t.Context(), "nothing", 1); err == nil || errors.Is(err, projector.ErrBehind) {
		t.Errorf("a view that does not exist: %v", err)
	}

	p.Patience(time.Minute)
	elsewhere := newProjector(t, db, record, total)
	waited := make(chan error)
	go func() { waited <- p.WaitFor(context.Background(), "total", 2) }()
	defer start(elsewhere)()
	record.add(2)
	if err := <-waited; err != nil {
		t.Errorf("kept by another process: %v", err)
	}
}

func TestViewsThatCannotBe(t *testing.T) {
	apply := func(*pgx.Batch, []event.Envelope) {}
	tests := map[string][]projector.View{
		"no name":          {{Apply: apply}},
		"a name like SQL":  {{Name: "a; drop schema b", Apply: apply}},
		"nothing to apply": {{Name: "a"}},
		"one name twice":   {{Name: "a", Apply: apply}, {Name: "a", Apply: apply}},
		"nobody opens":     {{Name: "a", Apply: apply, Opened: true}},
	}
	for name, views := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := projector.New(projector.Config{Decode: decode, Log: quiet}, views...); err == nil {
				t.Error("accepted")
			}
		})
	}
}
