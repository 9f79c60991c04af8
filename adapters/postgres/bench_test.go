package postgres

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/internal/embedded/embeddedtest"
)

// What the life of a picture costs the vault: its key is made, locked and destroyed, each in a
// transaction. Beside it, turn by turn, the same with plain statements on a table without roles,
// functions and further indexes, as a superuser: what the vault takes more is the price of
// keeping appends away from keys. Waiting for the disk, which is most of a transaction, is left out.
func BenchmarkKeyTransactions(b *testing.B) {
	dsn := embeddedtest.StartPostgres(b, map[string]string{"synchronous_commit": "off"}).DSN()
	d, err := Connect(b.Context(), Access{DSN: dsn, Own: true})
	must(b, err)
	b.Cleanup(d.Close)
	must(b, Migrate(b.Context(), d))
	v := newVault(b, d)
	bare := newBare(b, dsn, v.Vault)
	ctx := b.Context()
	lives := []struct {
		pool  *pgxpool.Pool
		steps []func(tx pgx.Tx, k *key) error
		took  []time.Duration
	}{
		{pool: bare.pool, steps: []func(pgx.Tx, *key) error{bare.make, bare.lock, bare.destroy}},
		{pool: d.App, steps: []func(pgx.Tx, *key) error{
			func(tx pgx.Tx, k *key) error { return v.Make(ctx, tx, k) },
			func(tx pgx.Tx, k *key) error { return v.Lock(ctx, tx, []personal.KeyID{k.id}) },
			func(tx pgx.Tx, k *key) error { return v.Destroy(ctx, tx, k.id, "image.deleted") },
		}},
	}
	for n := 0; b.Loop(); n++ {
		made, err := v.New(personal.KeyID(fmt.Sprintf("image/%012d", n)))
		must(b, err)
		for i := range lives {
			life := &lives[(n+i)%2]
			began := time.Now()
			for _, step := range life.steps {
				must(b, pgx.BeginFunc(ctx, life.pool, func(tx pgx.Tx) error { return step(tx, made.(*key)) }))
			}
			life.took = append(life.took, time.Since(began))
		}
	}
	took := func(i int) float64 {
		slices.Sort(lives[i].took)
		return float64(lives[i].took[len(lives[i].took)/2].Microseconds())
	}
	b.ReportMetric(took(0), "bare-µs/key")
	b.ReportMetric(took(1), "vault-µs/key")
	b.ReportMetric(took(1)/took(0), "vault/bare")
}

// bare keeps keys in a table, as a superuser.
type bare struct {
	pool  *pgxpool.Pool
	vault *Vault
}

func newBare(b *testing.B, dsn string, v *Vault) bare {
	b.Helper()
	pool, err := pgxpool.New(b.Context(), dsn)
	must(b, err)
	b.Cleanup(pool.Close)
	_, err = pool.Exec(b.Context(), `
		create schema bare;
		create table bare.keys (
			id text primary key, kind text not null, wrapped bytea,
			made_at timestamptz not null default clock_timestamp(), destroyed_at timestamptz, destroyed_why text,
			constraint tombstone check ((wrapped is null) = (destroyed_at is not null) and (wrapped is null) = (destroyed_why is not null))
		) with (fillfactor = 80, autovacuum_vacuum_threshold = 100, autovacuum_vacuum_scale_factor = 0)`)
	must(b, err)
	return bare{pool, v}
}

func (b bare) make(tx pgx.Tx, k *key) error {
	wrapped, err := b.vault.wrapping.Load().wrap(k.secret, keyContext(k.id))
	if err != nil {
		return err
	}
	_, err = tx.Exec(context.Background(), `insert into bare.keys (id, kind, wrapped) values ($1, $2, $3) on conflict (id) do nothing`,
		string(k.id), "image", wrapped)
	return err
}

func (bare) lock(tx pgx.Tx, k *key) error {
	var live bool
	return tx.QueryRow(context.Background(), `select wrapped is not null from bare.keys where id = any ($1) order by id for share`,
		[]string{string(k.id)}).Scan(&live)
}

func (bare) destroy(tx pgx.Tx, k *key) error {
	var known bool
	return tx.QueryRow(context.Background(), `
		with destroyed as (
			update bare.keys
			set wrapped = null, destroyed_at = clock_timestamp(), destroyed_why = $2
			where id = $1 and wrapped is not null
		)
		select exists (select from bare.keys where id = $1)`, string(k.id), "image.deleted").Scan(&known)
}
