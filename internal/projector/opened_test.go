package projector_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/internal/projector"
)

// named is a fact that holds something sealed under its subject's key; ended destroys that key.
type (
	named struct {
		subject int64
		name    personal.Text
	}
	ended struct{ subject int64 }
)

func (named) EventName() event.Name { return "test.named.v1" }
func (ended) EventName() event.Name { return "test.ended.v1" }

// people is a view that shows what it opened.
var people = projector.View{
	Name:   "people",
	Opened: true,
	Schema: `create table if not exists person (subject bigint primary key, name text not null)`,
	Apply: func(b *pgx.Batch, facts []event.Envelope) {
		for _, env := range facts {
			switch e := env.Fact.(type) {
			case named:
				name, ok := e.name.Reveal()
				if !ok {
					name = "erased"
				}
				b.Queue(`insert into person (subject, name) values ($1, $2)`, e.subject, name)
			case ended:
				b.Queue(`update person set name = 'erased' where subject = $1`, e.subject)
			}
		}
	},
}

// keys is a vault and the codec over it: a positive number names a subject, a negative one
// ends it.
type keys struct {
	mu        sync.Mutex
	destroyed map[int64]bool
	onOpen    func(seq int64)
}

func (k *keys) destroy(subject int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.destroyed[subject] = true
}

func (k *keys) open(_ context.Context, seq int64, body []byte) (event.Envelope, error) {
	if k.onOpen != nil {
		k.onOpen(seq)
	}
	n, err := strconv.ParseInt(string(body), 10, 64)
	if n < 0 {
		return event.Envelope{Seq: seq, Fact: ended{-n}}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	name := personal.Of(fmt.Sprintf("canary-%d", n))
	if k.destroyed[n] {
		name = personal.Erased
	}
	return event.Envelope{Seq: seq, Fact: named{n, name}}, err
}

func followPeople(t *testing.T, k *keys, record *memory) (*pgxpool.Pool, *projector.Projector) {
	t.Helper()
	db := open(t)
	p, err := projector.New(projector.Config{DB: db, Record: record.readFrom, Decode: decode, Open: k.open, Log: quiet}, people, total)
	if err != nil {
		t.Fatal(err)
	}
	p.Hurry(10)
	t.Cleanup(start(p))
	through, _ := record.published(t.Context())
	for _, view := range []string{"people", "total"} {
		if err := p.WaitFor(t.Context(), view, through); err != nil {
			t.Fatal(err)
		}
	}
	return db, p
}

// A view that opens what is sealed showed a name while there was a key. What is made anew
// after the key's destruction never sees it, and is the same all the same.
func TestRebuildAfterAKeyWasDestroyed(t *testing.T) {
	record := remembering(1, 2, 3, 4)
	k := &keys{destroyed: map[int64]bool{}}
	db, p := followPeople(t, k, record)
	if got := text(t, db, `select string_agg(name, ' ' order by subject) from people.person`); got != "canary-1 canary-2 canary-3 canary-4" {
		t.Errorf("before: %s", got)
	}
	k.destroy(2)
	record.add(-2, 5)
	if err := p.WaitFor(t.Context(), "people", 6); err != nil {
		t.Fatal(err)
	}
	r := rebuildOf(db, record)
	r.Open = k.open
	reports, err := r.Run(t.Context(), false, people, total) // one opened, and one not
	if err != nil || len(reports) != 2 || !reports[0].Identical() || !reports[1].Identical() {
		t.Errorf("%+v, %v", reports, err)
	}
	if got := text(t, db, `select string_agg(name, ' ' order by subject) from people.person`); got != "canary-1 erased canary-3 canary-4 canary-5" {
		t.Errorf("after: %s", got)
	}
}

// A key is destroyed while the two are compared: the live view still shows the name as of
// that fact, the draft found it erased. Nobody is told that they differ.
func TestKeyDestroyedDuringTheComparison(t *testing.T) {
	record := remembering(1, 2, 3)
	live := &keys{destroyed: map[int64]bool{}}
	db, p := followPeople(t, live, record)
	destroyed := &keys{destroyed: map[int64]bool{}}
	var once, twice sync.Once
	destroyed.onOpen = func(seq int64) {
		if seq == 4 {
			once.Do(func() {
				destroyed.destroy(4)
				record.add(-4)
			})
		}
	}
	compared := 0
	r := rebuildOf(db, record)
	r.Open = destroyed.open
	r.Now = func() time.Time { // right before the two are compared
		compared++
		twice.Do(func() {
			record.add(4)
			if err := p.WaitFor(context.Background(), "people", 4); err != nil {
				t.Error(err)
			}
		})
		return noon
	}
	reports, err := r.Run(t.Context(), true, people)
	if err != nil || !reports[0].Identical() || reports[0].Seq != 5 {
		t.Errorf("%+v, %v", reports, err)
	}
	if compared != 2 {
		t.Errorf("compared %d times", compared)
	}
}

// What time removes was removed from the live view long ago. A rebuilt one holds it again,
// and loses it before anybody compares the two.
func TestPurgedViewsAreTheSame(t *testing.T) {
	aging := sums
	aging.Purge = func(ctx context.Context, tx pgx.Tx, now time.Time) (int64, error) {
		answer, err := tx.Exec(ctx, `delete from entry where seq <= $1`, now.Sub(noon)/time.Second)
		return answer.RowsAffected(), err
	}
	record := remembering(numbers(30)...)
	db, p := following(t, record, aging)
	if err := p.Purge(t.Context(), noon.Add(10*time.Second)); err != nil {
		t.Fatal(err)
	}
	r := rebuildOf(db, record)
	r.Now = func() time.Time { return noon.Add(15 * time.Second) }
	for _, check := range []bool{true, false} {
		reports, err := r.Run(t.Context(), check, aging)
		if err != nil || !reports[0].Identical() || reports[0].Tables[0].Live.Rows != 15 {
			t.Errorf("%+v, %v", reports, err)
		}
	}
}
