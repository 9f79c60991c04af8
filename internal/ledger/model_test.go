package ledger

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/internal/fault/faulttest"
)

var (
	modelSeeds = flag.Int("ledger.seeds", faulttest.Times(100, 10_000), "how many schedules TestProtocol tries")
	modelFirst = flag.Uint64("ledger.seed", 0, "the first of them")
)

// modelSteps is how long a schedule is, before everything works again.
const modelSteps = 100

// TestProtocol runs the real terms against the real Postgres, and a partition that fails in
// every way we know of: batches stored whole, in part, from the front or from the back,
// acknowledgements lost; sequencers that die anywhere, or live on as zombies; Postgres
// restored from an older state, or a broker that loses its end; readers whose answers are
// lost or late, and who crash and come back. Whatever happens, in the end the record has every fact that
// was acknowledged, at the number that was told, once, whole appends next to each other, and
// every stream in its order; every decision rests on the rules that were put in force last; Postgres has the same; and every reader got that, once. The tree
// is that of the record, and so is every head of it that was ever signed.
func TestProtocol(t *testing.T) {
	began := time.Now()
	var total modelCounts
	seeds := make(chan uint64)
	var workers sync.WaitGroup
	for range min(2*runtime.GOMAXPROCS(0), *modelSeeds) {
		ground := newModelGround(t)
		workers.Go(func() {
			for seed := range seeds {
				t.Run(fmt.Sprint(seed), func(t *testing.T) { runModel(t, ground, seed, &total) })
			}
		})
	}
	tried := 0
	for ; tried < *modelSeeds && !t.Failed(); tried++ {
		seeds <- *modelFirst + uint64(tried)
	}
	close(seeds)
	workers.Wait()
	faulttest.Counted(t, "%d schedules of %d steps, %.1f a second: %d terms, %d batches in doubt, %d facts adopted, %d appends displaced, %d losses noticed, %d heads signed; readers began %d times, %d alarms, %d facts read",
		tried, modelSteps, float64(tried)/time.Since(began).Seconds(), total.Terms.Load(), total.Failures.Load(), total.Adopted.Load(),
		total.Displaced.Load(), total.Lost.Load(), total.Signed.Load(), total.readers.Load(), total.alarms.Load(), total.read.Load())
}

// modelCounts are what all schedules together came to.
type modelCounts struct {
	SequencerCounters
	readers, alarms, read atomic.Int64
}

func runModel(t *testing.T, ground *modelGround, seed uint64, total *modelCounts) {
	m := newModel(t, ground, seed)
	for range modelSteps {
		m.step()
	}
	m.finish()
	for _, s := range m.all {
		total.Terms.Add(s.counts.Terms.Load())
		total.Failures.Add(s.counts.Failures.Load())
		total.Adopted.Add(s.counts.Adopted.Load())
		total.Displaced.Add(s.counts.Displaced.Load())
		total.Lost.Add(s.counts.Lost.Load())
		total.Signed.Add(s.counts.Signed.Load())
	}
	for _, r := range m.readers {
		total.readers.Add(r.began)
		total.alarms.Add(r.alarms)
		total.read.Add(r.at.Seq)
	}
}

type model struct {
	t    *testing.T
	rand *rand.Rand
	*modelGround
	log     *faulty
	keys    *LogKeys
	terms   []*modelTerm // the newest last; the one before is a zombie
	all     []*Sequencer
	readers []*modelReader
	told    map[id.Fact]int64
	newest  int64 // the highest seq that was told since Postgres was restored
	saved   bool  // a copy of Postgres was made
	loses   bool  // in this schedule the broker loses its end; otherwise Postgres is restored
	what    []string
	stale   bool // the next append may be refused: it rests on rules of the past
}

// modelTerm is a term with a connection of its own, and no lock: zombies believe in theirs.
type modelTerm struct {
	*term
	over    bool // its connection is somebody else's by now
	ctx     context.Context
	cancel  context.CancelFunc
	waiting []numbered // numbered, not published
}

func newModel(t *testing.T, ground *modelGround, seed uint64) *model {
	m := &model{t: t, modelGround: ground, rand: rand.New(rand.NewPCG(seed, 1)), told: map[id.Fact]int64{}, loses: seed%3 == 0}
	m.log = &faulty{memory: &memory{}, heads: &memory{}, rand: m.rand}
	check(t, ground.reset(t.Context()))
	m.keys = newModelKeys(t, ground)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the steps of seed %d:\n%s\nagain: go test ./internal/ledger -run 'TestProtocol$' -ledger.seeds=1 -ledger.seed=%d",
				seed, strings.Join(m.what, "\n"), seed)
		}
		for _, old := range m.terms {
			m.end(old)
		}
	})
	m.takeOver()
	for n := range 3 {
		m.readers = append(m.readers, newModelReader(m, n, rand.New(rand.NewPCG(seed, uint64(2+n)))))
	}
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
		if m.rand.IntN(3) == 0 {
			m.any().sign(m)
		}
	case n < 88:
		m.did("take over")
		m.takeOver()
	case n == 99:
		m.rotate()
	case m.loses && n < 91:
		m.lose()
	case !m.loses && !m.saved:
		m.save()
	case !m.loses && n < 95:
		m.restore()
	}
	for _, r := range m.readers {
		r.step()
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
	m.rest(&a)
	e, err := m.ledger.encode(m.t.Context(), a)
	check(m.t, err)
	out, err := m.ledger.transact(m.t.Context(), e)
	check(m.t, err)
	if out.kind == policied && m.stale {
		m.did("append refused: other rules are in force")
		return
	}
	if out.kind == conflict || out.kind == policied {
		m.t.Fatalf("conflict at the version that Postgres has: %+v", a)
	}
	m.did(fmt.Sprint("append ", out.kind, " at ", out.pos))
}

func (m *model) takeOver() {
	ctx, cancel := context.WithCancel(m.t.Context())
	conn, err := m.connect(m.t.Context())
	check(m.t, err)
	s := NewSequencer(m.ledger, SequencerConfig{
		Publisher: m.log, Record: m.log.memory, BatchFacts: 1 + m.rand.IntN(12), Pause: time.Microsecond,
		Signing: &Signing{Keys: m.keys, Topic: m.log.heads, Every: time.Nanosecond},
	})
	m.all = append(m.all, s)
	m.log.die = cancel
	begun, err := s.begin(ctx, conn)
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, errTrouble) {
			m.t.Fatal(err)
		}
		m.did(fmt.Sprint("no term: ", err))
		m.log.wait()
		m.giveBack(conn)
		m.takeOver()
		return
	}
	if len(m.terms) > 1 {
		m.end(m.terms[0])
	}
	m.terms = append(m.terms[max(0, len(m.terms)-1):], &modelTerm{term: begun, ctx: ctx, cancel: cancel})
	m.tell()
}

// end ends a term as the loss of its connection does. It may publish as a zombie still.
func (m *model) end(t *modelTerm) {
	if t.over {
		return
	}
	t.over = true
	t.cancel()
	m.giveBack(t.conn)
}

func (t *modelTerm) number(m *model) {
	if len(t.waiting) > 0 || t.over {
		return
	}
	batch, err := t.numberNext(t.ctx)
	m.did(fmt.Sprintf("term %d numbers %d: %v", t.term.number, len(batch), err))
	if err != nil {
		if !errors.Is(err, errTermOver) && t.ctx.Err() == nil {
			m.t.Fatal(err)
		}
		m.end(t)
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
		m.end(t) // its batch stays: a zombie may send it once more
	}
}

// tell notes what callers were told by now: facts that Postgres calls published.
func (m *model) tell() {
	rows, err := m.pool.Query(m.t.Context(), `
		select f.id::text, n.seq from ledger.numbers n join ledger.facts f using (pos, idx)
		 where n.seq > $1 and n.seq <= (select through from ledger.published)`, m.newest)
	check(m.t, err)
	var fact id.Fact
	var seq int64
	_, err = pgx.ForEachRow(rows, []any{&fact, &seq}, func() error {
		if before, told := m.told[fact]; told && before != seq {
			m.t.Fatalf("fact %s was told to be %d, and now %d", fact, before, seq)
		}
		m.told[fact] = seq
		m.newest = max(m.newest, seq)
		return nil
	})
	check(m.t, err)
}

func (m *model) save() {
	m.did("save")
	check(m.t, m.copyTables(m.t.Context(), "ledger", "saved"))
	m.saved = true
}

// restore stops all sequencers, as an operator must, and brings the old state back.
func (m *model) restore() {
	m.did("restore")
	for _, t := range m.terms {
		m.end(t)
	}
	m.terms, m.newest = nil, 0
	check(m.t, m.copyTables(m.t.Context(), "saved", "ledger"))
	m.saved = false
	for range m.rand.IntN(4) {
		m.append() // somebody appends before a sequencer has looked
	}
	if m.rand.IntN(8) == 0 {
		m.rotate() // or goes over to another key
	}
	m.takeOver()
}

// lose takes the end off the partition, as a broker does that crashes without fsync. The
// zombies are gone with it; the newest sequencer goes on and has to notice.
func (m *model) lose() {
	m.did("lose")
	for len(m.terms) > 1 {
		m.end(m.terms[0])
		m.terms = m.terms[1:]
	}
	m.log.mu.Lock()
	defer m.log.mu.Unlock()
	m.log.entries = m.log.entries[:max(0, len(m.log.entries)-1-m.rand.IntN(6))]
	m.log.heads.entries = m.log.heads.entries[:max(0, len(m.log.heads.entries)-m.rand.IntN(3))]
	for _, r := range m.readers {
		r.lost = true
	}
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
	last.signAll(m)
	stored := m.checkRecord(last.head)
	m.checkTree(stored)
	m.checkHeads(stored)
	for _, r := range m.readers {
		r.finish(stored)
	}
}

// checkRecord looks at the record and at Postgres, and returns the facts' bytes in order.
func (m *model) checkRecord(head int64) (stored [][]byte) {
	src := NewReader(m.log.memory, Position{}, ReaderOptions{Patience: 10 * time.Millisecond})
	codec := NewCodec("", Facts(), nil)
	versions, seen := map[event.Stream]int64{}, map[id.Fact]int64{}
	requests, carried := map[id.Request]int64{}, map[id.Request]int64{}
	var rules followed
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
			rules.take(m.t, env)
			seen[env.ID], versions[env.Stream] = next, env.Version
			stored = append(stored, e.Body)
			next++
		}
	}
	for fact, seq := range m.told {
		if seen[fact] != seq {
			m.t.Errorf("fact %s was told to be %d and is %d", fact, seq, seen[fact])
		}
	}
	m.checkPostgres(stored, carried, versions)
	inForce, err := m.ledger.InForce(m.t.Context())
	check(m.t, err)
	if inForce != rules.revision {
		m.t.Errorf("Postgres has revision %d in force, and the record %d", inForce, rules.revision)
	}
	return stored
}

// checkPostgres compares Postgres with the record.
func (m *model) checkPostgres(stored [][]byte, carried map[id.Request]int64, versions map[event.Stream]int64) {
	rows, err := m.pool.Query(m.t.Context(), "select f.body from ledger.numbers n join ledger.facts f using (pos, idx) order by n.seq")
	check(m.t, err)
	bodies, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	check(m.t, err)
	if !slices.EqualFunc(bodies, stored, slices.Equal) {
		m.t.Error("Postgres has other facts than the record")
	}
	rows, err = m.pool.Query(m.t.Context(), "select request, count(*) from ledger.requests join ledger.facts using (pos) group by request")
	check(m.t, err)
	answers := map[id.Request]int64{}
	var request id.Request
	var facts int64
	_, err = pgx.ForEachRow(rows, []any{&request, &facts}, func() error { answers[request] = facts; return nil })
	check(m.t, err)
	for r, facts := range carried { // a repetition gets all of the first answer
		if answers[r] != facts {
			m.t.Errorf("request %s gets %d facts, and was carried out with %d", r, answers[r], facts)
		}
	}
	var got modelState
	check(m.t, m.pool.QueryRow(m.t.Context(), `
		select (select count(*) from ledger.facts), (select count(*) from ledger.numbers),
		       (select through from ledger.published), (select seq from ledger.head),
		       (select count(*) from ledger.queue), (select sum(version)::bigint from ledger.streams),
		       -- An append's facts stand next to each other, whatever became of it.
		       (select count(*) from (select from ledger.numbers group by pos having max(seq) - min(seq) <> count(*) - 1) apart)`,
	).Scan(&got.facts, &got.numbers, &got.through, &got.head, &got.queued, &got.versions, &got.apart))
	n := int64(len(stored))
	if want := (modelState{facts: n, numbers: n, through: n, head: n, versions: sum(maps.Values(versions))}); got != want {
		m.t.Errorf("Postgres has %+v, want %+v", got, want)
	}
}

// modelState is what Postgres has in the end.
type modelState struct{ facts, numbers, through, head, queued, versions, apart int64 }

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
	heads *memory // the topic of checkpoints
	rand  *rand.Rand
	die   context.CancelFunc // ends the sequencer that publishes
	well  bool               // no more faults
	busy  sync.Mutex         // held while it publishes
	work  []string           // what the processors got
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
	to := f.memory
	if topic == TopicCheckpoints {
		to = f.heads
	}
	if f.well {
		keep(to, messages)
		return nil
	}
	if f.rand.IntN(8) == 0 {
		f.die()
	}
	switch n := f.rand.IntN(100); {
	case n < 55:
		keep(to, messages)
		return nil
	case n < 70: // stored, and the acknowledgement lost
		keep(to, messages)
	case n < 80: // the beginning
		keep(to, messages[:f.rand.IntN(len(messages)+1)])
	case n < 95: // the end
		keep(to, messages[f.rand.IntN(len(messages)+1):])
	}
	return errTrouble
}

func keep(to *memory, messages []*message.Message) {
	for _, m := range messages {
		seq, err := strconv.ParseInt(m.Metadata.Get(MetaSeq), 10, 64)
		if err != nil {
			panic(err)
		}
		m.Metadata.Set(MetaOffset, strconv.FormatInt(to.end(), 10))
		to.store(seq, m.Payload)
	}
}

// wait returns when nothing is being published, as after the death of who published.
func (f *faulty) wait() {
	f.busy.Lock()
	defer f.busy.Unlock()
}

func (f *faulty) Close() error { return nil }
