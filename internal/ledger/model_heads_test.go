package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/internal/merkle"
)

// modelSafe keeps the keys of one schedule.
type modelSafe map[string][]byte

func (s modelSafe) Secret(_ context.Context, name string) ([]byte, error) { return s[name], nil }

func (s modelSafe) PutSecret(_ context.Context, name string, secret []byte) error {
	if s[name] != nil {
		return ErrSecretThere
	}
	s[name] = secret
	return nil
}

func (s modelSafe) Secrets(context.Context, string) ([]string, error) {
	return slices.Sorted(maps.Keys(s)), nil
}

func newModelKeys(t *testing.T, ground *modelGround) *LogKeys {
	keys, err := OpenLogKeys(t.Context(), ground.pool, modelSafe{}, "")
	check(t, err)
	return keys
}

// sign does what a term does with each tick.
func (t *modelTerm) sign(m *model) {
	if t.over {
		return
	}
	m.log.die = t.cancel
	err := t.signNext(t.ctx)
	for err == nil && t.signs.busy {
		err = (<-t.signs.done)(t.ctx)
	}
	m.did(fmt.Sprintf("term %d signs at %d: %v", t.term.number, t.signs.last.Size, err))
	switch {
	case err == nil:
	case t.ctx.Err() == nil && !errors.Is(err, errTermOver) && !errors.Is(err, ErrLost):
		m.t.Fatal(err)
	default:
		m.end(t)
	}
}

// signAll signs the end, and publishes what is left. A term that learns that the broker lost
// something gives way to another.
func (t *modelTerm) signAll(m *model) {
	for {
		t.sign(m)
		if t.over {
			m.takeOver()
			t = m.terms[len(m.terms)-1]
			continue
		}
		var unpublished bool
		check(m.t, m.pool.QueryRow(m.t.Context(), `select exists (select from ledger.checkpoints where "offset" is null)`).Scan(&unpublished))
		if !unpublished && t.signs.last.Size == t.through {
			return
		}
	}
}

func (m *model) rotate() {
	m.did(fmt.Sprint("rotate: ", m.keys.Rotate(m.t.Context(), time.Now())))
}

// checkTree compares the tree in Postgres with one over the record.
func (m *model) checkTree(stored [][]byte) {
	var tree merkle.Frontier
	for _, body := range stored {
		tree.Append(merkle.Leaf(body))
	}
	var root []byte
	var tiles int64
	check(m.t, m.pool.QueryRow(m.t.Context(), "select root, (select count(*) from ledger.tiles) from ledger.head").Scan(&root, &tiles))
	want := tree.Root()
	if n := tree.Size(); n > 0 && !bytes.Equal(root, want[:]) || tiles != n>>8+n>>16 {
		m.t.Errorf("%d facts have the root %x and %d tiles, want %x", n, root, tiles, want)
	}
	if root, err := merkle.RootOf(m.t.Context(), NewTree(m.pool), tree.Size()); err != nil || root != want {
		m.t.Errorf("the stored tree has the root %s (%v), want %s", root, err, want)
	}
}

// checkHeads looks at everything that was ever signed and not forgotten by everybody.
func (m *model) checkHeads(stored [][]byte) {
	roots := make([]merkle.Hash, 0, len(stored)+1)
	var tree merkle.Frontier
	for _, body := range stored {
		roots = append(roots, tree.Root())
		tree.Append(merkle.Leaf(body))
	}
	roots = append(roots, tree.Root())
	keys, err := readKeys(m.t.Context(), m.pool)
	check(m.t, err)
	rows, err := m.pool.Query(m.t.Context(), "select n, kind, size, note from ledger.checkpoints order by n")
	check(m.t, err)
	entries, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s signed, err error) {
		return s, row.Scan(&s.n, &s.kind, &s.size, &s.note)
	})
	check(m.t, err)
	var last int64
	inTopic := map[int64]int{}
	for _, e := range m.log.heads.entries {
		inTopic[e.Seq]++
		if e.Seq < 1 || e.Seq > int64(len(entries)) || !bytes.Equal(entries[e.Seq-1].note, e.Body) {
			m.t.Errorf("entry %d of the topic (offset %d) is not in Postgres", e.Seq, e.Offset)
		}
	}
	for i, e := range entries {
		if e.n != int64(i+1) || inTopic[e.n] == 0 {
			m.t.Errorf("entry %d is number %d, and stands %d times in the topic", i+1, e.n, inTopic[e.n])
		}
		if e.kind != kindCheckpoint {
			continue
		}
		c, err := keys.Open(e.note)
		if err != nil || c.Size <= last || c.Size > int64(len(stored)) || c.Root != roots[c.Size] {
			m.t.Errorf("entry %d is signed over %d facts after %d: %v", e.n, c.Size, last, err)
		}
		last = c.Size
	}
	if last != int64(len(stored)) {
		m.t.Errorf("the newest checkpoint covers %d of %d facts", last, len(stored))
	}
}
