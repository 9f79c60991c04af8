package ledger

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/system"
)

// What the record says of keys, for whoever compares the vault with it. It is answered from
// the index in Postgres, by the names of streams and by numbers. Nothing personal is opened.

// Destroyed returns the facts that say that keys were destroyed, of those keys: at most one for
// each. Facts that wait for their numbers count.
func (l *Ledger) Destroyed(ctx context.Context, keys []personal.KeyID) ([]event.Envelope, error) {
	asked := make(map[personal.KeyID]bool, len(keys))
	streams := make([]string, len(keys))
	for i, key := range keys {
		asked[key], streams[i] = true, string(system.VaultStream(key))
	}
	found, err := l.destructions(ctx, `
		select 0, f.body
		  from ledger.facts f
		 where f.stream = any($1)
		 order by f.stream, f.version`, streams)
	if err != nil {
		return nil, l.failed("ask which keys are destroyed", err)
	}
	first := found[:0]
	for _, env := range found {
		// Another kind of key may have the same random name, and so the same stream.
		if key := env.Fact.(system.KeyDestroyed).Key; asked[key] {
			asked[key] = false
			first = append(first, env)
		}
	}
	return first, nil
}

// DestroyedIn returns, of the facts after a seq up to another, those that say that a key was
// destroyed, in order. The caller knows that they are published.
func (l *Ledger) DestroyedIn(ctx context.Context, after, through int64) ([]event.Envelope, error) {
	found, err := l.destructions(ctx, `
		select n.seq, f.body
		  from ledger.numbers n join ledger.facts f using (pos, idx)
		 where n.seq > $1 and n.seq <= $2 and starts_with(f.stream, 'vault/')
		 order by n.seq`, after, through)
	if err != nil {
		return nil, l.failed("list destroyed keys", err)
	}
	return found, nil
}

func (l *Ledger) destructions(ctx context.Context, sql string, args ...any) ([]event.Envelope, error) {
	rows, err := l.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	sealed := NewCodec(l.codec.source, l.codec.facts, nil)
	var found []event.Envelope
	var seq int64
	var body []byte
	_, err = pgx.ForEachRow(rows, []any{&seq, &body}, func() error {
		env, err := sealed.Decode(ctx, seq, body)
		if err != nil {
			return fmt.Errorf("fact %d: %w", seq, err)
		}
		if _, ok := env.Fact.(system.KeyDestroyed); ok {
			found = append(found, env)
		}
		return nil
	})
	return found, err
}

// Unheard returns those of the streams of which no fact is known, neither published nor queued.
func (l *Ledger) Unheard(ctx context.Context, streams []event.Stream) ([]event.Stream, error) {
	names := make([]string, len(streams))
	for i, s := range streams {
		names[i] = string(s)
	}
	rows, err := l.pool.Query(ctx, `
		select asked
		  from unnest($1::text[]) asked
		 where not exists (select from ledger.facts f where f.stream = asked)`, names)
	if err != nil {
		return nil, l.failed("look for streams", err)
	}
	unheard, err := pgx.CollectRows(rows, pgx.RowTo[event.Stream])
	if err != nil {
		return nil, l.failed("look for streams", err)
	}
	return unheard, nil
}
