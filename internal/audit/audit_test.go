package audit

import (
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/bgremover/bgremover/internal/merkle"
)

func TestASoundLogHolds(t *testing.T) {
	l := newLog(t, 1000, 1)
	l.checkpoint(0, 1, 256, 257, 700)
	tests := map[string]struct {
		change func(*Options)
		then   func(Report) bool
	}{
		"as it is": {func(*Options) {}, func(r Report) bool {
			return r.Facts == 1000 && r.Checkpoints == 5 && r.Covered == 700 && r.Compared == 0 && r.Repeated == 0 &&
				strings.Contains(strings.Join(r.Notes(), "\n"), "not covered by a checkpoint yet: seq 701–1000")
		}},
		"with the ledger's head": {func(o *Options) { o.Head = l.head() }, func(r Report) bool {
			return r.Covered == 700 && r.Compared == 1000
		}},
		"with a head that is ahead": {func(o *Options) {
			more := *l
			more.add([]byte("numbered, and not published"))
			o.Head, o.Tiles = more.head(), more.leaves
			head, _ := more.head()(t.Context())
			o.Head = headOf(Head{Published: 1000, Size: head.Size, Root: head.Root})
		}, func(r Report) bool { return r.Compared == 1000 }},
		"with a head that is behind": {func(o *Options) { o.Head = headOf(Head{Size: 900, Root: l.leaves.root(900)}) }, func(r Report) bool {
			return r.Compared == 900 && len(r.Remarks) == 1
		}},
		"against one kept elsewhere": {func(o *Options) { o.Against = l.sign(l.at(950)) }, func(r Report) bool { return r.Covered == 950 }},
		"without a pinned key": {func(o *Options) { o.Pinned = false }, func(r Report) bool {
			return !r.Pinned && strings.Contains(strings.Join(r.Notes(), "\n"), "taken from the log itself")
		}},
		"slowly": {func(o *Options) { o.Rate = 50_000 }, func(r Report) bool { return r.Facts == 1000 }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			o := l.options()
			tt.change(&o)
			if r := holds(t, o); !tt.then(r) {
				t.Errorf("%+v", r)
			}
		})
	}
}

// What the sequencer leaves behind when it is in doubt is no fault: batches stand again, and
// some without their beginning, which follows.
func TestRepetitionsAreCounted(t *testing.T) {
	l := newLog(t, 600, 2)
	l.checkpoint(100, 600)
	var again tape
	again = append(again, l.record[:200]...)
	again = append(again, l.record[250:300]...) // stored without 201–250
	again = append(again, l.record[150:300]...) // published again from 151 on
	again = append(again, l.record[300:]...)
	again = append(again, l.record[:10]...)
	o := l.options()
	o.Record = again.clone().number()
	for range 3 {
		o.Checkpoints = append(o.Checkpoints.(tape).clone(), l.checkpoints...).number()
	}
	r := holds(t, o)
	if r.Facts != 600 || r.Repeated != 60 || r.Early != 50 || r.Checkpoints != 2 || r.Covered != 600 {
		t.Errorf("%+v", r)
	}
}

func TestAnEmptyLogHolds(t *testing.T) {
	l := newLog(t, 0, 3)
	if r := holds(t, l.options()); r.Facts != 0 || !r.First.IsZero() {
		t.Errorf("%+v", r)
	}
}

func TestKeysAreFollowed(t *testing.T) {
	l := newLog(t, 300, 4)
	o := l.options()
	l.checkpoint(100)
	rotate(t, l, 100)
	l.checkpoint(200)
	rotate(t, l, 200)
	l.checkpoint(250, 300)
	o.Checkpoints = l.checkpoints
	o.Against = l.sign(l.at(280))
	if r := holds(t, o); r.Rotations != 2 || r.Checkpoints != 4 || r.Key != o.Key {
		t.Errorf("%+v", r)
	}
	// The key that was handed over from signs nothing new.
	o.Key = l.key.Verifier()
	if r := verify(t, o); r.Finding == nil || r.Finding.What != BadCheckpoint {
		t.Errorf("%+v", r)
	}
}

// The log may say which key is its first; whoever has it from elsewhere need not believe that.
func TestTheLogNamesItsKey(t *testing.T) {
	l := newLog(t, 50, 7)
	vkey := l.key.Verifier()
	l.note([]byte(vkey + "\n"))
	l.checkpoint(50)
	o := l.options()
	if r := holds(t, o); !r.Pinned || r.Key != vkey {
		t.Errorf("%+v", r)
	}
	o.Key = ""
	if r := holds(t, o); r.Pinned || r.Key != vkey || r.Covered != 50 {
		t.Errorf("%+v", r)
	}
	other, err := merkle.NewSigningKey(l.key.Origin())
	must(t, err)
	o.Key = other.Verifier()
	if r := verify(t, o); r.Finding == nil || r.Finding.What != BadCheckpoint {
		t.Errorf("%+v", r)
	}
	o.Checkpoints, o.Key = tape{{Seq: 1, Body: l.checkpoints[1].Body}}, "" // and nobody names one
	if r := verify(t, o); r.Finding == nil || r.Finding.What != BadCheckpoint {
		t.Errorf("%+v", r)
	}
}

func rotate(t *testing.T, l *logbook, size int64) {
	t.Helper()
	next, err := merkle.NewSigningKey(l.key.Origin())
	must(t, err)
	signed, err := merkle.SignRotation(merkle.Rotation{Origin: l.key.Origin(), Verifier: next.Verifier(), From: size}, l.key)
	must(t, err)
	l.note(signed)
	l.key = next
}

// What is put aside is gone afterwards, and nobody else could read it meanwhile.
func TestNothingIsLeftBehind(t *testing.T) {
	l := newLog(t, 700, 5)
	l.checkpoint(700)
	o := l.options()
	o.Progress = func(Progress) {
		if names, err := os.ReadDir(o.Dir); err != nil || len(names) > 0 {
			t.Errorf("%v, %v", names, err)
		}
	}
	holds(t, o)
	file, err := tempFile(o.Dir)
	must(t, err)
	defer file.Close()
	if info, err := file.Stat(); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestVerifyingNothingIsNoVerdict(t *testing.T) {
	l := newLog(t, 10, 6)
	l.checkpoint(10)
	tests := map[string]func(*Options){
		"a record that cannot be read": func(o *Options) { o.Record = away{} },
		"no checkpoints to be read":    func(o *Options) { o.Checkpoints = away{} },
		"a key that is none":           func(o *Options) { o.Key = "nonsense" },
		"a kept one that is none":      func(o *Options) { o.Against = []byte("nonsense") },
		"a ledger that does not say":   func(o *Options) { o.Head = noHead },
		"no room for what is put aside": func(o *Options) {
			o.Dir = o.Dir + "/nowhere"
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // what does not answer is asked for a while
				o := l.options()
				change(&o)
				if r, err := Verify(t.Context(), o); err == nil {
					t.Errorf("%+v", r)
				}
			})
		})
	}
}

// A broker that loses its end gets back what it lost behind what came after it. That is no
// fault, also where a key was handed over in between.
func TestLostCheckpointsFollow(t *testing.T) {
	l := newLog(t, 400, 8)
	l.note([]byte(l.key.Verifier() + "\n"))
	first := l.key.Verifier()
	l.checkpoint(100)
	rotate(t, l, 100)
	l.checkpoint(200, 300)
	o := l.options()
	o.Key = first
	lost := l.checkpoints.clone()
	o.Checkpoints = append(append(lost[:2:2], lost[4], lost[2]), lost[3]).number()
	if r := holds(t, o); r.Rotations != 1 || r.Checkpoints != 3 || r.Covered != 300 {
		t.Errorf("%+v", r)
	}
	o.Checkpoints = append(lost[:2:2], lost[4], lost[3]).number() // and this one never does
	if r := verify(t, o); r.Finding == nil || r.Finding.What != BadCheckpoint || !strings.Contains(r.Finding.Text, "3 is missing") {
		t.Errorf("%+v", r)
	}
}

// Whoever cuts the topic of checkpoints is found out: that is a verdict, and no trouble of the reading.
func TestCutCheckpointsAreFound(t *testing.T) {
	l := newLog(t, 300, 9)
	l.checkpoint(100, 200, 300)
	o := l.options()
	o.Checkpoints, o.Head = l.checkpoints[1:], l.head()
	if r := verify(t, o); r.Finding == nil || r.Finding.What != BadCheckpoint || !strings.Contains(r.Finding.Text, "begins at offset 1") {
		t.Errorf("%+v", r)
	}
}

// However much else is wrong, the first fact that is wrong is named.
func TestTheFirstFindingIsKept(t *testing.T) {
	tests := map[string]func(i int) Finding{
		"behind many of later facts":   func(i int) Finding { return at(BadEnvelope, int64(100+i), "") },
		"behind many, the last first":  func(i int) Finding { return at(BadEnvelope, int64(9000-i), "") },
		"behind many of bad signature": func(int) Finding { return at(BadCheckpoint, 1, "") },
	}
	for name, other := range tests {
		t.Run(name, func(t *testing.T) {
			var f findings
			for i := range 3 * most {
				f.addAt(int64(i), other(i))
			}
			f.forget(3)
			for i := range 3 {
				f.add(other(3*most + i))
			}
			f.add(at(Changed, 7, ""))
			if got := f.first(); got.What != Changed || got.Seq != 7 || len(f.all) != most {
				t.Errorf("%d findings, the first is %s", len(f.all), got)
			}
		})
	}
}
