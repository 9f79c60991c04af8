package postgres

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	_ "embed" // roles.sql
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The roles. The vault's tables belong to vaultRole, and nobody else may touch them: appends
// make, lock and destroy keys by functions that run as it (vault.sql). A superuser may touch
// everything, so the service never works as one: where it logs in as one, it works as appRole.
const (
	vaultRole = "bgremover_vault"
	appRole   = "bgremover_app"
)

// Access says how to reach a database.
type Access struct {
	DSN      string // how everybody logs in
	VaultDSN string // how the vault logs in; as everybody does if empty
	// Own says that the server is ours alone and DSN its superuser's: the service then logs in as
	// appRole, with a password that is made from the superuser's.
	Own   bool
	Conns int32 // of the pool, at least; 0: pgx's own number
}

// Database is one database as the service uses it: for everything but keys, and for keys.
type Database struct {
	App   *pgxpool.Pool
	vault *pgxpool.Pool
}

// vaultConns are enough for whoever reads keys: they are cached.
const vaultConns = 8

// Connect makes what roles are missing, and opens both pools.
func Connect(ctx context.Context, a Access) (_ *Database, err error) {
	app, err := pgxpool.ParseConfig(a.DSN)
	if err != nil {
		return nil, err // it masks passwords
	}
	vault := app.Copy()
	if a.VaultDSN != "" {
		if vault, err = pgxpool.ParseConfig(a.VaultDSN); err != nil {
			return nil, err
		}
	}
	app.MaxConns = max(app.MaxConns, a.Conns)
	// What is asked here is small and often asked: workers cost more to start than they save.
	app.ConnConfig.RuntimeParams["max_parallel_workers_per_gather"] = "0"
	vault.MaxConns = vaultConns
	if a.Own {
		app.ConnConfig.User = appRole
		app.ConnConfig.Password = derivedPassword(vault.ConnConfig.Password)
	}
	if err := prepareRoles(ctx, a, app, vault); err != nil {
		return nil, err
	}
	vault.ConnConfig.AfterConnect = become(vaultRole)
	d := &Database{}
	if d.App, err = open(ctx, app); err != nil {
		return nil, err
	}
	if d.vault, err = open(ctx, vault); err != nil {
		d.App.Close()
		return nil, err
	}
	if a.VaultDSN != "" {
		if err := d.checkSame(ctx); err != nil {
			d.Close()
			return nil, err
		}
	}
	return d, nil
}

// ErrTwoDatabases says that the vault's login leads elsewhere than the service's.
var ErrTwoDatabases = errors.New("the vault's login leads to another database than the service's, and keys are made and " +
	"destroyed in one transaction with facts: give both the same server and database, and only another role")

// checkSame makes sure that both pools lead to one database.
func (d *Database) checkSame(ctx context.Context) error {
	var at [2]string
	for i, pool := range []*pgxpool.Pool{d.App, d.vault} {
		// The server has no name that every login may ask for, but it began at a moment of its own.
		err := pool.QueryRow(ctx, `
			select concat_ws(' ', d.oid, extract(epoch from pg_postmaster_start_time()))
			from pg_database d
			where d.datname = current_database()`).Scan(&at[i])
		if err != nil {
			return fmt.Errorf("ask which database it is: %w", err)
		}
	}
	if at[0] != at[1] {
		return ErrTwoDatabases
	}
	return nil
}

// Close closes both pools.
func (d *Database) Close() {
	d.vault.Close()
	d.App.Close()
}

func open(ctx context.Context, c *pgxpool.Config) (*pgxpool.Pool, error) {
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	return pool, nil
}

// become has every connection work as a role. It is a hook of the connection and not of the
// pool, because the sequencer and others copy the pool's settings for connections of their own.
func become(role string) pgconn.AfterConnectFunc {
	return func(ctx context.Context, conn *pgconn.PgConn) error {
		return conn.Exec(ctx, "set role "+role).Close()
	}
}

// derivedPassword keeps nothing: who knows the one password knows the other, and not the reverse.
func derivedPassword(superuser string) string {
	mac := hmac.New(sha256.New, []byte(superuser))
	_, _ = mac.Write([]byte("bgremover " + appRole)) // a hash does not fail
	return hex.EncodeToString(mac.Sum(nil))
}

// prepareRoles makes the roles, and the app's connections work as appRole where they would
// otherwise work as a superuser.
func prepareRoles(ctx context.Context, a Access, app, vault *pgxpool.Config) error {
	if a.Own && canLogIn(ctx, app.ConnConfig) {
		return nil // as nearly always
	}
	asVault, err := pgx.ConnectConfig(ctx, vault.ConnConfig)
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer closeSoon(ctx, asVault)
	login := app.ConnConfig.User
	asApp := asVault
	if a.VaultDSN != "" {
		if asApp, err = pgx.ConnectConfig(ctx, app.ConnConfig); err != nil {
			return fmt.Errorf("connect to PostgreSQL: %w", err)
		}
		defer closeSoon(ctx, asApp)
	}
	if err := makeVaultRole(ctx, asVault); err != nil {
		return err
	}
	var superuser bool
	if err := asApp.QueryRow(ctx, `select rolsuper from pg_roles where rolname = session_user`).Scan(&superuser); err != nil {
		return fmt.Errorf("ask for the role: %w", err)
	}
	if !superuser {
		return nil
	}
	if err := makeAppRole(ctx, asApp); err != nil {
		return fmt.Errorf("make the role %s: %w", appRole, err)
	}
	if login == appRole {
		return setPassword(ctx, asApp, app.ConnConfig.Password)
	}
	app.ConnConfig.AfterConnect = become(appRole)
	return nil
}

func canLogIn(ctx context.Context, c *pgx.ConnConfig) bool {
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return false
	}
	closeSoon(ctx, conn)
	return true
}

// roles.sql makes what is missing and reports what may not be made.
//
//go:embed roles.sql
var rolesSQL string

// ErrRoles says what somebody with more rights has to do. The text that it comes in holds the SQL.
var ErrRoles = errors.New("the database lacks the vault's role, and this login may not make it")

// makeVaultRole makes the vault's role and its schema, as far as that is not done.
func makeVaultRole(ctx context.Context, conn *pgx.Conn) error {
	var version int
	if err := conn.QueryRow(ctx, `select current_setting('server_version_num')::int`).Scan(&version); err != nil {
		return fmt.Errorf("ask for the version of PostgreSQL: %w", err)
	}
	if version < 160000 {
		return fmt.Errorf("this PostgreSQL has version %d; the vault's role needs version 16 or newer", version/10000)
	}
	err := repeatedly(func() error { _, err := conn.Exec(ctx, rolesSQL); return err })
	if denied, ok := errors.AsType[*pgconn.PgError](err); ok && denied.Code == "42501" {
		return fmt.Errorf("%w (%s); have an administrator of the database run\n\n%s\nand start again",
			ErrRoles, denied.Message, roleSQL(conn.Config().User, conn.Config().Database))
	}
	if err != nil {
		return fmt.Errorf("make the role %s: %w", vaultRole, err)
	}
	return nil
}

// roleSQL is what an administrator runs when the login may not.
func roleSQL(login, database string) string {
	name := pgx.Identifier{login}.Sanitize()
	return fmt.Sprintf(`    create role %[1]s nologin;
    grant %[1]s to %[2]s with inherit false, set true;
    grant create on database %[3]s to %[2]s;
`, vaultRole, name, pgx.Identifier{database}.Sanitize())
}

// makeAppRole makes the role that a superuser works as, and gives it what superusers of
// earlier releases made.
func makeAppRole(ctx context.Context, conn *pgx.Conn) error {
	return repeatedly(func() error { _, err := conn.Exec(ctx, appRoleSQL); return err })
}

const appRoleSQL = `
do $$
declare
    made record;
begin
    if not exists (select from pg_roles where rolname = 'bgremover_app') then
        create role bgremover_app nologin;
    end if;
    if not has_database_privilege('bgremover_app', current_database(), 'create') then
        execute format('grant create on database %I to bgremover_app', current_database());
    end if;
    for made in
        select n.nspname
          from pg_namespace n
         where n.nspname in ('ledger', 'work', 'projector', 'images', 'analytics')
           and n.nspowner = (select oid from pg_roles where rolname = session_user)
    loop
        execute format('alter schema %I owner to bgremover_app', made.nspname);
    end loop;
    for made in
        select n.nspname, c.relname, case c.relkind when 'S' then 'sequence' when 'v' then 'view' else 'table' end as kind
          from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where n.nspowner = (select oid from pg_roles where rolname = 'bgremover_app')
           and c.relowner = (select oid from pg_roles where rolname = session_user)
           and c.relkind in ('r', 'p', 'v', 'S')
           -- a sequence of a column goes with its table
           and not exists (select from pg_depend d where d.objid = c.oid and d.classid = 'pg_class'::regclass and d.deptype in ('a', 'i'))
    loop
        execute format('alter %s %I.%I owner to bgremover_app', made.kind, made.nspname, made.relname);
    end loop;
    for made in
        select p.oid::regprocedure::text as signature
          from pg_proc p join pg_namespace n on n.oid = p.pronamespace
         where n.nspowner = (select oid from pg_roles where rolname = 'bgremover_app')
           and p.proowner = (select oid from pg_roles where rolname = session_user)
    loop
        execute format('alter routine %s owner to bgremover_app', made.signature);
    end loop;
end $$`

func setPassword(ctx context.Context, conn *pgx.Conn, password string) error {
	// A password is no parameter of this statement; it is hexadecimal.
	_, err := conn.Exec(ctx, fmt.Sprintf("alter role %s login password '%s'", appRole, password))
	if err != nil {
		return fmt.Errorf("let %s log in: the database refused", appRole) // its error could quote the statement
	}
	return nil
}

// repeatedly does what several databases of one server may do at once: roles are shared, and
// no lock is.
func repeatedly(do func() error) (err error) {
	const enough = 10
	for range enough {
		err = do()
		pg, ok := errors.AsType[*pgconn.PgError](err)
		if !ok {
			return err
		}
		switch pg.Code {
		case "42710", "23505", "XX000": // there by now; changed at the same time
			continue
		}
		return err
	}
	return err
}
