package ledger_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/merkle"
)

// fill queues n facts of some bytes each, which a sequencer numbers; nobody decodes them.
func (w *world) fill(n, size int) {
	w.t.Helper()
	w.exec(`
		with f as (select nextval('ledger.position') as pos, 'test/' || gen_random_uuid() as stream from generate_series(1, $1)),
		     s as (insert into ledger.streams select stream, 1 from f),
		     q as (insert into ledger.queue select pos, 1, $2 from f)
		insert into ledger.facts
		select pos, 0, gen_random_uuid(), stream, 1, convert_to(rpad(stream || pos, $2, '.'), 'UTF8') from f`, n, size)
}

// published waits until so many facts are.
func (w *world) published(n int64) {
	w.t.Helper()
	eventually(w.t, "everything is published", func() bool { return w.number("select through from ledger.published") == n })
}

// checkTree compares the tree in Postgres with one over the facts' bytes.
func (w *world) checkTree() *merkle.Frontier {
	w.t.Helper()
	rows, err := w.pool.Query(w.t.Context(), `
		select f.body from ledger.numbers n join ledger.facts f using (pos, idx) order by n.seq`)
	must(w.t, err)
	var tree merkle.Frontier
	for rows.Next() {
		var body []byte
		must(w.t, rows.Scan(&body))
		tree.Append(merkle.Leaf(body))
	}
	must(w.t, rows.Err())
	var seq int64
	var root []byte
	must(w.t, w.pool.QueryRow(w.t.Context(), "select seq, root from ledger.head").Scan(&seq, &root))
	if want := tree.Root(); seq != tree.Size() || string(root) != string(want[:]) {
		w.t.Errorf("the head is %d with root %x, want %d with %x", seq, root, tree.Size(), want)
	}
	stored := ledger.NewTree(w.pool)
	if root, err := merkle.RootOf(w.t.Context(), stored, seq); err != nil || root != tree.Root() {
		w.t.Errorf("the stored tree has root %s (%v), want %s", root, err, tree.Root())
	}
	if n := w.number("select count(*) from ledger.tiles"); n != seq>>8+seq>>16 {
		w.t.Errorf("%d facts have %d tiles", seq, n)
	}
	return &tree
}

func TestTreeGrowsWithTheRecord(t *testing.T) {
	w := newWorld(t)
	_, stop := w.sequencer(func(c *ledger.SequencerConfig) { c.BatchFacts = 130 })
	w.fill(255, 60)
	w.published(255)
	w.checkTree()
	w.fill(1, 60) // fills the first tile
	w.published(256)
	w.checkTree()
	w.fill(1500, 60)
	w.published(1756)
	tree := w.checkTree()
	stop()

	// A new term begins with the edge that it reads, and goes on.
	w.sequencer()
	w.fill(300, 60)
	w.published(2056)
	now := w.checkTree()

	stored := ledger.NewTree(w.pool)
	proof, err := merkle.Consistency(t.Context(), stored, tree.Size(), now.Size())
	must(t, err)
	must(t, merkle.CheckConsistency(proof, now.Size(), now.Root(), tree.Size(), tree.Root()))
	for _, seq := range []int64{1, 256, 257, 1756, 2048, 2056} {
		body, err := stored.Fact(t.Context(), seq)
		must(t, err)
		proof, err := merkle.Inclusion(t.Context(), stored, now.Size(), seq-1)
		must(t, err)
		must(t, merkle.CheckInclusion(proof, now.Size(), now.Root(), seq-1, merkle.Leaf(body)))
	}
	for _, seq := range []int64{0, -1, 2057} {
		if _, err := stored.Fact(t.Context(), seq); !errors.Is(err, ledger.ErrNoFact) {
			t.Errorf("fact %d: %v", seq, err)
		}
	}
	if _, err := stored.Tile(t.Context(), merkle.Tile{Level: 0, Index: 8, Width: 9}); err == nil {
		t.Error("a tile that is wider than the tree")
	}
	if _, err := stored.Tile(t.Context(), merkle.Tile{Level: 1, Index: 0, Width: 9}); err == nil {
		t.Error("a tile that is wider than its level")
	}
}

// A data folder of a release without a tree has numbers and no tiles: it gets them.
func TestTreeOfAnOlderRelease(t *testing.T) {
	w := newWorld(t)
	_, stop := w.sequencer()
	w.fill(70_000, 40) // more than are hashed at once, and more than a tile of tiles
	w.published(70_000)
	stop()
	want := w.checkTree()
	w.exec("truncate ledger.tiles")
	w.exec("update ledger.head set root = null")

	// It is interrupted after some of it, and goes on there.
	w.exec(`create function fail() returns trigger language plpgsql as $$
		begin if new.index >= 150 then raise 'enough'; end if; return new; end $$`)
	w.exec("create trigger fail before insert on ledger.tiles for each row when (new.level = 0) execute function fail()")
	s, stop := w.sequencer()
	eventually(t, "it is interrupted", func() bool { return strings.Contains(s.Health().Trouble, "enough") })
	stop()
	begun := w.number("select count(*) from ledger.tiles")
	if begun == 0 || begun > 151 {
		t.Fatalf("%d tiles were made before the interruption", begun)
	}
	w.exec("drop trigger fail on ledger.tiles")
	w.sequencer()
	w.fill(1, 40)
	w.published(70_001)
	if got := w.checkTree(); got.Size() != want.Size()+1 {
		t.Errorf("the tree has %d leaves", got.Size())
	}
}

// Whatever does not fit stops everything before a number is given.
func TestDamagedTreeHalts(t *testing.T) {
	for name, damage := range map[string]string{
		"a changed fact":      "update ledger.facts set body = body || 'x' where pos = (select pos from ledger.numbers where seq = 300)",
		"a fact that is gone": "delete from ledger.numbers where seq = 299",
		"a changed tile":      "update ledger.tiles set root = sha256(root)",
		"a tile that is gone": "delete from ledger.tiles",
		"another root":        "update ledger.head set root = sha256(root)",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			_, stop := w.sequencer()
			w.fill(300, 50)
			w.published(300)
			stop()
			w.exec(damage)
			w.exec("update ledger.published set through = 0") // nobody compares it with Kafka's before
			s, _ := w.sequencer()
			eventually(t, "it halts", func() bool { return s.Health().Halted != "" })
			if err := s.Run(context.WithoutCancel(t.Context())); !errors.Is(err, ledger.ErrTree) || !errors.Is(err, ledger.ErrFork) {
				t.Errorf("got %v", err)
			}
			if n := w.number("select seq from ledger.head"); n != 300 {
				t.Errorf("the head is %d", n)
			}
		})
	}
}

// Numbers, head and tiles are one transaction: when a tile cannot be stored, no fact gets a number.
func TestNumbersAndTilesComeTogether(t *testing.T) {
	w := newWorld(t)
	w.exec(`create function fail() returns trigger language plpgsql as $$ begin raise 'no tiles today'; end $$`)
	w.exec("create trigger fail before insert on ledger.tiles for each row execute function fail()")
	s, _ := w.sequencer(func(c *ledger.SequencerConfig) { c.BatchFacts = 100 })
	w.fill(350, 50)
	eventually(t, "a tile is refused", func() bool { return strings.Contains(s.Health().Trouble, "no tiles today") })
	if n := w.number("select seq from ledger.head"); n != 200 || w.number("select count(*) from ledger.numbers") != n {
		t.Errorf("%d facts have numbers", n)
	}
	w.checkTree()
	w.exec("drop trigger fail on ledger.tiles")
	w.published(350)
	w.checkTree()
}
