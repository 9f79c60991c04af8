package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/usecase"
)

var (
	_ usecase.KeyStore = (*Vault)(nil)
	_ usecase.DueKeys  = (*Vault)(nil)
)

// LiveKeys implements [usecase.KeyStore].
func (v *Vault) LiveKeys(ctx context.Context, after personal.KeyID, limit int) ([]usecase.LiveKey, error) {
	rows, err := v.pool.Query(ctx, `
		select id, clock_timestamp() - made_at
		from vault.keys
		where wrapped is not null and id > $1
		order by id
		limit $2`, string(after), limit)
	if err != nil {
		return nil, unavailable("list live keys", err)
	}
	keys, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (k usecase.LiveKey, err error) {
		var id string
		err = r.Scan(&id, &k.Age)
		k.ID = personal.KeyID(id)
		return k, err
	})
	if err != nil {
		return nil, unavailable("list live keys", err)
	}
	return keys, nil
}

// Alive implements [usecase.KeyStore].
func (v *Vault) Alive(ctx context.Context, keys []personal.KeyID) ([]personal.KeyID, error) {
	rows, err := v.pool.Query(ctx, `
		select id
		from vault.keys
		where id = any ($1) and wrapped is not null
		order by id`, texts(keys))
	if err != nil {
		return nil, unavailable("look for live keys", err)
	}
	alive, err := pgx.CollectRows(rows, pgx.RowTo[personal.KeyID])
	if err != nil {
		return nil, unavailable("look for live keys", err)
	}
	return alive, nil
}

// Bury implements [usecase.KeyStore].
func (v *Vault) Bury(ctx context.Context, graves []usecase.Grave) (int, error) {
	ids, kinds := make([]string, len(graves)), make([]string, len(graves))
	times, why := make([]time.Time, len(graves)), make([]string, len(graves))
	for i, g := range graves {
		ids[i], kinds[i], times[i], why[i] = string(g.ID), system.KeyKind(g.ID), g.At, g.Why
	}
	buried, err := v.pool.Exec(ctx, `
		insert into vault.keys (id, kind, destroyed_at, destroyed_why)
		select id, kind, at, why
		from unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[]) g (id, kind, at, why)
		on conflict (id) do nothing`, ids, kinds, times, why)
	if err != nil {
		return 0, unavailable("make tombstones", err)
	}
	return int(buried.RowsAffected()), nil
}

// EndForgotten implements [usecase.KeyStore].
func (v *Vault) EndForgotten(ctx context.Context, keys []personal.KeyID, why string) (int, error) {
	if len(keys) == 0 {
		return 0, nil
	}
	for _, id := range keys {
		v.cache.bar(id)
	}
	ended, err := v.pool.Exec(ctx, `
		update vault.keys
		set wrapped = null, destroyed_at = clock_timestamp(), destroyed_why = $2
		where id = any ($1) and wrapped is not null`, texts(keys), why)
	if err != nil {
		return 0, unavailable("end forgotten keys", err)
	}
	return int(ended.RowsAffected()), nil
}

// Compared implements [usecase.KeyStore].
func (v *Vault) Compared(ctx context.Context) (seq int64, err error) {
	if err := v.pool.QueryRow(ctx, `select seq from vault.compared`).Scan(&seq); err != nil {
		return 0, unavailable("ask what was compared", err)
	}
	return seq, nil
}

// SetCompared implements [usecase.KeyStore]. Another process may have come further.
func (v *Vault) SetCompared(ctx context.Context, seq int64) error {
	if _, err := v.pool.Exec(ctx, `update vault.compared set seq = greatest(seq, $1)`, seq); err != nil {
		return unavailable("keep what was compared", err)
	}
	return nil
}

// DueKeys implements [usecase.DueKeys].
func (v *Vault) DueKeys(ctx context.Context, now time.Time, limit int, but ...string) ([]usecase.DueKey, error) {
	if but == nil {
		but = []string{}
	}
	rows, err := v.pool.Query(ctx, `
		select id, kind, due_at
		from vault.keys
		where wrapped is not null and due_at <= $1 and kind <> all ($3::text[])
		order by due_at, id
		limit $2`, now, limit, but)
	if err != nil {
		return nil, unavailable("list due keys", err)
	}
	due, err := pgx.CollectRows(rows, pgx.RowToStructByPos[usecase.DueKey])
	if err != nil {
		return nil, unavailable("list due keys", err)
	}
	return due, nil
}
