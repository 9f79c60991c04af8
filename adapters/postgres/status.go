package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/bgremover/bgremover/internal/usecase"
)

// Status tells what the vault holds.
func (v *Vault) Status(ctx context.Context) (usecase.VaultStatus, error) {
	var s usecase.VaultStatus
	err := pgx.BeginTxFunc(ctx, v.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		wrappers, err := tx.Query(ctx, `
			select w.id, w.made_at, w.retired_at, w.destroyed_at,
			       (select count(*) from vault.keys k where k.wrapped is not null and vault.wrapper(k.wrapped) = w.id)
			     + (select count(*) from vault.secrets s where vault.wrapper(s.wrapped) = w.id)
			from vault.wrappers w
			order by w.made_at, w.id`)
		if err != nil {
			return err
		}
		s.Wrapping, err = pgx.CollectRows(wrappers, func(r pgx.CollectableRow) (k usecase.WrappingKey, err error) {
			var retired, destroyed pgtype.Timestamptz
			err = r.Scan(&k.ID, &k.Made, &retired, &destroyed, &k.Wraps)
			k.Retired, k.Destroyed = retired.Time, destroyed.Time
			return k, err
		})
		if err != nil {
			return err
		}
		kinds, err := tx.Query(ctx, `
			select kind, count(*) filter (where wrapped is not null), count(*) filter (where wrapped is null),
			       min(due_at) filter (where wrapped is not null)
			from vault.keys
			group by kind
			order by kind`)
		if err != nil {
			return err
		}
		s.Kinds, err = pgx.CollectRows(kinds, func(r pgx.CollectableRow) (k usecase.KeyKind, err error) {
			var due pgtype.Timestamptz
			err = r.Scan(&k.Kind, &k.Live, &k.Destroyed, &due)
			k.Due = due.Time
			return k, err
		})
		if err != nil {
			return err
		}
		return tx.QueryRow(ctx, `select count(*), (select seq from vault.compared) from vault.secrets`).Scan(&s.Secrets, &s.Compared)
	})
	if err != nil {
		return usecase.VaultStatus{}, unavailable("ask for the vault's status", err)
	}
	return s, nil
}
