package postgres

import (
	"context"
	_ "embed" // schema.sql, vault.sql
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

//go:embed schema.sql
var workSQL string

//go:embed vault.sql
var vaultSQL string

// Migrate makes the tables of this package that are missing. Several processes may do
// that at once.
func Migrate(ctx context.Context, d *Database) error {
	if err := migrate(ctx, d.App, workSQL); err != nil {
		return fmt.Errorf("make the tables: %w", err)
	}
	var app string
	if err := d.App.QueryRow(ctx, `select current_user`).Scan(&app); err != nil {
		return fmt.Errorf("ask for the role: %w", err)
	}
	role := pgx.Identifier{app}.Sanitize()
	err := migrate(ctx, d.vault, vaultSQL, "grant usage on schema vault to "+role,
		"grant execute on function vault.make, vault.lock, vault.destroy to "+role)
	if err != nil {
		return fmt.Errorf("make the vault's tables: %w", err)
	}
	return d.checkApart(ctx)
}

func migrate(ctx context.Context, pool *pgxpool.Pool, all ...string) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if err := lockByName(ctx, tx, "migrate"); err != nil {
			return err
		}
		for _, sql := range all {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		return nil
	})
}

// ErrNotApart says that whoever reads pictures' names for a page could read all keys.
var ErrNotApart = errors.New("the login has the vault's rights at all times")

// checkApart makes sure that connections which are not the vault's have no right on its tables.
func (d *Database) checkApart(ctx context.Context) error {
	var app string
	var may bool
	err := d.App.QueryRow(ctx, `
		select current_user, coalesce(bool_or(
		           has_any_column_privilege(c.oid, 'select') or has_any_column_privilege(c.oid, 'insert')
		        or has_any_column_privilege(c.oid, 'update') or has_table_privilege(c.oid, 'delete, truncate')), false)
		  from pg_class c
		 where c.relnamespace = 'vault'::regnamespace and c.relkind = 'r'`).Scan(&app, &may)
	if err != nil {
		return fmt.Errorf("ask what the login may do: %w", err)
	}
	if may {
		return fmt.Errorf("%w; have an administrator of the database run\n\n    grant %s to %s with inherit false, set true;\n\nand start again",
			ErrNotApart, vaultRole, pgx.Identifier{app}.Sanitize())
	}
	return nil
}

// lockByName waits for a lock that lasts as long as the transaction.
func lockByName(ctx context.Context, tx pgx.Tx, name string) error {
	_, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtextextended('bgremover ' || $1, 0))`, name)
	return err
}
