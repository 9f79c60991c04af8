package projector_test

import (
	"bytes"
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/internal/projector"
)

// severed is a connection that breaks at a moment of the switch.
type severed struct {
	net.Conn
	at      string // what is being sent when it breaks
	after   bool   // it breaks when that was carried out, and before the answer is read
	renamed *atomic.Bool
	broken  *atomic.Bool
}

func (c severed) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("alter schema sums_rebuild")) {
		c.renamed.Store(true)
	}
	if !c.renamed.Load() || !bytes.Contains(b, []byte(c.at)) || !c.broken.CompareAndSwap(false, true) {
		return c.Conn.Write(b)
	}
	if !c.after {
		return 0, c.Close()
	}
	n, err := c.Conn.Write(b)
	if err == nil {
		_, err = c.Read(make([]byte, 1)) // the server has carried it out once it answers
	}
	_ = c.Close()
	return n, err
}

// A switch is done or not done, wherever the connection breaks, and who ran it learns which.
func TestConnectionBreaksInTheSwitch(t *testing.T) {
	tests := map[string]struct {
		at    string
		after bool
		done  bool
	}{
		"before the draft is renamed": {at: "alter schema sums_rebuild"},
		"after the draft is renamed":  {at: "alter schema sums_rebuild", after: true},
		"before the commit":           {at: "commit"},
		"after the commit":            {at: "commit", after: true, done: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			record := remembering(numbers(40)...)
			db, p := following(t, record, sums)
			before := text(t, db, `select 'sums.entry'::regclass::oid`)

			config := db.Config()
			var renamed, broken atomic.Bool
			dial := config.ConnConfig.DialFunc
			config.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := dial(ctx, network, addr)
				return severed{conn, tt.at, tt.after, &renamed, &broken}, err
			}
			frail, err := pgxpool.NewWithConfig(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			defer frail.Close()
			reports, err := rebuildOf(frail, record).Run(t.Context(), false, sums)
			if !broken.Load() {
				t.Fatal("nothing broke")
			}
			if tt.done && (err != nil || !reports[0].Switched) {
				t.Errorf("it was switched, and says %+v, %v", reports, err)
			}
			if !tt.done && (err == nil || !strings.Contains(err.Error(), "the live view is as it was before")) {
				t.Errorf("it was not switched, and says %+v, %v", reports, err)
			}
			if after := text(t, db, `select 'sums.entry'::regclass::oid`); (after != before) != tt.done {
				t.Errorf("live was table %s and is %s", before, after)
			}
			if got := text(t, db, schemas); got != "sums" {
				t.Errorf("left behind: %s", got)
			}
			record.add(5, 6)
			if err := p.WaitFor(t.Context(), "sums", 42); err != nil {
				t.Errorf("%v (%+v)", err, p.Health())
			}
			again, err := rebuildOf(db, record).Run(t.Context(), false, sums)
			if err != nil || !again[0].Identical() || !again[0].Switched {
				t.Errorf("again: %+v, %v", again, err)
			}
		})
	}
}

// Who holds a live table for long, as a dump does, is waited for, and keeps nobody else waiting.
func TestSwitchWaitsForWhoReads(t *testing.T) {
	record := remembering(numbers(40)...)
	db, p := following(t, record, sums)
	tx, err := db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	if _, err := tx.Exec(t.Context(), `lock table sums.sum, sums.checkpoint in access share mode`); err != nil {
		t.Fatal(err)
	}
	switching := make(chan struct{}, 1)
	r := rebuildOf(db, record)
	r.Progress = func(p projector.Progress) {
		if p.Doing == "switching sums" {
			switching <- struct{}{}
		}
	}
	type outcome struct {
		reports []projector.Report
		err     error
	}
	done := make(chan outcome, 1)
	go func() {
		reports, err := r.Run(context.Background(), false, sums)
		done <- outcome{reports, err}
	}()
	<-switching
	record.add(1, 2, 3)
	if err := p.WaitFor(t.Context(), "sums", 43); err != nil {
		t.Errorf("the live view: %v (%+v)", err, p.Health())
	}
	select {
	case o := <-done:
		t.Errorf("switched while somebody held a table: %+v", o)
	default:
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if o := <-done; o.err != nil || !o.reports[0].Switched {
		t.Errorf("%+v", o)
	}
	if got := text(t, db, `select c.seq || ' ' || (select count(*) from sums.entry) from sums.checkpoint c`); got != "43 43" {
		t.Errorf("checkpoint and rows: %s", got)
	}
}

// What somebody has still open of a retired view stays whole until they are done.
func TestReaderOfTheOldView(t *testing.T) {
	record := remembering(numbers(40)...)
	db, _ := following(t, record, sums)
	reader, err := db.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Rollback(context.Background()) }()
	count := func() (n int) {
		if err := reader.QueryRow(t.Context(), `select count(*) from sums.entry`).Scan(&n); err != nil {
			t.Errorf("the reader: %v", err)
		}
		return n
	}
	if got := count(); got != 40 {
		t.Errorf("%d rows", got)
	}
	done := make(chan error, 1)
	go func() {
		_, err := rebuildOf(db, record).Run(context.Background(), false, sums)
		done <- err
	}()
	if got := count(); got != 40 {
		t.Errorf("%d rows", got)
	}
	if err := reader.Commit(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
