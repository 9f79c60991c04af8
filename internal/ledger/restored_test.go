package ledger_test

import (
	"testing"
	"time"

	"github.com/bgremover/bgremover/internal/embedded/embeddedtest"
	"github.com/bgremover/bgremover/internal/ledger"
)

// Postgres is gone, Kafka has everything: the processors get again what they may not have
// done yet, and not what their topic would have dropped long ago.
func TestEmptyPostgresHandsOverOnlyWhatIsYoung(t *testing.T) {
	w := newWorld(t)
	_, stop := w.sequencer()
	const old, young = 3, 2
	for i := range old + young {
		a := w.upload(newImage())
		if i < old {
			a.At = noon.Add(-ledger.WorkKept - time.Minute)
		}
		_, err := w.ledger.Append(t.Context(), a)
		must(t, err)
	}
	stop()

	again := worldOver(t, embeddedtest.NewDatabase(t), w.cfg)
	seq, _ := again.sequencer()
	eventually(t, "the record is adopted", func() bool { return seq.Health().Term > 0 })
	if adopted, handed := seq.Counters().Adopted.Load(), seq.Counters().Uploads.Load(); adopted != old+young || handed != young {
		t.Errorf("%d facts adopted and %d uploads handed over, want %d and %d", adopted, handed, old+young, young)
	}
}
