package ledger

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/internal/embedded/embeddedtest"
)

var modelSeeds = flag.Int("ledger.seeds", 24, "how many schedules TestProtocol tries")

// TestProtocol runs the real terms against the real Postgres, and a partition that fails in
// every way we know of: batches stored whole, in part, from the front or from the back,
// acknowledgements lost; sequencers that die anywhere, or live on as zombies; Postgres
// restored from an older state, or a broker that loses its end. Whatever happens, in the end the record has every fact that
// was acknowledged, at the number that was told, once, whole appends next to each other, and
// every stream in its order; and Postgres has the same.
func TestProtocol(t *testing.T) {
	pool, err := pgxpool.New(t.Context(), embeddedtest.NewDatabase(t))
	check(t, err)
	defer pool.Close()
	check(t, Migrate(t.Context(), pool))
	var total SequencerCounters
	for seed := range uint64(*modelSeeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			m := newModel(t, pool, seed)
			for range 100 {
				m.step()
			}
			m.finish()
			for _, s := range m.all {
				total.Failures.Add(s.counts.Failures.Load())
				total.Adopted.Add(s.counts.Adopted.Load())
				total.Displaced.Add(s.counts.Displaced.Load())
				total.Lost.Add(s.counts.Lost.Load())
			}
		})
	}
	t.Logf("%d batches in doubt, %d facts adopted, %d appends displaced, %d losses noticed",
		total.Failures.Load(), total.Adopted.Load(), total.Displaced.Load(), total.Lost.Load())
}

type model struct {
	t      *testing.T
	rand   *rand.Rand
	pool   *pgxpool.Pool
	ledger *Ledger
	log    *faulty
	terms  []*modelTerm // the newest last; those before are zombies
	all    []*Sequencer
	told   map[id.Fact]int64
	saved  bool // a copy of Postgres was made
	loses  bool // in this schedule the broker loses its end; otherwise Postgres is restored
	what   []string
}

// modelTerm is a term with a connection of its own, and no lock: zombies believe in theirs.
type modelTerm struct {
	*term
	ctx     context.Context
	cancel  context.CancelFunc
	waiting []numbered // numbered, not published
}

func newModel(t *testing.T, pool *pgxpool.Pool, seed uint64) *model {
	m := &model{
		t: t, rand: rand.New(rand.NewPCG(seed, 1)), pool: pool, told: map[id.Fact]int64{}, loses: seed%3 == 0,
		ledger: New(pool, nil, Options{NewID: func() string { return uuid.Must(uuid.NewV7()).String() }}),
	}
	m.log = &faulty{memory: &memory{}, rand: m.rand}
	m.exec(`truncate ledger.streams, ledger.facts, ledger.queue, ledger.numbers, ledger.requests`)
	m.exec(`update ledger.head set seq = 0, halted = null`)
	m.exec(`update ledger.published set through = 0, "offset" = 0`)
	m.exec(`drop schema if exists saved cascade`)
	m.takeOver()
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(m.what)
		}
		for _, old := range m.terms {
			old.end()
		}
	})
	return m
}

func (m *model) step() {
	switch n := m.rand.IntN(100); {
	case n < 26:
		m.append()
	case n < 50:
		m.any().number(m)
	case n < 80:
		m.any().publish(m)
	case n < 88:
		m.did("take over")
		m.takeOver()
	case m.loses && n < 91:
		m.lose()
	case !m.loses && !m.saved:
		m.save()
	case !m.loses && n < 95:
		m.restore()
	}
}

func (m *model) did(what string) { m.what = append(m.what, what) }

func (m *model) any() *modelTerm { return m.terms[m.rand.IntN(len(m.terms))] }

// append queues facts of one or two streams, as they stand in Postgres.
func (m *model) append() {
	a := event.Append{At: noon, Actor: event.Actor{Role: event.Clock}}
	streams := []int{m.rand.IntN(4)}
	if m.rand.IntN(3) == 0 {
		streams = append(streams, 4+m.rand.IntN(3))
	}
	if m.rand.IntN(2) == 0 {
		a.Request = id.Request(fmt.Sprint("r", m.rand.IntN(60)))
	}
	for _, s := range streams {
		part := event.Part{Stream: event.Stream(fmt.Sprint("test/", s))}
		err := m.pool.QueryRow(m.t.Context(), "select version from ledger.streams where stream = $1", part.Stream).Scan(&part.Expected)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			m.t.Fatal(err)
		}
		for range 1 + m.rand.IntN(3) {
			part.Facts = append(part.Facts, event.Pending{Fact: image.Downloaded{}})
		}
		a.Parts = append(a.Parts, part)
	}
	e, err := m.ledger.encode(m.t.Context(), a)
	check(m.t, err)
	out, err := m.ledger.transact(m.t.Context(), e)
	check(m.t, err)
	if out.kind == conflict {
		m.t.Fatalf("conflict at the version that Postgres has: %+v", a)
	}
	m.did(fmt.Sprint("append ", out.kind, " at ", out.pos))
}

func (m *model) takeOver() {
	ctx, cancel := context.WithCancel(m.t.Context())
	conn, err := pgx.ConnectConfig(ctx, m.pool.Config().ConnConfig)
	check(m.t, err)
	s := NewSequencer(m.ledger, SequencerConfig{Publisher: m.log, Record: m.log.memory, BatchFacts: 1 + m.rand.IntN(12), Pause: time.Microsecond})
	m.all = append(m.all, s)
	m.log.die = cancel
	begun, err := s.begin(ctx, conn)
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, errTrouble) {
			m.t.Fatal(err)
		}
		m.did(fmt.Sprint("no term: ", err))
		m.log.wait()
		closeQuietly(conn)
		m.takeOver()
		return
	}
	m.terms = append(m.terms[max(0, len(m.terms)-1):], &modelTerm{term: begun, ctx: ctx, cancel: cancel})
	m.tell()
}

func (t *modelTerm) end() {
	t.cancel()
	closeQuietly(t.conn)
}

func (t *modelTerm) number(m *model) {
	if len(t.waiting) > 0 || t.conn.IsClosed() {
		return
	}
	batch, err := t.numberNext(t.ctx)
	m.did(fmt.Sprintf("term %d numbers %d: %v", t.term.number, len(batch), err))
	if err != nil {
		if !errors.Is(err, errTermOver) && t.ctx.Err() == nil {
			m.t.Fatal(err)
		}
		t.end()
	}
	t.waiting = batch
}

// publish sends what the term has numbered; a zombie can do that still.
func (t *modelTerm) publish(m *model) {
	if len(t.waiting) == 0 || t.ctx.Err() != nil && m.rand.IntN(2) == 0 {
		return
	}
	m.log.die = t.cancel
	landed := make(chan flight, 1)
	t.launch(t.waiting, landed)
	err := t.land(t.ctx, t.waiting, <-landed)
	m.did(fmt.Sprintf("term %d publishes %d to %d: %v", t.term.number, t.waiting[0].seq, t.waiting[len(t.waiting)-1].seq, err))
	switch {
	case err == nil:
		t.waiting = nil
		m.tell()
	case t.ctx.Err() == nil && !errors.Is(err, errTermOver) && !errors.Is(err, ErrLost) && !errors.Is(err, errTrouble):
		m.t.Fatal(err)
	default:
		t.end() // its batch stays: a zombie may send it once more
	}
}

// tell notes what callers were told by now: facts that Postgres calls published.
func (m *model) tell() {
	rows, err := m.pool.Query(m.t.Context(), `
		select f.id::text, n.seq from ledger.facts f join ledger.numbers n using (pos, idx)
		 where n.seq <= (select through from ledger.published)`)
	check(m.t, err)
	var fact id.Fact
	var seq int64
	_, err = pgx.ForEachRow(rows, []any{&fact, &seq}, func() error {
		if before, told := m.told[fact]; told && before != seq {
			m.t.Fatalf("fact %s was told to be %d, and now %d", fact, before, seq)
		}
		m.told[fact] = seq
		return nil
	})
	check(m.t, err)
}

var modelTables = []string{"head", "published", "streams", "facts", "queue", "numbers", "requests"}

func (m *model) save() {
	m.did("save")
	m.exec("create schema saved")
	for _, table := range modelTables {
		m.exec("create table saved." + table + " as table ledger." + table)
	}
	m.saved = true
}

// restore stops all sequencers, as an operator must, and brings the old state back.
func (m *model) restore() {
	m.did("restore")
	for _, t := range m.terms {
		t.end()
	}
	m.terms = nil
	for _, table := range modelTables {
		m.exec("delete from ledger." + table)
		m.exec("insert into ledger." + table + " table saved." + table)
	}
	m.exec("drop schema saved cascade")
	m.saved = false
	for range m.rand.IntN(4) {
		m.append() // somebody appends before a sequencer has looked
	}
	m.takeOver()
}

// lose takes the end off the partition, as a broker does that crashes without fsync. The
// zombies are gone with it; the newest sequencer goes on and has to notice.
func (m *model) lose() {
	m.did("lose")
	for len(m.terms) > 1 {
		m.terms[0].end()
		m.terms = m.terms[1:]
	}
	m.log.mu.Lock()
	defer m.log.mu.Unlock()
	m.log.entries = m.log.entries[:max(0, len(m.log.entries)-1-m.rand.IntN(6))]
}

// finish lets one sequencer do what is left, and looks at everything.
func (m *model) finish() {
	m.log.well = true
	m.takeOver()
	last := m.terms[len(m.terms)-1]
	for {
		last.number(m)
		if len(last.waiting) == 0 {
			break
		}
		last.publish(m)
	}
	m.checkRecord(last.head)
}

func (m *model) checkRecord(head int64) {
	src := NewReader(m.log.memory, Position{}, ReaderOptions{Patience: 10 * time.Millisecond})
	codec := NewCodec("", Facts(), nil)
	versions, seen := map[event.Stream]int64{}, map[id.Fact]int64{}
	requests, carried := map[id.Request]int64{}, map[id.Request]int64{}
	for next := int64(1); next <= head; {
		entries, err := src.Next(m.t.Context())
		check(m.t, err)
		for _, e := range entries {
			env, err := codec.Decode(m.t.Context(), e.Seq, e.Body)
			check(m.t, err)
			if env.Seq != next || seen[env.ID] != 0 || env.Version != versions[env.Stream]+1 {
				m.t.Fatalf("fact %d: %+v after version %d, seen at %d", next, env, versions[env.Stream], seen[env.ID])
			}
			if r := env.Cause.Request; r != "" {
				if at, before := requests[r]; before && at != next-1 {
					m.t.Fatalf("request %s was carried out at %d and at %d", r, at, next)
				}
				requests[r] = next
				carried[r]++
			}
			seen[env.ID], versions[env.Stream] = next, env.Version
			m.checkRow(e)
			next++
		}
	}
	for fact, seq := range m.told {
		if seen[fact] != seq {
			m.t.Errorf("fact %s was told to be %d and is %d", fact, seq, seen[fact])
		}
	}
	for r, facts := range carried { // a repetition gets all of the first answer
		m.same(fmt.Sprintf("select count(*) from ledger.requests join ledger.facts using (pos) where request = '%s'", r), facts)
	}
	m.same("select count(*) from ledger.facts", head)
	m.same("select count(*) from ledger.numbers", head)
	m.same("select through from ledger.published", head)
	m.same("select count(*) from ledger.queue", 0)
	m.same("select sum(version)::bigint from ledger.streams", sum(maps.Values(versions)))
	// An append's facts stand next to each other, whatever became of it.
	m.same(`select count(*) from (select from ledger.numbers group by pos having max(seq) - min(seq) <> count(*) - 1) apart`, 0)
}

func (m *model) checkRow(e Entry) {
	var body []byte
	check(m.t, m.pool.QueryRow(m.t.Context(),
		"select f.body from ledger.numbers n join ledger.facts f using (pos, idx) where n.seq = $1", e.Seq).Scan(&body))
	if !slices.Equal(body, e.Body) {
		m.t.Fatalf("fact %d is another one in Postgres", e.Seq)
	}
}

func (m *model) same(sql string, want int64) {
	m.t.Helper()
	var got int64
	check(m.t, m.pool.QueryRow(m.t.Context(), sql).Scan(&got))
	if got != want {
		m.t.Errorf("%s: %d, want %d", sql, got, want)
	}
}

func (m *model) exec(sql string) {
	m.t.Helper()
	_, err := m.pool.Exec(m.t.Context(), sql)
	check(m.t, err)
}

func sum(of func(func(int64) bool)) (total int64) {
	for n := range of {
		total += n
	}
	return total
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// faulty stores batches as a broker and a producer in trouble do.
type faulty struct {
	*memory
	rand *rand.Rand
	die  context.CancelFunc // ends the sequencer that publishes
	well bool               // no more faults
	busy sync.Mutex         // held while it publishes
	work []string           // what the processors got
}

var errTrouble = errors.New("trouble")

func (f *faulty) Publish(topic string, messages ...*message.Message) error {
	f.busy.Lock()
	defer f.busy.Unlock()
	if topic == TopicWork {
		for _, m := range messages {
			f.work = append(f.work, m.UUID)
		}
		return nil
	}
	if f.well {
		f.keep(messages)
		return nil
	}
	if f.rand.IntN(8) == 0 {
		f.die()
	}
	switch n := f.rand.IntN(100); {
	case n < 55:
		f.keep(messages)
		return nil
	case n < 70: // stored, and the acknowledgement lost
		f.keep(messages)
	case n < 80: // the beginning
		f.keep(messages[:f.rand.IntN(len(messages)+1)])
	case n < 95: // the end
		f.keep(messages[f.rand.IntN(len(messages)+1):])
	}
	return errTrouble
}

func (f *faulty) keep(messages []*message.Message) {
	for _, m := range messages {
		seq, err := strconv.ParseInt(m.Metadata.Get(MetaSeq), 10, 64)
		if err != nil {
			panic(err)
		}
		m.Metadata.Set(MetaOffset, strconv.FormatInt(f.end(), 10))
		f.store(seq, m.Payload)
	}
}

// wait returns when nothing is being published, as after the death of who published.
func (f *faulty) wait() {
	f.busy.Lock()
	defer f.busy.Unlock()
}

func (f *faulty) Close() error { return nil }
