package postgres

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/internal/embedded/embeddedtest"
)

func openSentinel(t testing.TB, d *Database, schemas ...string) *Sentinel {
	t.Helper()
	s, err := OpenSentinel(t.Context(), d)
	must(t, err)
	t.Cleanup(s.Pool.Close)
	must(t, s.Grant(t.Context(), schemas...))
	return s
}

func TestSentinelSeesWhichKeysAreAlive(t *testing.T) {
	d := newDatabase(t)
	v := newVault(t, d)
	ids := []personal.KeyID{"image/a", "image/b", "visit/c"}
	must(t, in(t, d.App, func(tx pgx.Tx) error {
		for _, id := range ids {
			k, err := v.New(id)
			if err != nil {
				return err
			}
			if err := v.Make(t.Context(), tx, k); err != nil {
				return err
			}
		}
		return v.Destroy(t.Context(), tx, "image/b", "test")
	}))
	s := openSentinel(t, d)
	alive, err := s.Alive(t.Context(), append(ids, "image/never"))
	must(t, err)
	if want := []personal.KeyID{"image/a", "visit/c"}; !slices.Equal(alive, want) {
		t.Errorf("alive %v, want %v", alive, want)
	}
	first, err := s.LiveKeys(t.Context(), "", 1)
	must(t, err)
	second, err := s.LiveKeys(t.Context(), first[0].ID, 2)
	must(t, err)
	if len(first) != 1 || first[0].ID != "image/a" || len(second) != 1 || second[0].ID != "visit/c" || second[0].Age < 0 || second[0].Age > time.Hour {
		t.Errorf("listed %v, then %v", first, second)
	}
	for _, look := range []*Sentinel{s, SentinelWithoutRole(d, v.Vault)} {
		oldest, err := look.OldestKey(t.Context(), "visit")
		if err != nil || time.Since(oldest) > time.Hour {
			t.Errorf("the oldest was made %v, %v", oldest, err)
		}
		if none, err := look.OldestKey(t.Context(), "account"); err != nil || !none.IsZero() {
			t.Errorf("of a kind that there is not: %v, %v", none, err)
		}
	}
}

// The sentinel looks and touches nothing; of keys it sees none.
func TestSentinelMayOnlyLook(t *testing.T) {
	d := newDatabase(t)
	_, err := d.App.Exec(t.Context(), `create schema custody; create table custody.picture (image text); create schema other; create table other.thing (it text)`)
	must(t, err)
	s := openSentinel(t, d, "custody", "work")
	must(t, s.Grant(t.Context(), "custody", "work")) // again

	for sql, may := range map[string]bool{
		`select count(*) from custody.picture`:                                true,
		`select min(begun_at) from work.requests`:                             true,
		`select count(*) from vault.live_keys`:                                true,
		`select wrapped from vault.keys`:                                      false,
		`select count(*) from vault.secrets`:                                  false,
		`select count(*) from other.thing`:                                    false,
		`insert into custody.picture values ('x')`:                            false,
		`delete from work.requests`:                                           false,
		`set default_transaction_read_only = off; drop table custody.picture`: false,
		`select vault.destroy('image/a', 'because')`:                          false,
	} {
		_, err := s.Pool.Exec(t.Context(), sql)
		refused, ok := errors.AsType[*pgconn.PgError](err)
		switch {
		case may && err != nil:
			t.Errorf("%s: %v", sql, err)
		case !may && (!ok || !slices.Contains([]string{"42501", "25006"}, refused.Code)):
			t.Errorf("%s: %v", sql, err)
		}
	}
	// A view that was made anew is granted anew.
	_, err = d.App.Exec(t.Context(), `drop schema custody cascade; create schema custody; create table custody.picture (image text, due timestamptz)`)
	must(t, err)
	must(t, s.Grant(t.Context(), "custody"))
	columns, err := s.Columns(t.Context(), "custody")
	must(t, err)
	if want := []string{"picture.due timestamp with time zone", "picture.image text"}; !slices.Equal(columns, want) {
		t.Errorf("columns %v", columns)
	}
	oldest, err := s.Oldest(t.Context(), `select min(due) from custody.picture`)
	if err != nil || !oldest.IsZero() {
		t.Errorf("oldest %v, %v", oldest, err)
	}
}

// A login that may not make roles says what an administrator has to run, and that is enough.
func TestSentinelRoleIsAskedFor(t *testing.T) {
	server := embeddedtest.StartPostgres(t, map[string]string{"fsync": "off"}).DSN()
	name, dsn := newLogin(t, server, "")
	superuser(t, server, roleSQL(name, "postgres"))
	d := connect(t, dsn)
	must(t, Migrate(t.Context(), d))
	_, err := OpenSentinel(t.Context(), d)
	if !errors.Is(err, ErrNoSentinelRole) {
		t.Fatalf("got %v", err)
	}
	without := SentinelWithoutRole(d, newVault(t, d).Vault)
	if keys, err := without.LiveKeys(t.Context(), "", 1); len(keys) != 0 || err != nil {
		t.Errorf("without the role: %v, %v", keys, err)
	}
	must(t, without.Grant(t.Context(), "work"))
	_, sql, _ := strings.Cut(err.Error(), "run\n\n")
	sql, _, _ = strings.Cut(sql, "\n\nand")
	superuser(t, server, sql)
	s := openSentinel(t, d, "work")
	if _, err := s.LiveKeys(t.Context(), "", 1); err != nil {
		t.Error(err)
	}
}
