package postgres

import (
	"context"
	_ "embed" // schema.sql
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

//go:embed schema.sql
var schema string

// Migrate makes the tables of this package that are missing. Several processes may do
// that at once.
func Migrate(ctx context.Context, pool *pgxpool.Pool) error {
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if err := lockByName(ctx, tx, "migrate"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, schema)
		return err
	})
	if err != nil {
		return fmt.Errorf("make the vault's tables: %w", err)
	}
	return nil
}

// lockByName waits for a lock that lasts as long as the transaction.
func lockByName(ctx context.Context, tx pgx.Tx, name string) error {
	_, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtextextended('bgremover ' || $1, 0))`, name)
	return err
}
