package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/internal/fake"
)

// made returns a key that a committed transaction made.
func made(t testing.TB, v testVault, id personal.KeyID) personal.Key {
	t.Helper()
	k, err := v.New(id)
	must(t, err)
	must(t, in(t, v.app, func(tx pgx.Tx) error { return v.Make(t.Context(), tx, k) }))
	return k
}

func destroy(t testing.TB, v testVault, id personal.KeyID) error {
	t.Helper()
	return in(t, v.app, func(tx pgx.Tx) error { return v.Destroy(t.Context(), tx, id, "image.deleted") })
}

func lock(t testing.TB, v testVault, ids ...personal.KeyID) error {
	t.Helper()
	return in(t, v.app, func(tx pgx.Tx) error { return v.Lock(t.Context(), tx, ids) })
}

func wantKey(t testing.TB, v testVault, id personal.KeyID, want error) {
	t.Helper()
	if _, err := v.Key(t.Context(), id); !errors.Is(err, want) {
		t.Errorf("Key(%s): %v; want %v", id, err, want)
	}
}

func TestLifeOfAKey(t *testing.T) {
	d := newDatabase(t)
	v, pool := newVault(t, d), d.App
	wantKey(t, v, keyID, personal.ErrNoKey)

	k := made(t, v, keyID)
	sealed, err := k.Seal([]byte("name.jpg"), []byte("c"))
	must(t, err)
	for range 2 { // from the table, from the cache
		again, err := v.Key(t.Context(), keyID)
		must(t, err)
		if got, err := again.Open(sealed, []byte("c")); err != nil || string(got) != "name.jpg" || again.ID() != keyID {
			t.Errorf("opened as %q, %v", got, err)
		}
	}
	must(t, lock(t, v, keyID))

	must(t, destroy(t, v, keyID))
	wantKey(t, v, keyID, personal.ErrDestroyed)
	if err := lock(t, v, keyID); !errors.Is(err, personal.ErrDestroyed) {
		t.Errorf("locked a destroyed key: %v", err)
	}
	// For good: nothing about the tombstone changes any more.
	before := tombstone(t, v.pool)
	must(t, in(t, pool, func(tx pgx.Tx) error { return v.Destroy(t.Context(), tx, keyID, "again") }))
	if err := in(t, pool, func(tx pgx.Tx) error { return v.Make(t.Context(), tx, k) }); !errors.Is(err, event.ErrConflict) {
		t.Errorf("made a destroyed key again: %v", err)
	}
	if after := tombstone(t, v.pool); after != before || !strings.Contains(after, "image.deleted") {
		t.Errorf("the tombstone became %s; was %s", after, before)
	}
}

func tombstone(t testing.TB, pool *pgxpool.Pool) (row string) {
	t.Helper()
	must(t, pool.QueryRow(t.Context(), `select k::text from vault.keys k where id = $1 and wrapped is null`, string(keyID)).Scan(&row))
	return row
}

// A key exists when the transaction that makes it has committed, and not before.
func TestKeysBeginAndEndWithTheTransaction(t *testing.T) {
	v := newVault(t, newDatabase(t))
	undo := errors.New("undo")
	k, err := v.New(keyID)
	must(t, err)
	err = in(t, v.app, func(tx pgx.Tx) error {
		must(t, v.Make(t.Context(), tx, k))
		wantKey(t, v, keyID, personal.ErrNoKey)
		return undo
	})
	if !errors.Is(err, undo) {
		t.Fatal(err)
	}
	wantKey(t, v, keyID, personal.ErrNoKey)

	made(t, v, keyID)
	err = in(t, v.app, func(tx pgx.Tx) error {
		must(t, v.Destroy(t.Context(), tx, keyID, "image.deleted"))
		wantKey(t, v, keyID, nil)
		return undo
	})
	if !errors.Is(err, undo) {
		t.Fatal(err)
	}
	wantKey(t, v, keyID, nil)

	// What was read before the commit is not given after it.
	must(t, in(t, v.app, func(tx pgx.Tx) error {
		must(t, v.Destroy(t.Context(), tx, keyID, "image.deleted"))
		wantKey(t, v, keyID, nil)
		return nil
	}))
	wantKey(t, v, keyID, personal.ErrDestroyed)
}

func TestAskingNeverMakesAKey(t *testing.T) {
	v := newVault(t, newDatabase(t))
	wantKey(t, v, keyID, personal.ErrNoKey)
	if err := lock(t, v, keyID); !errors.Is(err, personal.ErrNoKey) {
		t.Errorf("Lock: %v; want ErrNoKey", err)
	}
	if err := destroy(t, v, keyID); !errors.Is(err, personal.ErrNoKey) {
		t.Errorf("Destroy: %v; want ErrNoKey", err)
	}
	if n := count(t, v.pool, "vault.keys"); n != 0 {
		t.Errorf("%d keys appeared", n)
	}
}

func count(t testing.TB, pool *pgxpool.Pool, table string) (n int) {
	t.Helper()
	must(t, pool.QueryRow(t.Context(), `select count(*) from `+table).Scan(&n))
	return n
}

func TestLockTellsTheWorst(t *testing.T) {
	v := newVault(t, newDatabase(t))
	made(t, v, "image/1")
	made(t, v, "image/2")
	made(t, v, "image/3")
	must(t, destroy(t, v, "image/2"))
	tests := map[string]struct {
		ids  []personal.KeyID
		want error
	}{
		"none":                  {},
		"live":                  {ids: []personal.KeyID{"image/3", "image/1"}},
		"one twice":             {ids: []personal.KeyID{"image/1", "image/1"}},
		"one destroyed":         {ids: []personal.KeyID{"image/3", "image/2"}, want: personal.ErrDestroyed},
		"one unknown":           {ids: []personal.KeyID{"image/1", "image/9"}, want: personal.ErrNoKey},
		"destroyed and unknown": {ids: []personal.KeyID{"image/2", "image/9"}, want: personal.ErrNoKey},
	}
	for name, tt := range tests {
		if err := lock(t, v, tt.ids...); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v; want %v", name, err, tt.want)
		}
	}
}

// A destruction waits for appends that seal under the key, and they do not wait for each other.
func TestLockHoldsAKeyAlive(t *testing.T) {
	v := newVault(t, newDatabase(t))
	made(t, v, keyID)
	done := make(chan error, 1)
	must(t, in(t, v.app, func(tx pgx.Tx) error {
		must(t, v.Lock(t.Context(), tx, []personal.KeyID{keyID}))
		must(t, lock(t, v, keyID))
		go func() { done <- destroy(t, v, keyID) }()
		waitForLock(t, v.pool)
		return nil
	}))
	must(t, <-done)
	wantKey(t, v, keyID, personal.ErrDestroyed)
}

// Whoever seals while the key is being destroyed learns that it is.
func TestLockWaitsForADestruction(t *testing.T) {
	v := newVault(t, newDatabase(t))
	made(t, v, keyID)
	done := make(chan error, 1)
	must(t, in(t, v.app, func(tx pgx.Tx) error {
		must(t, v.Destroy(t.Context(), tx, keyID, "image.deleted"))
		go func() { done <- lock(t, v, keyID) }()
		waitForLock(t, v.pool)
		return nil
	}))
	if err := <-done; !errors.Is(err, personal.ErrDestroyed) {
		t.Errorf("got %v; want ErrDestroyed", err)
	}
}

func TestKeyIDsAreStreams(t *testing.T) {
	v := newVault(t, newDatabase(t))
	for _, id := range []personal.KeyID{"", "image", "/x", "image/"} {
		if _, err := v.New(id); err == nil {
			t.Errorf("%q was accepted", id)
		}
	}
	foreign, err := new(fake.Vault).New(keyID)
	must(t, err)
	if err := in(t, v.app, func(tx pgx.Tx) error { return v.Make(t.Context(), tx, foreign) }); err == nil {
		t.Error("a key of another vault was stored")
	}
}

func TestKeysStandWrapped(t *testing.T) {
	v := newVault(t, newDatabase(t))
	k := made(t, v, keyID).(*key)
	var wrapped []byte
	must(t, v.pool.QueryRow(t.Context(), `select wrapped from vault.keys`).Scan(&wrapped))
	if bytes.Contains(wrapped, k.secret[:8]) {
		t.Error("the table holds the key in clear")
	}
	// Moved to another id, it does not open.
	_, err := v.pool.Exec(t.Context(), `update vault.keys set id = 'image/other'`)
	must(t, err)
	wantKey(t, v, "image/other", ErrKeysetWrong)
}

func TestVaultOutlivesTheProcess(t *testing.T) {
	d, path := newDatabase(t), filepath.Join(t.TempDir(), "made", "keyset.json")
	first, err := openVault(t, d, path)
	must(t, err)
	sealed, err := made(t, testVault{first, d.App}, keyID).Seal([]byte("plain"), nil)
	must(t, err)
	second, err := openVault(t, d, path)
	must(t, err)
	k, err := second.Key(t.Context(), keyID)
	must(t, err)
	if got, err := k.Open(sealed, nil); err != nil || string(got) != "plain" {
		t.Errorf("opened as %q, %v", got, err)
	}
	if first.MAC("p") != second.MAC("p") {
		t.Error("the secrets changed")
	}
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the keyset has mode %v", info.Mode())
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("left beside the keyset: %v, %v", entries, err)
	}
}

func TestFirstStartsAtOnce(t *testing.T) {
	d, path := newDatabase(t), filepath.Join(t.TempDir(), "keyset.json")
	const starts = 4
	macs := make(chan [32]byte, starts)
	for range starts {
		go func() {
			v, err := openVault(t, d, path)
			if err != nil {
				t.Error(err)
				macs <- [32]byte{}
				return
			}
			macs <- v.MAC("p")
		}()
	}
	first := <-macs
	for range starts - 1 {
		if <-macs != first {
			t.Error("two first starts made different secrets")
		}
	}
}

func TestUnusableKeysets(t *testing.T) {
	remove := func(t *testing.T, path string) { must(t, os.Remove(path)) }
	tests := map[string]struct {
		given func(t *testing.T, path string)
		then  error
	}{
		"lost":                      {given: remove, then: ErrKeysetMissing},
		"of another vault":          {given: func(t *testing.T, path string) { remove(t, path); must(t, KeysetFile{Path: path}.make()) }, then: ErrKeysetWrong},
		"readable by the group":     {given: func(t *testing.T, path string) { must(t, os.Chmod(path, 0o640)) }, then: ErrKeysetExposed},
		"writable by others":        {given: func(t *testing.T, path string) { must(t, os.Chmod(path, 0o602)) }, then: ErrKeysetExposed},
		"cut short":                 {given: func(t *testing.T, path string) { must(t, os.Truncate(path, 20)) }, then: ErrKeysetDamaged},
		"empty":                     {given: func(t *testing.T, path string) { must(t, os.Truncate(path, 0)) }, then: ErrKeysetDamaged},
		"fine beside a crashed one": {given: func(t *testing.T, path string) { must(t, os.WriteFile(path+".new", []byte("half"), 0o600)) }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d, path := newDatabase(t), filepath.Join(t.TempDir(), "keyset.json")
			_, err := openVault(t, d, path)
			must(t, err)
			tt.given(t, path)
			before, _ := os.ReadFile(path)
			_, err = openVault(t, d, path)
			if !errors.Is(err, tt.then) {
				t.Errorf("got %v; want %v", err, tt.then)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(after, before) {
				t.Error("the keyset was changed")
			}
		})
	}
}

// Keys without the secret that stands beside them are a vault that lost something.
func TestVaultThatIsNotWhole(t *testing.T) {
	d, path := newDatabase(t), filepath.Join(t.TempDir(), "keyset.json")
	v, err := openVault(t, d, path)
	must(t, err)
	made(t, testVault{v, d.App}, keyID)
	_, err = d.vault.Exec(t.Context(), `delete from vault.secrets`)
	must(t, err)
	if _, err := openVault(t, d, path); !errors.Is(err, errNoSecret) {
		t.Errorf("got %v; want %v", err, errNoSecret)
	}
	must(t, os.Remove(path))
	if _, err := openVault(t, d, path); !errors.Is(err, ErrKeysetMissing) {
		t.Errorf("got %v; want %v", err, ErrKeysetMissing)
	}
}

// A first start that crashed after it made the keyset goes on where it stopped.
func TestFirstStartAfterACrash(t *testing.T) {
	d, path := newDatabase(t), filepath.Join(t.TempDir(), "keyset.json")
	must(t, os.WriteFile(path+".new", []byte("half"), 0o600))
	must(t, KeysetFile{Path: path}.make())
	_, err := openVault(t, d, path)
	must(t, err)
	if err := (KeysetFile{Path: path}).make(); !errors.Is(err, os.ErrExist) {
		t.Errorf("a keyset was replaced: %v", err)
	}
}

func TestMAC(t *testing.T) {
	s := newVault(t, newDatabase(t))
	b := func(s string) []byte { return []byte(s) }
	all := map[[32]byte]string{}
	for name, mac := range map[string][32]byte{
		"p":     s.MAC("p"),
		"p,":    s.MAC("p", nil),
		"p,,":   s.MAC("p", nil, nil),
		"pa":    s.MAC("pa"),
		"p,a":   s.MAC("p", b("a")),
		"p,ab":  s.MAC("p", b("ab")),
		"p,a,b": s.MAC("p", b("a"), b("b")),
		"q,ab":  s.MAC("q", b("ab")),
		"other": newVault(t, newDatabase(t)).MAC("p"),
	} {
		if other, same := all[mac]; same {
			t.Errorf("%s and %s have the same MAC", name, other)
		}
		all[mac] = name
	}
	if again := s.MAC("p", b("a")); all[again] != "p,a" {
		t.Error("the same parts gave two MACs")
	}
}

func TestVaultWhenTheDatabaseIsAway(t *testing.T) {
	v := newVault(t, newDatabase(t))
	made(t, v, keyID)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := v.Key(ctx, keyID)
	if err == nil || errors.Is(err, personal.ErrNoKey) || errors.Is(err, personal.ErrDestroyed) {
		t.Errorf("got %v; want an error that says nothing about the key", err)
	}
}

func BenchmarkVaultKey(b *testing.B) {
	v := newVault(b, newDatabase(b))
	for name, clear := range map[string]bool{"cached": false, "from the table": true} {
		b.Run(name, func(b *testing.B) {
			id := personal.KeyID(fmt.Sprintf("image/%s", strings.ReplaceAll(name, " ", "-")))
			if _, err := v.Key(b.Context(), id); errors.Is(err, personal.ErrNoKey) {
				made(b, v, id)
			}
			for b.Loop() {
				if clear {
					v.cache = newCache(time.Now)
				}
				_, err := v.Key(b.Context(), id)
				must(b, err)
			}
		})
	}
}
