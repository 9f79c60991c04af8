package postgres

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bgremover/bgremover/internal/embedded/embeddedtest"
)

// superuser runs SQL as the server's superuser.
func superuser(t testing.TB, dsn string, all ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	must(t, err)
	defer closeSoon(t.Context(), conn)
	for _, sql := range all {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

var logins atomic.Int64

// newLogin makes a login with a password in a database, and returns its name and its DSN. Roles
// belong to the server, so it has a name of its own.
func newLogin(t testing.TB, dsn string, rights string) (name, as string) {
	t.Helper()
	name = fmt.Sprintf("login %d", logins.Add(1)) // a name that must be quoted
	superuser(t, dsn, fmt.Sprintf("create role %s login password 'p' %s", pgx.Identifier{name}.Sanitize(), rights))
	u, err := url.Parse(dsn)
	must(t, err)
	u.User = url.UserPassword(name, "p")
	t.Cleanup(func() {
		conn, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			return // the server is gone, and the role with it
		}
		defer closeSoon(t.Context(), conn)
		for _, sql := range []string{"reassign owned by %s to current_user", "drop owned by %s cascade", "drop role %s"} {
			if _, err := conn.Exec(t.Context(), fmt.Sprintf(sql, pgx.Identifier{name}.Sanitize())); err != nil {
				t.Logf("%s: %v", sql, err)
			}
		}
	})
	return name, u.String()
}

// wantApart checks that the pool that everybody uses has no right on keys, and that it can all
// the same make, lock and destroy them.
func wantApart(t *testing.T, d *Database) {
	t.Helper()
	v := newVault(t, d)
	made(t, v, keyID)
	for _, sql := range []string{
		`select wrapped from vault.keys`, `select id from vault.keys`, `select wrapped from vault.secrets`,
		`update vault.keys set kind = 'x'`, `delete from vault.keys`, `truncate vault.keys`,
		`insert into vault.keys (id, kind, wrapped) values ('image/2', 'image', '\x0102030405')`,
		`delete from vault.secrets`, `update vault.wrappers set destroyed_at = now()`, `select * from vault.compared`,
		`drop table vault.keys`, `alter table vault.keys disable trigger all`, `drop function vault.destroy`, `drop schema vault cascade`,
		`create table vault.mine (a int)`, `grant select on vault.keys to public`, `copy vault.keys to stdout`,
	} {
		_, err := d.App.Exec(t.Context(), sql)
		if denied, ok := errors.AsType[*pgconn.PgError](err); !ok || denied.Code != "42501" {
			t.Errorf("%s: %v; want permission denied", sql, err)
		}
	}
	must(t, lock(t, v, keyID))
	must(t, destroy(t, v, keyID))
	var super bool
	must(t, d.App.QueryRow(t.Context(), `select rolsuper from pg_roles where rolname = current_user`).Scan(&super))
	if super {
		t.Error("the service works as a superuser")
	}
}

func TestLoggedInAsSuperuser(t *testing.T) {
	wantApart(t, newDatabase(t))
}

// On a server of our own, not even the login is a superuser's.
func TestServerOfOurOwn(t *testing.T) {
	dsn := embeddedtest.StartPostgres(t, map[string]string{"fsync": "off"}).DSN()
	for range 2 { // the first start, and every other
		d, err := Connect(t.Context(), Access{DSN: dsn, Own: true})
		must(t, err)
		must(t, Migrate(t.Context(), d))
		for _, sql := range []string{`reset role`, `set role bgremover_vault`, `set session authorization bgremover`, `set role bgremover`} {
			if _, err := d.App.Exec(t.Context(), sql+`; select wrapped from vault.keys`); err == nil {
				t.Errorf("after %s, keys can be read", sql)
			}
		}
		d.Close()
	}
	d, err := Connect(t.Context(), Access{DSN: dsn, Own: true})
	must(t, err)
	defer d.Close()
	wantApart(t, d)
}

// A login that may make roles needs no administrator.
func TestLoginThatMayMakeRoles(t *testing.T) {
	server := embeddedtest.StartPostgres(t, map[string]string{"fsync": "off"}).DSN()
	name, dsn := newLogin(t, server, "createrole")
	superuser(t, server, fmt.Sprintf("grant create on database postgres to %s", pgx.Identifier{name}.Sanitize()))
	d := connect(t, dsn)
	must(t, Migrate(t.Context(), d))
	wantApart(t, d)
}

// One that may not says what the administrator has to run, and that is enough.
func TestLoginThatMayNot(t *testing.T) {
	server := embeddedtest.StartPostgres(t, map[string]string{"fsync": "off"}).DSN()
	_, dsn := newLogin(t, server, "")
	_, err := Connect(t.Context(), Access{DSN: dsn})
	if !errors.Is(err, ErrRoles) {
		t.Fatalf("got %v; want %v", err, ErrRoles)
	}
	_, rest, _ := strings.Cut(err.Error(), "have an administrator of the database run\n\n")
	sql, _, ok := strings.Cut(rest, "\nand start again")
	if !ok {
		t.Fatalf("no SQL in %v", err)
	}
	superuser(t, server, sql)
	d := connect(t, dsn)
	must(t, Migrate(t.Context(), d))
	wantApart(t, d)
}

// Who inherits the vault's rights has them on every connection: that is refused, with the SQL that mends it.
func TestLoginThatInherits(t *testing.T) {
	server := embeddedtest.NewDatabase(t)
	must(t, Migrate(t.Context(), connect(t, server)))
	name, dsn := newLogin(t, server, "")
	role := pgx.Identifier{name}.Sanitize()
	var database string
	must(t, connect(t, server).App.QueryRow(t.Context(), `select current_database()`).Scan(&database))
	superuser(t, server, "grant bgremover_vault to "+role+" with inherit true",
		"grant create on database "+database+" to "+role, "drop schema work cascade")
	d := connect(t, dsn)
	err := Migrate(t.Context(), d)
	if !errors.Is(err, ErrNotApart) || !strings.Contains(err.Error(), "grant bgremover_vault to "+role+" with inherit false") {
		t.Fatalf("got %v", err)
	}
	superuser(t, server, "grant bgremover_vault to "+role+" with inherit false, set true")
	d = connect(t, dsn)
	must(t, Migrate(t.Context(), d))
	wantApart(t, d)
}

// With a login of its own, the vault's rights cannot even be taken by the service's.
func TestVaultWithItsOwnLogin(t *testing.T) {
	server := embeddedtest.NewDatabase(t)
	must(t, Migrate(t.Context(), connect(t, server)))
	app, appDSN := newLogin(t, server, "")
	vault, vaultDSN := newLogin(t, server, "")
	var database string
	must(t, connect(t, server).App.QueryRow(t.Context(), `select current_database()`).Scan(&database))
	superuser(t, server, "drop schema work cascade",
		"grant create on database "+database+" to "+pgx.Identifier{app}.Sanitize(),
		"grant bgremover_vault to "+pgx.Identifier{vault}.Sanitize()+" with inherit false, set true")
	d, err := Connect(t.Context(), Access{DSN: appDSN, VaultDSN: vaultDSN})
	must(t, err)
	t.Cleanup(d.Close)
	must(t, Migrate(t.Context(), d))
	wantApart(t, d)
	if _, err := d.App.Exec(t.Context(), `set role bgremover_vault`); err == nil {
		t.Error("the service's login takes the vault's role")
	}
}

// Keys of one database and the record of another belong to nobody: the comparison would find
// that no fact tells of them.
func TestVaultOfAnotherDatabase(t *testing.T) {
	app, vault := embeddedtest.NewDatabase(t), embeddedtest.NewDatabase(t)
	for _, dsn := range []string{app, vault} {
		must(t, Migrate(t.Context(), connect(t, dsn)))
	}
	d, err := Connect(t.Context(), Access{DSN: app, VaultDSN: vault})
	if !errors.Is(err, ErrTwoDatabases) {
		t.Errorf("connected with %v", err)
	}
	if err == nil {
		d.Close()
	}
}

// A database of an earlier release, whose tables the superuser made, becomes what a fresh one is.
func TestDatabaseOfAnEarlierRelease(t *testing.T) {
	d := newDatabase(t)
	path := t.TempDir() + "/keyset"
	v, err := openVault(t, d, path)
	must(t, err)
	k := made(t, testVault{v, d.App}, keyID)
	sealed, err := k.Seal([]byte("plain"), nil)
	must(t, err)
	// As it was then: other owners, fewer columns, no functions.
	for _, sql := range []string{
		`create schema ledger`, `create table ledger.facts (n int)`, `create sequence ledger.position`,
		`create table ledger.counted (n int generated always as identity, m serial)`,
		`create function ledger.claim() returns int language sql as 'select 1'`,
		`alter schema ledger owner to bgremover`, `alter table ledger.facts owner to bgremover`, `alter sequence ledger.position owner to bgremover`,
		`alter table ledger.counted owner to bgremover`, `alter function ledger.claim owner to bgremover`,
		`alter schema work owner to bgremover`, `alter table work.leases owner to bgremover`,
		`drop function vault.make`, `drop function vault.lock`, `drop function vault.destroy`, `drop function vault.wrapper`,
		`drop view vault.live_keys`, `drop table vault.wrappers, vault.holders, vault.compared`, `alter table vault.keys drop column due_at`,
		`alter schema vault owner to bgremover`, `alter table vault.keys owner to bgremover`, `alter table vault.secrets owner to bgremover`,
	} {
		administer(t, d.App, sql)
	}
	again := connect(t, d.App.Config().ConnString())
	must(t, Migrate(t.Context(), again))
	for _, sql := range []string{
		`insert into ledger.facts values (1)`, `select nextval('ledger.position')`, `insert into ledger.counted default values`,
		`select ledger.claim()`, `create or replace function ledger.claim() returns int language sql as 'select 2'`, `delete from work.leases`,
	} {
		if _, err := again.App.Exec(t.Context(), sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	v, err = openVault(t, again, path)
	must(t, err)
	opens, err := v.Key(t.Context(), keyID)
	must(t, err)
	if got, err := opens.Open(sealed, nil); err != nil || string(got) != "plain" {
		t.Errorf("opened as %q, %v", got, err)
	}
	must(t, destroy(t, testVault{v, again.App}, keyID))
}
