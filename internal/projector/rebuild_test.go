package projector_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/internal/projector"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// sums is a view with a row per fact and one per remainder, whose key is a text that sorts
// differently from place to place.
var sums = projector.View{
	Name: "sums",
	Schema: `
		create table if not exists entry (seq bigint primary key, n bigint not null);
		create table if not exists sum (class text, part int, n bigint not null, facts bigint not null, primary key (class, part));`,
	Apply: func(b *pgx.Batch, facts []event.Envelope) {
		for _, env := range facts {
			n := env.Fact.(noted).n
			b.Queue(`insert into entry (seq, n) values ($1, $2)`, env.Seq, n)
			b.Queue(`insert into sum as s (class, part, n, facts) values ($1, $2, $3, 1)
			         on conflict (class, part) do update set n = s.n + excluded.n, facts = s.facts + 1`,
				[]string{"a", "B", "ä", "_"}[n%4], n%3, n)
		}
	},
}

// published says how far a record in memory is.
func (m *memory) published(context.Context) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return int64(len(m.facts)), nil
}

func rebuildOf(db *pgxpool.Pool, record *memory) projector.Rebuild {
	r := projector.Rebuild{
		Config:    projector.Config{DB: db, Record: record.readFrom, Decode: decode, Log: quiet},
		Published: record.published, Now: func() time.Time { return noon }, Patience: 200 * time.Millisecond,
	}
	r.Pieces(7)
	return r
}

// following gives a database with a live view that has everything in the record and is
// kept in step until the test ends.
func following(t *testing.T, record *memory, views ...projector.View) (*pgxpool.Pool, *projector.Projector) {
	t.Helper()
	db := open(t)
	p := newProjector(t, db, record, views...)
	stop := start(p)
	t.Cleanup(stop)
	through, _ := record.published(t.Context())
	for _, v := range views {
		if err := p.WaitFor(t.Context(), v.Name, through); err != nil {
			t.Fatalf("%v (%+v)", err, p.Health())
		}
	}
	return db, p
}

func numbers(n int) []int64 {
	all := make([]int64, n)
	for i := range all {
		all[i] = int64(i * i % 1009)
	}
	return all
}

func execute(t fataler, db *pgxpool.Pool, sql string) {
	if _, err := db.Exec(context.Background(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// text is one value that a query gives, as text.
func text(t fataler, db *pgxpool.Pool, sql string) (s string) {
	if err := db.QueryRow(context.Background(), `select (`+sql+`)::text`).Scan(&s); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return s
}

const schemas = `select coalesce(string_agg(nspname, ' ' order by nspname), '') from pg_namespace where nspname like 'sums%'`

func TestCheckOfAnEqualView(t *testing.T) {
	record := remembering(numbers(100)...)
	db, _ := following(t, record, sums)
	before := text(t, db, `select 'sums.entry'::regclass::oid`)
	var told []projector.Progress
	r := rebuildOf(db, record)
	r.Progress = func(p projector.Progress) { told = append(told, p) }
	reports, err := r.Run(t.Context(), true, sums)
	if err != nil {
		t.Fatal(err)
	}
	got := reports[0]
	if !got.Identical() || got.Switched || got.Seq != 100 || got.Incomparable != "" || len(got.Tables) != 2 || got.Tables[0].Live.Rows != 100 {
		t.Errorf("got %+v", got)
	}
	if after := text(t, db, `select 'sums.entry'::regclass::oid`); after != before {
		t.Error("the live tables are others after a check")
	}
	if got := text(t, db, schemas); got != "sums" {
		t.Errorf("left behind: %s", got)
	}
	if !slices.ContainsFunc(told, func(p projector.Progress) bool { return p.Doing == "comparing sums" && p.Done == 100 }) {
		t.Errorf("told %v", told)
	}
	again, err := rebuildOf(db, record).Run(t.Context(), true, sums)
	if err != nil || again[0].Digest() != got.Digest() {
		t.Errorf("another digest of the same rows: %v", err)
	}
}

func TestDifferencesAreFoundAndMended(t *testing.T) {
	tests := map[string]struct {
		harm  string
		table string
		keys  []string
		rows  [2]int64
	}{
		"a changed row":     {`update sums.entry set n = n + 1 where seq = 42`, "entry", []string{"42 (not the same)"}, [2]int64{50, 50}},
		"a missing row":     {`delete from sums.entry where seq = 7`, "entry", []string{"7 (only rebuilt)"}, [2]int64{49, 50}},
		"one row too many":  {`insert into sums.entry values (999, 1)`, "entry", []string{"999 (only live)"}, [2]int64{51, 50}},
		"a changed sum":     {`update sums.sum set n = 0 where class = 'ä' and part = 1`, "sum", []string{"ä 1 (not the same)"}, [2]int64{10, 10}},
		"many rows":         {`update sums.entry set n = -1`, "entry", []string{"1 (not the same)", "10 (not the same)", "11 (not the same)", "12 (not the same)", "13 (not the same)"}, [2]int64{50, 50}},
		"an empty table":    {`truncate sums.sum`, "sum", nil, [2]int64{0, 10}},
		"a missing table":   {`drop table sums.sum`, "sum", nil, [2]int64{0, 10}},
		"a table too many":  {`create table sums.extra (id int primary key)`, "extra", nil, [2]int64{0, 0}},
		"a column too many": {`alter table sums.entry add note text`, "entry", nil, [2]int64{50, 50}},
		"a column's type":   {`alter table sums.entry alter n type numeric`, "entry", nil, [2]int64{50, 50}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			record := remembering(numbers(50)...)
			db, _ := following(t, record, sums)
			execute(t, db, tt.harm)
			for _, check := range []bool{true, false} {
				reports, err := rebuildOf(db, record).Run(t.Context(), check, sums)
				if err != nil {
					t.Fatal(err)
				}
				if reports[0].Identical() || reports[0].Switched == check {
					t.Errorf("check %v: %+v", check, reports[0])
				}
				for _, table := range reports[0].Tables {
					if table.Identical() != (table.Name != tt.table) {
						t.Errorf("%+v", table)
					}
					if table.Name == tt.table && (table.Live.Rows != tt.rows[0] || table.Rebuilt.Rows != tt.rows[1] || tt.keys != nil && !slices.Equal(table.Keys, tt.keys)) {
						t.Errorf("%+v; want rows %v, keys %q", table, tt.rows, tt.keys)
					}
				}
			}
			reports, err := rebuildOf(db, record).Run(t.Context(), true, sums)
			if err != nil || !reports[0].Identical() {
				t.Errorf("after the rebuild: %+v, %v", reports, err)
			}
			if got := text(t, db, schemas); got != "sums" {
				t.Errorf("left behind: %s", got)
			}
		})
	}
}

// A view may have been dropped altogether, while nothing runs or while it is kept.
func TestRebuildFromNothing(t *testing.T) {
	record := remembering(numbers(50)...)
	db := open(t)
	reports, err := rebuildOf(db, record).Run(t.Context(), false, sums)
	if err != nil || !reports[0].Switched || reports[0].Identical() || reports[0].Incomparable != "there is no live view" {
		t.Fatalf("%+v, %v", reports, err)
	}
	p := newProjector(t, db, record, sums)
	defer start(p)()
	record.add(1, 2, 3)
	if err := p.WaitFor(t.Context(), "sums", 53); err != nil {
		t.Fatal(err)
	}
	reports, err = rebuildOf(db, record).Run(t.Context(), true, sums)
	if err != nil || !reports[0].Identical() {
		t.Errorf("%+v, %v", reports, err)
	}
}

// While facts arrive, readers read and the live view is kept, views are rebuilt again and
// again. Nobody ever gets an error, sees a view go back, or sees tables that do not belong together.
func TestRebuildWhileEverythingRuns(t *testing.T) {
	record := remembering(numbers(200)...)
	db, p := following(t, record, sums, total)
	ctx, cancel := context.WithCancel(t.Context())
	var load sync.WaitGroup
	defer load.Wait()
	defer cancel()
	load.Go(func() { // facts, slower than they can be applied: a rebuild has to get at the end of the record
		for i := int64(1); ctx.Err() == nil; i++ {
			record.add(i % 97)
			pause(ctx, 3*time.Millisecond)
			if err := p.WaitFor(ctx, "sums", 200+i); err != nil && ctx.Err() == nil {
				t.Errorf("%v (%+v)", err, p.Health())
				return
			}
		}
	})
	for range 3 { // readers, with statements that the driver prepares once and keeps
		load.Go(func() {
			for last := int64(0); ctx.Err() == nil; {
				var seq, entries, highest, facts int64
				err := db.QueryRow(ctx, `
					select c.seq, (select count(*) from sums.entry), (select coalesce(max(seq), 0) from sums.entry), (select coalesce(sum(facts), 0)::bigint from sums.sum)
					  from sums.checkpoint c where c.seq >= $1`, 0).Scan(&seq, &entries, &highest, &facts)
				if ctx.Err() != nil {
					return
				}
				if err != nil || entries != seq || highest != seq || facts != seq || seq < last {
					t.Errorf("a reader at %d sees checkpoint %d, %d entries up to %d, sums of %d: %v", last, seq, entries, highest, facts, err)
					return
				}
				last = seq
				pause(ctx, time.Millisecond)
			}
		})
	}
	load.Go(func() { // the hourly purge
		for ctx.Err() == nil {
			if err := p.Purge(ctx, noon); err != nil && ctx.Err() == nil {
				t.Errorf("purge: %v", err)
			}
			pause(ctx, 10*time.Millisecond)
		}
	})
	for i := range 8 {
		r := rebuildOf(db, record)
		r.Pieces(200)
		reports, err := r.Run(t.Context(), i%4 == 3, sums, total)
		if err != nil || len(reports) != 2 {
			t.Fatalf("%+v, %v", reports, err)
		}
		for _, report := range reports {
			if !report.Identical() || report.Switched != (i%4 != 3) {
				t.Errorf("run %d: %+v", i, report)
			}
		}
	}
	cancel()
	load.Wait()
	through, _ := record.published(t.Context())
	if err := p.WaitFor(t.Context(), "sums", through); err != nil {
		t.Fatalf("%v (%+v)", err, p.Health())
	}
	if err := p.WaitFor(t.Context(), "total", through); err != nil {
		t.Fatalf("%v (%+v)", err, p.Health())
	}
	if got, want := shown(t, db), expected(record.facts); got != want {
		t.Errorf("shown %+v, want %+v", got, want)
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// However the record is read and cut, a rebuilt view is the live one's equal.
func TestRebuiltIsWhatWasLive(t *testing.T) {
	db := open(t)
	rapid.Check(t, func(t *rapid.T) {
		execute(t, db, `drop schema if exists sums cascade`)
		record := remembering(rapid.SliceOfN(rapid.Int64Range(0, 50), 1, 60).Draw(t, "facts")...)
		p := newProjector(t, db, record, sums)
		p.Hurry(rapid.IntRange(1, 20).Draw(t, "live batch"))
		stop := start(p)
		defer stop()
		if err := p.WaitFor(context.Background(), "sums", int64(len(record.facts))); err != nil {
			t.Fatalf("%v (%+v)", err, p.Health())
		}
		record.cut = func(left int) (int, int) {
			return rapid.IntRange(1, left).Draw(t, "entries"), rapid.IntRange(0, 5).Draw(t, "again")
		}
		r := rebuildOf(db, record)
		r.Pieces(rapid.IntRange(1, 20).Draw(t, "batch"))
		reports, err := r.Run(context.Background(), rapid.Bool().Draw(t, "check"), sums)
		if err != nil || !reports[0].Identical() {
			t.Fatalf("%+v, %v", reports, err)
		}
	})
}

// Two rebuilds of one view at once: the second is refused, and the first is not disturbed.
func TestTwoRebuildsAtOnce(t *testing.T) {
	record := remembering(numbers(20)...)
	db, p := following(t, record, sums)
	begun, goOn := make(chan struct{}), make(chan struct{})
	slow := rebuildOf(db, record)
	var once sync.Once
	slow.Decode = func(ctx context.Context, seq int64, body []byte) (event.Envelope, error) {
		once.Do(func() {
			close(begun)
			<-goOn
		})
		return decode(ctx, seq, body)
	}
	done := make(chan error, 1)
	go func() {
		reports, err := slow.Run(context.Background(), false, sums)
		if err == nil && !reports[0].Identical() {
			err = fmt.Errorf("%+v", reports)
		}
		done <- err
	}()
	<-begun
	if _, err := rebuildOf(db, record).Run(t.Context(), true, sums); !errors.Is(err, projector.ErrRebuilding) {
		t.Errorf("the second: %v", err)
	}
	if err := p.Purge(t.Context(), noon); err != nil {
		t.Errorf("the purge: %v", err)
	}
	if got := text(t, db, schemas); got != "sums sums_rebuild" {
		t.Errorf("while one is built there are: %s", got)
	}
	close(goOn)
	if err := <-done; err != nil {
		t.Errorf("the first: %v", err)
	}
}

// What a rebuild leaves that was interrupted, however, is of no use and gone after the next
// one, or after the next purge.
func TestInterruptedRebuildBeginsAnew(t *testing.T) {
	record := remembering(numbers(30)...)
	db, p := following(t, record, sums)
	leave := func() { // what a killed process leaves
		execute(t, db, `create schema sums_rebuild; create table sums_rebuild.entry (seq text); create schema sums_old; create table sums_old.entry (seq text)`)
	}
	leave()
	reports, err := rebuildOf(db, record).Run(t.Context(), false, sums)
	if err != nil || !reports[0].Identical() || !reports[0].Switched {
		t.Errorf("%+v, %v", reports, err)
	}
	leave()
	if err := p.Purge(t.Context(), noon); err != nil {
		t.Error(err)
	}
	if got := text(t, db, schemas); got != "sums" {
		t.Errorf("left behind: %s", got)
	}

	ctx, cancel := context.WithCancel(t.Context())
	interrupted := rebuildOf(db, record)
	interrupted.Decode = func(ctx context.Context, seq int64, body []byte) (event.Envelope, error) {
		if seq == 20 {
			cancel()
			<-ctx.Done()
		}
		return decode(ctx, seq, body)
	}
	if _, err := interrupted.Run(ctx, false, sums); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	if got := text(t, db, schemas); got != "sums" {
		t.Errorf("left behind: %s", got)
	}
	reports, err = rebuildOf(db, record).Run(t.Context(), true, sums)
	if err != nil || !reports[0].Identical() {
		t.Errorf("%+v, %v", reports, err)
	}
}

// A live view that does not go on can be replaced, and is kept from there.
func TestRebuildOfAStoppedView(t *testing.T) {
	record := remembering(numbers(20)...)
	broken := sums
	broken.Apply = func(b *pgx.Batch, facts []event.Envelope) { // a release with a mistake
		for i, env := range facts {
			if env.Seq == 15 {
				panic("a mistake")
			}
			sums.Apply(b, facts[i:i+1])
		}
	}
	db := open(t)
	p := newProjector(t, db, record, broken)
	defer start(p)()
	until(t, "the view stops", func() bool { return state(p) == projector.Stopped })
	if h := p.Health()[0]; h.Seq != 14 || h.At != 15 {
		t.Errorf("%+v", h)
	}
	_, err := rebuildOf(db, record).Run(t.Context(), false, broken)
	if err == nil || !strings.Contains(err.Error(), "fact 15") {
		t.Errorf("by the broken release: %v", err)
	}
	reports, err := rebuildOf(db, record).Run(t.Context(), true, sums)
	if err != nil || reports[0].Incomparable != "the live view stands at fact 14 of 20 and does not go on" || reports[0].Identical() {
		t.Errorf("check: %+v, %v", reports, err)
	}
	reports, err = rebuildOf(db, record).Run(t.Context(), false, sums)
	if err != nil || !reports[0].Switched {
		t.Errorf("rebuild: %+v, %v", reports, err)
	}
	record.add(4, 5)
	if err := p.WaitFor(t.Context(), "sums", 22); err != nil && !errors.Is(err, projector.ErrStopped) {
		t.Fatal(err)
	}
	until(t, "the view goes on", func() bool { return p.Health()[0].Seq == 22 })
	if got := text(t, db, `select count(*) from sums.entry`); got != "22" {
		t.Errorf("%s entries", got)
	}
}
