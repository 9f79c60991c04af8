package projector_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/projector"
)

// The ledger's codec decodes for the projector as it is.
var _ projector.Decode = (*ledger.Codec)(nil).Decode

// partition is a ledger.Source: what publishing with doubts leaves in a partition.
type partition []ledger.Entry

func (p partition) Fetch(ctx context.Context, from int64, wait time.Duration) (ledger.Fetched, error) {
	end := int64(len(p))
	if from >= end {
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		return ledger.Fetched{Next: from, End: end}, nil
	}
	to := min(from+2, end)
	return ledger.Fetched{Entries: p[from:to], Next: to, End: end}, nil
}

// byLedger is a reading by the ledger's rule, of a source that holds nothing.
type byLedger struct{ *ledger.Reader }

func (r byLedger) Next(ctx context.Context) ([]projector.Entry, error) {
	found, err := r.Reader.Next(ctx)
	entries := make([]projector.Entry, len(found))
	for i, e := range found {
		entries[i] = projector.Entry(e)
	}
	return entries, err
}

func (byLedger) Close() error { return nil }

// Read by the ledger's rule, a record with repetitions and with a batch whose beginning comes
// later shows every fact once; also when the view goes on from a checkpoint in the middle.
func TestFollowsTheLedger(t *testing.T) {
	var topic partition
	for offset, seq := range []int64{1, 2, 3, 2, 3, 5, 6, 4, 5, 6, 7} {
		topic = append(topic, ledger.Entry{Seq: seq, Offset: int64(offset), Body: strconv.AppendInt(nil, 10*seq, 10)})
	}
	db := open(t)
	for _, end := range []int{5, len(topic)} { // two lives of a process
		record := func(after projector.Checkpoint) projector.Reading {
			return byLedger{ledger.NewReader(topic[:end], ledger.Position(after), ledger.ReaderOptions{})}
		}
		p, err := projector.New(projector.Config{DB: db, Record: record, Decode: decode, Log: quiet}, total)
		if err != nil {
			t.Fatal(err)
		}
		p.Hurry(2)
		stop := start(p)
		if err := p.WaitFor(t.Context(), "total", map[int]int64{5: 3, len(topic): 7}[end]); err != nil {
			t.Fatalf("%v (%+v)", err, p.Health())
		}
		stop()
	}
	if got, want := shown(t, db), expected([]int64{10, 20, 30, 40, 50, 60, 70}); got != want {
		t.Errorf("shown %+v, want %+v", got, want)
	}
}
