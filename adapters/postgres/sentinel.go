package postgres

import (
	"context"
	_ "embed" // sentinel.sql
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/internal/usecase"
)

// sentinelRole may read the views that it was granted, and which keys are alive; no key, and
// nothing else. Its transactions are read-only besides.
const sentinelRole = "bgremover_sentinel"

// sentinel.sql makes what is missing and reports what may not be made.
//
//go:embed sentinel.sql
var sentinelSQL string

// Sentinel is the database as the sentinel sees it.
type Sentinel struct {
	// Pool has connections that work as the sentinel's role.
	Pool *pgxpool.Pool
	d    *Database
	keys usecase.HeldKeys // nil where the role sees them itself
}

var _ usecase.HeldKeys = (*Sentinel)(nil)

// sentinelConns are enough for one audit.
const sentinelConns = 2

// ErrNoSentinelRole says what somebody with more rights has to do. The text that it comes in holds the SQL.
var ErrNoSentinelRole = errors.New("the database lacks the sentinel's role, and this login may not make it")

// OpenSentinel makes the sentinel's role, if it is not there, and opens its connections. Close its
// pool before the database.
func OpenSentinel(ctx context.Context, d *Database) (*Sentinel, error) {
	c := d.vault.Config()
	c.ConnConfig.AfterConnect = nil // as whoever logs in
	conn, err := pgx.ConnectConfig(ctx, c.ConnConfig)
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer closeSoon(ctx, conn)
	err = repeatedly(func() error { _, err := conn.Exec(ctx, sentinelSQL); return err })
	if denied, ok := errors.AsType[*pgconn.PgError](err); ok && denied.Code == "42501" {
		return nil, fmt.Errorf("%w (%s); have an administrator of the database run\n\n    create role %[3]s nologin;\n    grant %[3]s to %[4]s with inherit false, set true;\n\nand start again",
			ErrNoSentinelRole, denied.Message, sentinelRole, pgx.Identifier{c.ConnConfig.User}.Sanitize())
	}
	if err != nil {
		return nil, fmt.Errorf("make the role %s: %w", sentinelRole, err)
	}
	c.MaxConns = sentinelConns
	c.ConnConfig.AfterConnect = become(sentinelRole)
	c.ConnConfig.RuntimeParams["default_transaction_read_only"] = "on"
	pool, err := open(ctx, c)
	if err != nil {
		return nil, err
	}
	return &Sentinel{Pool: pool, d: d}, nil
}

// SentinelWithoutRole is for a database that lacks the role: it looks by the connections that
// everybody uses, and by the vault. They are closed with the database.
func SentinelWithoutRole(d *Database, v *Vault) *Sentinel {
	return &Sentinel{Pool: d.App, d: d, keys: v}
}

// Grant lets the sentinel read all tables of some schemas of the service, and which keys are alive. What
// it may read already stays as it is; a view that was made anew needs it again.
func (s *Sentinel) Grant(ctx context.Context, schemas ...string) error {
	if s.keys != nil {
		return nil
	}
	err := pgx.BeginFunc(ctx, s.d.App, func(tx pgx.Tx) error {
		if err := lockByName(ctx, tx, "grant to the sentinel"); err != nil {
			return err
		}
		return grantSchemas(ctx, tx, schemas)
	})
	if err != nil {
		return unavailable("let the sentinel read views", err)
	}
	err = pgx.BeginFunc(ctx, s.d.vault, func(tx pgx.Tx) error {
		if err := lockByName(ctx, tx, "grant to the sentinel"); err != nil {
			return err
		}
		var may bool
		err := tx.QueryRow(ctx, `
			select has_schema_privilege($1, 'vault', 'usage') and has_table_privilege($1, 'vault.live_keys', 'select')`, sentinelRole).Scan(&may)
		if err != nil || may {
			return err
		}
		_, err = tx.Exec(ctx, `grant usage on schema vault to `+sentinelRole+`; grant select on vault.live_keys to `+sentinelRole)
		return err
	})
	if err != nil {
		return unavailable("let the sentinel see which keys are alive", err)
	}
	return nil
}

func grantSchemas(ctx context.Context, tx pgx.Tx, schemas []string) error {
	rows, err := tx.Query(ctx, `
		select n.nspname, c.relname
		  from pg_class c
		  join pg_namespace n on n.oid = c.relnamespace
		 where n.nspname = any ($1) and c.relkind in ('r', 'p', 'v')
		   and not (has_schema_privilege($2, n.oid, 'usage') and has_table_privilege($2, c.oid, 'select'))
		 order by 1, 2`, schemas, sentinelRole)
	if err != nil {
		return err
	}
	missing, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Schema, Table string }])
	if err != nil {
		return err
	}
	for _, m := range missing {
		_, err := tx.Exec(ctx, fmt.Sprintf(`grant usage on schema %s to %s; grant select on table %s to %[2]s`,
			pgx.Identifier{m.Schema}.Sanitize(), sentinelRole, pgx.Identifier{m.Schema, m.Table}.Sanitize()))
		if err != nil {
			return err
		}
	}
	return nil
}

// LiveKeys implements [usecase.HeldKeys].
func (s *Sentinel) LiveKeys(ctx context.Context, after personal.KeyID, limit int) ([]usecase.LiveKey, error) {
	if s.keys != nil {
		return s.keys.LiveKeys(ctx, after, limit)
	}
	rows, err := s.Pool.Query(ctx, `
		select id, clock_timestamp() - made_at
		  from vault.live_keys
		 where id > $1
		 order by id
		 limit $2`, string(after), limit)
	if err != nil {
		return nil, unavailable("list live keys", err)
	}
	keys, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (k usecase.LiveKey, err error) {
		err = r.Scan(&k.ID, &k.Age)
		return k, err
	})
	if err != nil {
		return nil, unavailable("list live keys", err)
	}
	return keys, nil
}

// Alive implements [usecase.AliveKeys].
func (s *Sentinel) Alive(ctx context.Context, keys []personal.KeyID) ([]personal.KeyID, error) {
	if s.keys != nil {
		return s.keys.Alive(ctx, keys)
	}
	rows, err := s.Pool.Query(ctx, `select id from vault.live_keys where id = any ($1) order by id`, texts(keys))
	if err != nil {
		return nil, unavailable("look for live keys", err)
	}
	alive, err := pgx.CollectRows(rows, pgx.RowTo[personal.KeyID])
	if err != nil {
		return nil, unavailable("look for live keys", err)
	}
	return alive, nil
}

// Oldest runs a query for one moment; zero when there is none.
func (s *Sentinel) Oldest(ctx context.Context, sql string) (time.Time, error) {
	var at pgtype.Timestamptz
	if err := s.Pool.QueryRow(ctx, sql).Scan(&at); err != nil {
		return time.Time{}, unavailable("look for the oldest row", err)
	}
	return at.Time.UTC(), nil
}

// OldestKey returns when the oldest live key of a kind was made, by the database's clock; zero when there is none.
func (s *Sentinel) OldestKey(ctx context.Context, kind string) (time.Time, error) {
	pool := s.Pool
	if s.keys != nil {
		pool = s.d.vault
	}
	var at pgtype.Timestamptz
	if err := pool.QueryRow(ctx, `select min(made_at) from vault.live_keys where kind = $1`, kind).Scan(&at); err != nil {
		return time.Time{}, unavailable("look for the oldest key", err)
	}
	return at.Time.UTC(), nil
}

// Columns lists the columns of a schema's tables, as "table.column type", by name.
func (s *Sentinel) Columns(ctx context.Context, schema string) ([]string, error) {
	rows, err := s.Pool.Query(ctx, `
		select format('%s.%s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod))
		  from pg_attribute a
		  join pg_class c on c.oid = a.attrelid
		  join pg_namespace n on n.oid = c.relnamespace
		 where n.nspname = $1 and c.relkind in ('r', 'p', 'v') and a.attnum > 0 and not a.attisdropped
		 order by 1`, schema)
	if err != nil {
		return nil, unavailable("list columns", err)
	}
	columns, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, unavailable("list columns", err)
	}
	return columns, nil
}
