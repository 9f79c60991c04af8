package ledger

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// adoption is what is in Kafka and not numbered in Postgres: either Postgres was restored
// from an older state, or it lost its last moments. The facts follow on the head.
type adoption struct {
	entries []Entry
	headers []header
	ids     []pgtype.UUID
	facts   []numbered // the same, with the positions they have or get in Postgres
	unknown []int      // indexes of those that Postgres does not have
	rules   activations
}

func newAdoption(found []Entry) (*adoption, error) {
	a := &adoption{entries: found, facts: make([]numbered, len(found)), ids: make([]pgtype.UUID, len(found))}
	for i, e := range found {
		h, _, err := readEnvelope(e.Body)
		if err == nil {
			err = a.ids[i].Scan(string(h.id))
		}
		if err != nil {
			return nil, fmt.Errorf("ledger: what stands at offset %d is not ours (%w): %w", e.Offset, err, ErrFork)
		}
		if err := a.rules.note(i, h, e); err != nil {
			return nil, err
		}
		a.headers = append(a.headers, h)
		a.facts[i] = numbered{announcement: announcement{seq: e.Seq, stream: h.stream, version: h.version}, body: e.Body}
	}
	return a, nil
}

// adopt takes into Postgres what Kafka has: Kafka wins over what is not numbered.
func (t *term) adopt(ctx context.Context, found []Entry) error {
	a, err := newAdoption(found)
	if err != nil {
		return err
	}
	var displaced int
	err = t.change(ctx, func(tx pgx.Tx) (int, error) {
		if err := a.rules.hold(ctx, tx); err != nil {
			return 0, err
		}
		// Whoever appends waits: what is adopted may claim the version that it wants.
		if _, err := tx.Exec(ctx, "lock table ledger.streams in exclusive mode"); err != nil {
			return 0, err
		}
		if err := a.match(ctx, tx); err != nil {
			return 0, err
		}
		if displaced, err = a.displace(ctx, tx); err != nil {
			return 0, err
		}
		if err := a.insert(ctx, tx); err != nil {
			return 0, err
		}
		give := &pgx.Batch{}
		t.give(give, a.facts)
		return len(a.facts), tx.SendBatch(ctx, give).Close()
	})
	if err != nil {
		return fmt.Errorf("adopt facts %d to %d: %w", found[0].Seq, found[len(found)-1].Seq, err)
	}
	t.counts.Adopted.Add(int64(len(found)))
	t.counts.Displaced.Add(int64(displaced))
	t.Log.WarnContext(ctx, "adopted what Kafka had and Postgres had not numbered",
		slog.Int64("from", found[0].Seq), slog.Int("facts", len(found)),
		slog.Int("unknown", len(a.unknown)), slog.Int("displaced_appends", displaced))
	return nil
}

// match finds by their ids the facts that Postgres has.
func (a *adoption) match(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `
		select f.id, f.pos, f.idx, f.body, n.seq
		  from ledger.facts f left join ledger.numbers n using (pos, idx)
		 where f.id = any($1)`, a.ids)
	if err != nil {
		return err
	}
	type row struct {
		ID   pgtype.UUID
		Pos  int64
		Idx  int32
		Body []byte
		Seq  *int64
	}
	known, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
	if err != nil {
		return err
	}
	byID := make(map[pgtype.UUID]row, len(known))
	for _, k := range known {
		byID[k.ID] = k
	}
	for i := range a.facts {
		k, has := byID[a.ids[i]]
		switch n := &a.facts[i]; {
		case !has:
			a.unknown = append(a.unknown, i)
		case k.Seq != nil:
			return fmt.Errorf("ledger: the fact with number %d in Kafka has number %d in Postgres: %w", n.seq, *k.Seq, ErrFork)
		case !bytes.Equal(k.Body, n.body):
			return fmt.Errorf("ledger: fact %d has other bytes in Kafka than in Postgres: %w", n.seq, ErrFork)
		default:
			n.pos, n.idx = k.Pos, k.Idx
		}
	}
	return nil
}

// displace removes queued appends that cannot be any more: they claim a version that an
// unknown fact has, or repeat its request, or rest on rules that one replaced or that nothing ever activated, or
// follow on an append that is removed, or rest on rules that it activated. Their callers wait, and learn it.
func (a *adoption) displace(ctx context.Context, tx pgx.Tx) (int, error) {
	if len(a.unknown) == 0 {
		return 0, nil
	}
	var streams, requests []string
	var versions []int64
	for _, i := range a.unknown {
		h := a.headers[i]
		streams, versions = append(streams, string(h.stream)), append(versions, h.version)
		if h.cause.Request != "" {
			requests = append(requests, string(h.cause.Request))
		}
	}
	rows, err := tx.Query(ctx, `
		with recursive gone (pos) as (
		      select f.pos
		        from unnest($1::text[], $2::bigint[]) c (stream, version)
		        join ledger.facts f on f.stream = c.stream and f.version >= c.version
		        join ledger.queue q on q.pos = f.pos
		       union
		      select q.pos from ledger.requests r join ledger.queue q using (pos) where r.request = any($3)
		       union
		      -- What rests on other rules than those that come before it now, or would activate older ones.
		      select q.pos
		        from ledger.queue q
		        left join ledger.activations a using (pos)
		       where (q.rests_on < $4 or a.revision <= $4
		              or q.rests_on > $4 and not exists (select from ledger.activations b where b.revision = q.rests_on))
		         and q.pos <> all($5)
		         and not exists (select from ledger.numbers n where n.pos = q.pos)
		       union
		      select later.pos
		        from gone
		       cross join lateral (
		             select q.pos
		               from ledger.facts f
		               join ledger.facts later on later.stream = f.stream and later.version > f.version
		               join ledger.queue q on q.pos = later.pos
		              where f.pos = gone.pos
		              union all
		             select q.pos
		               from ledger.activations a
		               join ledger.queue q on q.rests_on = a.revision
		              where a.pos = gone.pos) later)
		select pos, exists (select from ledger.numbers n where n.pos = gone.pos) from gone order by pos`,
		streams, versions, requests, a.rules.newest(a.unknown), a.places())
	if err != nil {
		return 0, err
	}
	var gone []int64
	var pos int64
	var partly bool
	_, err = pgx.ForEachRow(rows, []any{&pos, &partly}, func() error {
		if partly || slices.ContainsFunc(a.facts, func(n numbered) bool { return n.pos == pos }) {
			return fmt.Errorf("ledger: an append that is in Kafka rests on facts that are not: %w", ErrFork)
		}
		gone = append(gone, pos)
		return nil
	})
	if err != nil || len(gone) == 0 {
		return 0, err
	}
	batch := &pgx.Batch{}
	batch.Queue(`
		with removed as (delete from ledger.facts where pos = any($1) returning stream)
		update ledger.streams s
		   set version = coalesce((select max(f.version) from ledger.facts f where f.stream = s.stream and f.pos <> all($1)), 0)
		 where s.stream in (select stream from removed)`, gone)
	batch.Queue("delete from ledger.queue where pos = any($1)", gone)
	batch.Queue("delete from ledger.requests where pos = any($1)", gone)
	batch.Queue("delete from ledger.activations where pos = any($1)", gone)
	batch.Queue("delete from ledger.streams where version = 0")
	return len(gone), tx.SendBatch(ctx, batch).Close()
}

// insert stores the unknown facts. Those of one request that follow each other were one append.
func (a *adoption) insert(ctx context.Context, tx pgx.Tx) error {
	if len(a.unknown) == 0 {
		return nil
	}
	if err := a.place(ctx, tx); err != nil {
		return err
	}
	var positions, versions []int64
	var idxs []int32
	var ids []pgtype.UUID
	var streams, requests []string
	var bodies [][]byte
	var times []time.Time
	for _, i := range a.unknown {
		n, h := a.facts[i], a.headers[i]
		positions, idxs, ids = append(positions, n.pos), append(idxs, n.idx), append(ids, a.ids[i])
		streams, versions, bodies = append(streams, string(n.stream)), append(versions, n.version), append(bodies, n.body)
		requests, times = append(requests, string(h.cause.Request)), append(times, h.at)
	}
	batch := &pgx.Batch{}
	batch.Queue(`
		insert into ledger.facts (pos, idx, id, stream, version, body)
		select * from unnest($1::bigint[], $2::int[], $3::uuid[], $4::text[], $5::bigint[], $6::bytea[])`,
		positions, idxs, ids, streams, versions, bodies)
	batch.Queue(`
		insert into ledger.streams (stream, version)
		select stream, max(version) from unnest($1::text[], $2::bigint[]) f (stream, version) group by stream
		on conflict (stream) do update set version = greatest(streams.version, excluded.version)`, streams, versions)
	batch.Queue(`
		insert into ledger.requests (request, pos, at)
		select distinct on (request) request, pos, at
		  from unnest($1::text[], $2::bigint[], $3::timestamptz[]) f (request, pos, at)
		 where request <> ''
		 order by request, pos
		on conflict do nothing`, requests, positions, times)
	a.rules.insert(batch, a.unknown, a.facts)
	err := tx.SendBatch(ctx, batch).Close()
	if isUnique(err, "facts_version") {
		return fmt.Errorf("ledger: Kafka and Postgres have different facts in the same place of a stream (%w): %w", err, ErrFork)
	}
	return err
}

// place gives the unknown facts positions. One that goes on with the request of the fact
// before it goes on in its append, even if that stands in an earlier page.
func (a *adoption) place(ctx context.Context, tx pgx.Tx) error {
	before, err := a.previous(ctx, tx)
	if err != nil {
		return err
	}
	free, err := drawPositions(ctx, tx, len(a.unknown)) // those that are not needed leave holes
	if err != nil {
		return err
	}
	for _, i := range a.unknown {
		n, request := &a.facts[i], a.headers[i].cause.Request
		if i > 0 {
			before = lastFact{pos: a.facts[i-1].pos, idx: a.facts[i-1].idx, request: string(a.headers[i-1].cause.Request)}
		}
		if request != "" && before.request == string(request) {
			n.pos, n.idx = before.pos, before.idx+1
			continue
		}
		n.pos, free = free[0], free[1:]
	}
	return nil
}

func drawPositions(ctx context.Context, tx pgx.Tx, n int) ([]int64, error) {
	rows, err := tx.Query(ctx, "select nextval('ledger.position') from generate_series(1, $1)", n)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int64])
}

// lastFact is the fact before an unknown one.
type lastFact struct {
	pos     int64
	idx     int32
	request string
}

// previous returns the fact that the record has before these.
func (a *adoption) previous(ctx context.Context, tx pgx.Tx) (lastFact, error) {
	var f lastFact
	var body []byte
	rows, err := tx.Query(ctx, `
		select f.pos, f.idx, f.body
		  from ledger.numbers n join ledger.facts f using (pos, idx)
		 where n.seq = $1`, a.entries[0].Seq-1)
	if err != nil {
		return f, err
	}
	if _, err = pgx.ForEachRow(rows, []any{&f.pos, &f.idx, &body}, func() error { return nil }); err != nil || body == nil {
		return f, err
	}
	h, _, err := readEnvelope(body)
	if err != nil {
		return f, fmt.Errorf("ledger: fact %d in Postgres is not ours (%w): %w", a.entries[0].Seq-1, err, ErrFork)
	}
	f.request = string(h.cause.Request)
	return f, nil
}

// complete gives numbers to what is left of appends that are in Kafka in part: they come
// before everything else that is queued.
func (t *term) complete(ctx context.Context) error {
	return t.change(ctx, func(tx pgx.Tx) (int, error) {
		// Laterally, because statistics may take an empty queue for a full one, and then all facts
		// would be looked at.
		rows, err := tx.Query(ctx, `
			select f.pos, f.idx, f.id, f.stream, f.version, f.body
			  from ledger.queue q
			 cross join lateral (select from ledger.numbers n where n.pos = q.pos limit 1) begun
			 cross join lateral (
			       select *
			         from ledger.facts f
			        where f.pos = q.pos
			          and not exists (select from ledger.numbers n where n.pos = f.pos and n.idx = f.idx)
			       offset 0) f
			 order by f.pos, f.idx`)
		if err != nil {
			return 0, err
		}
		rest, err := pgx.CollectRows(rows, scanFact)
		if err != nil || len(rest) == 0 {
			return 0, err
		}
		give := &pgx.Batch{}
		t.give(give, rest)
		return len(rest), tx.SendBatch(ctx, give).Close()
	})
}
