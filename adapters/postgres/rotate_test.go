package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/bgremover/bgremover/domain/personal"
)

// aging is a vault whose service's time can be moved.
type aging struct {
	testVault
	d      *Database
	keyset string
	ahead  *atomic.Int64
}

func newAging(t testing.TB) aging {
	t.Helper()
	a := aging{d: newDatabase(t), keyset: filepath.Join(t.TempDir(), "keyset"), ahead: &atomic.Int64{}}
	a.testVault = a.open(t)
	return a
}

// open opens the vault once more, as another start does.
func (a aging) open(t testing.TB) testVault {
	t.Helper()
	v, err := a.tryOpen(t, KeysetFile{Path: a.keyset})
	must(t, err)
	return testVault{v, a.d.App}
}

func (a aging) tryOpen(t testing.TB, file KeysetFile) (*Vault, error) {
	t.Helper()
	return OpenVault(t.Context(), a.d, VaultConfig{
		Keyset: file, Policy: lifetimes{}, Wall: time.Now,
		Now: func() time.Time { return noon().Add(time.Duration(a.ahead.Load())) },
	})
}

// later moves the service's time, and the database's as far as closing a key goes.
func (a aging) later(t testing.TB, d time.Duration) {
	t.Helper()
	a.ahead.Add(int64(d))
	_, err := a.pool.Exec(t.Context(), `update vault.wrappers set closed_at = closed_at - $1::interval`, d)
	must(t, err)
}

// rotateAway rotates and has the old key-encryption key destroyed.
func rotateAway(t testing.TB, v *Vault) {
	t.Helper()
	_, err := v.Rotate(t.Context())
	must(t, err)
	_, err = v.pool.Exec(t.Context(), `update vault.wrappers set retired_at = retired_at - interval '1 day' where retired_at is not null`)
	must(t, err)
	must(t, v.Tend(t.Context()))
	_, err = v.pool.Exec(t.Context(), `update vault.wrappers set closed_at = closed_at - interval '1 day' where closed_at is not null`)
	must(t, err)
	must(t, v.Tend(t.Context()))
}

func TestRotation(t *testing.T) {
	a := newAging(t)
	const keys = 2*rewrapBatch + 7
	must(t, in(t, a.app, func(tx pgx.Tx) error {
		for n := range keys {
			k, err := a.New(personal.KeyID(fmt.Sprintf("image/%d", n)))
			must(t, err)
			must(t, a.Make(t.Context(), tx, k))
		}
		return nil
	}))
	must(t, destroy(t, a.testVault, "image/0"))
	must(t, a.PutSecret(t.Context(), "log/1", []byte("secret")))
	sealed, err := made(t, a.testVault, keyID).Seal([]byte("plain"), nil)
	must(t, err)
	first := a.wrapping.Load().first
	a.later(t, time.Minute)

	n, err := a.Rotate(t.Context())
	if err != nil || n != keys+2 { // less the destroyed one, with keyID and both secrets
		t.Errorf("rewrapped %d, %v; want %d", n, err, keys+2)
	}
	second := a.wrapping.Load().first
	status, err := a.Status(t.Context())
	must(t, err)
	if len(status.Wrapping) != 2 || status.Wrapping[0].ID != first || status.Wrapping[0].Wraps != 0 || status.Wrapping[0].Retired.IsZero() ||
		status.Wrapping[1].ID != second || status.Wrapping[1].Wraps != keys+2 || !status.Wrapping[1].Retired.IsZero() || status.Secrets != 2 {
		t.Errorf("status %+v", status)
	}
	// Everything opens, from the table and after another start; tombstones stayed.
	for _, v := range []testVault{a.testVault, a.open(t)} {
		v.cache = newCache(time.Now)
		k, err := v.Key(t.Context(), keyID)
		must(t, err)
		if got, err := k.Open(sealed, nil); err != nil || string(got) != "plain" {
			t.Errorf("opened as %q, %v", got, err)
		}
		wantKey(t, v, "image/0", personal.ErrDestroyed)
		if secret, err := v.Secret(t.Context(), "log/1"); err != nil || string(secret) != "secret" {
			t.Errorf("the secret is %q, %v", secret, err)
		}
	}

	// The retired one stays for its time, and then goes in two steps.
	for _, step := range []struct {
		after time.Duration
		holds int
	}{{0, 2}, {59 * time.Minute, 2}, {time.Minute, 2}, {time.Minute, 2}, {closedFor, 1}} {
		a.later(t, step.after)
		must(t, a.Tend(t.Context()))
		if got := len(a.wrapping.Load().ids); got != step.holds {
			t.Errorf("%s later the keyset holds %d keys; want %d", step.after, got, step.holds)
		}
	}
	again := a.open(t)
	if ids := again.wrapping.Load().ids; !slices.Equal(ids, []int64{second}) {
		t.Errorf("the file holds %v", ids)
	}
	wantKey(t, again, keyID, nil)
	status, err = again.Status(t.Context())
	must(t, err)
	if status.Wrapping[0].Destroyed.IsZero() {
		t.Errorf("status %+v", status.Wrapping)
	}
}

// Whatever a crash cuts off, the next start or the next hour makes up for.
func TestRotationThatIsCutOff(t *testing.T) {
	stop := errors.New("crash")
	tests := map[string]func(t *testing.T, a aging){
		"before anything was written": func(*testing.T, aging) {},
		"with half a file beside it": func(t *testing.T, a aging) {
			must(t, os.WriteFile(a.keyset+".new", []byte("half"), 0o600))
		},
		"when the file was written": func(t *testing.T, a aging) {
			w, err := a.wrapping.Load().with()
			must(t, err)
			must(t, a.file.replace(w.handle))
		},
		"when the database knew": func(t *testing.T, a aging) {
			must(t, a.addWrapper(t.Context()))
		},
		"among the batches": func(t *testing.T, a aging) {
			must(t, a.addWrapper(t.Context()))
			_, _, err := a.rewrapKeys(t.Context(), a.wrapping.Load(), "image/5")
			must(t, err)
		},
		"in the middle of a batch": func(t *testing.T, a aging) {
			must(t, a.addWrapper(t.Context()))
			err := in(t, a.pool, func(tx pgx.Tx) error {
				_, err := tx.Exec(t.Context(), `update vault.keys set wrapped = null, destroyed_at = now(), destroyed_why = 'x'`)
				return errors.Join(err, stop)
			})
			if !errors.Is(err, stop) {
				t.Fatal(err)
			}
		},
		"when it was due": func(t *testing.T, a aging) {
			_, err := a.Rotate(t.Context())
			must(t, err)
			a.later(t, time.Hour)
			must(t, a.closeRetired(t.Context()))
		},
		"when the database had destroyed it": func(t *testing.T, a aging) {
			_, err := a.Rotate(t.Context())
			must(t, err)
			a.later(t, time.Hour)
			must(t, a.closeRetired(t.Context()))
			a.later(t, time.Hour)
			must(t, a.closeRetired(t.Context()))
		},
	}
	for name, crash := range tests {
		t.Run(name, func(t *testing.T) {
			a := newAging(t)
			sealed := map[personal.KeyID][]byte{}
			for n := range 9 {
				id := personal.KeyID(fmt.Sprintf("image/%d", n))
				s, err := made(t, a.testVault, id).Seal([]byte("plain"), nil)
				must(t, err)
				sealed[id] = s
			}
			crash(t, a)
			a.testVault = a.open(t)
			must(t, a.Tend(t.Context()))
			for id, s := range sealed {
				k, err := a.Key(t.Context(), id)
				must(t, err)
				if got, err := k.Open(s, nil); err != nil || string(got) != "plain" {
					t.Errorf("%s opened as %q, %v", id, got, err)
				}
			}
			var elsewhere int
			must(t, a.pool.QueryRow(t.Context(), `select count(*) from vault.keys where vault.wrapper(wrapped) <> $1`, a.wrapping.Load().first).Scan(&elsewhere))
			if elsewhere != 0 {
				t.Errorf("%d keys are wrapped by an old one", elsewhere)
			}
			made(t, a.testVault, "image/new")
			// And it goes on to the end.
			rotateAway(t, a.Vault)
			a.later(t, 2*time.Hour)
			must(t, a.Tend(t.Context()))
			a.later(t, 2*time.Hour)
			must(t, a.Tend(t.Context()))
			if ids := a.wrapping.Load().ids; len(ids) != 1 {
				t.Errorf("the keyset holds %v", ids)
			}
			wantKey(t, a.open(t), "image/new", nil)
		})
	}
}

// The file is written twice only with all that it holds, whatever one was told when writing it.
func TestNoWriteLosesAKey(t *testing.T) {
	tests := map[string]func(t *testing.T, a aging) error{
		"written, and said to have failed": func(t *testing.T, a aging) error {
			w, err := a.wrapping.Load().with()
			must(t, err)
			must(t, a.file.replace(w.handle))
			_, err = a.Rotate(t.Context())
			return err
		},
		"written, and unknown to the database when another is dropped": func(t *testing.T, a aging) error {
			w, err := a.wrapping.Load().with()
			must(t, err)
			must(t, a.file.replace(w.handle))
			a.written = w
			must(t, a.dropDestroyed(t.Context()))
			a.changing.Lock()
			defer a.changing.Unlock()
			return a.takeWritten(t.Context())
		},
		"written, said to have failed, and another is dropped": func(t *testing.T, a aging) error {
			w, err := a.wrapping.Load().with()
			must(t, err)
			must(t, a.file.replace(w.handle))
			must(t, a.dropDestroyed(t.Context()))
			return a.Tend(t.Context())
		},
		"an older file in its place": func(t *testing.T, a aging) error {
			w, err := a.wrapping.Load().without(a.wrapping.Load().ids[0])
			must(t, err)
			must(t, a.file.replace(w.handle))
			_, err = a.Rotate(t.Context())
			return err
		},
		"the file of another vault in its place": func(t *testing.T, a aging) error {
			other := newAging(t)
			must(t, a.file.replace(other.wrapping.Load().handle))
			_, err := a.Rotate(t.Context())
			if !errors.Is(err, ErrKeysetWrong) {
				return fmt.Errorf("a keyset of another vault: %w", errors.Join(errBlind, err))
			}
			return a.file.replace(a.wrapping.Load().handle)
		},
	}
	for name, meanwhile := range tests {
		t.Run(name, func(t *testing.T) {
			a := newAging(t)
			must(t, a.addWrapper(t.Context())) // a retired key, whose end the database has decided
			first := a.wrapping.Load().ids[0]
			_, err := a.rewrap(t.Context())
			must(t, err)
			_, err = a.pool.Exec(t.Context(), `update vault.wrappers set closed_at = now(), destroyed_at = now() where id = $1`, first)
			must(t, err)
			must(t, meanwhile(t, a))
			made(t, a.testVault, "image/new")
			wantKey(t, a.open(t), "image/new", nil)
			_, err = a.Rotate(t.Context())
			must(t, err)
			wantKey(t, a.open(t), "image/new", nil)
			must(t, a.Tend(t.Context()))
			again := a.open(t)
			wantKey(t, again, "image/new", nil)
			if again.wrapping.Load().has(first) {
				t.Error("the file holds a destroyed key")
			}
		})
	}
}

// While keys are wrapped anew, people go on: keys are made, read, locked and destroyed.
func TestRotationUnderLoad(t *testing.T) {
	a := newAging(t)
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var lives atomic.Int64
	for worker := range 4 {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				id := personal.KeyID(fmt.Sprintf("image/%d-%d", worker, n))
				k, err := a.New(id)
				if err == nil {
					err = pgx.BeginFunc(t.Context(), a.app, func(tx pgx.Tx) error { return a.Make(t.Context(), tx, k) })
				}
				if err == nil {
					_, err = a.Key(t.Context(), id)
				}
				if err == nil {
					err = pgx.BeginFunc(t.Context(), a.app, func(tx pgx.Tx) error { return a.Lock(t.Context(), tx, []personal.KeyID{id}) })
				}
				if err == nil && n%2 == 0 {
					err = pgx.BeginFunc(t.Context(), a.app, func(tx pgx.Tx) error { return a.Destroy(t.Context(), tx, id, "image.deleted") })
				}
				if err != nil {
					t.Error(err)
					return
				}
				lives.Add(1)
			}
		})
	}
	for range 5 {
		_, err := a.Rotate(t.Context())
		must(t, err)
		before := lives.Load()
		eventually(t, "nobody lives on", func() bool { return lives.Load() > before+20 })
	}
	stop()
	all.Wait()
	must(t, a.Tend(t.Context()))
	var elsewhere int
	must(t, a.pool.QueryRow(t.Context(), `select count(*) from vault.keys where vault.wrapper(wrapped) <> $1`, a.wrapping.Load().first).Scan(&elsewhere))
	if elsewhere != 0 {
		t.Errorf("%d keys are wrapped by an old one", elsewhere)
	}
}

// A key-encryption key is not destroyed while anything is wrapped by it, however late it is.
func TestWhatStillWrapsStays(t *testing.T) {
	a := newAging(t)
	made(t, a.testVault, keyID)
	old := a.wrapping.Load()
	must(t, a.addWrapper(t.Context()))
	a.later(t, 24*time.Hour)
	for range 3 {
		must(t, a.closeRetired(t.Context()))
		must(t, a.dropDestroyed(t.Context()))
		a.later(t, 24*time.Hour)
	}
	if !a.wrapping.Load().has(old.first) {
		t.Fatal("it was destroyed")
	}
	wantKey(t, a.open(t), keyID, nil)
	// Once it is closed, nobody wraps by it any more: not even a service that has not noticed.
	must(t, a.Tend(t.Context()))
	behind := testVault{a.open(t).Vault, a.app}
	behind.wrapping.Store(old)
	k, err := behind.New("image/late")
	must(t, err)
	err = in(t, a.app, func(tx pgx.Tx) error { return behind.Make(t.Context(), tx, k) })
	if !errors.Is(err, ErrKeysetBehind) {
		t.Errorf("made under a closed key: %v", err)
	}
	if err := behind.PutSecret(t.Context(), "log/late", []byte("secret")); !errors.Is(err, ErrKeysetBehind) {
		t.Errorf("a secret kept under a closed key: %v", err)
	}
	if names, err := a.Secrets(t.Context(), "log/"); err != nil || len(names) != 0 {
		t.Errorf("there are secrets %v, %v", names, err)
	}
}

func TestServicesThatShareAVault(t *testing.T) {
	a := newAging(t)
	copied := filepath.Join(t.TempDir(), "keyset")
	content, err := os.ReadFile(a.keyset)
	must(t, err)
	must(t, os.WriteFile(copied, content, 0o600))
	other, err := a.tryOpen(t, KeysetFile{Path: copied})
	must(t, err)
	must(t, a.Hold(t.Context()))
	must(t, other.Hold(t.Context()))
	if _, err := a.Rotate(t.Context()); !errors.Is(err, ErrShared) {
		t.Fatalf("rotated behind the other's back: %v", err)
	}
	must(t, other.LetGo(t.Context()))
	_, err = a.Rotate(t.Context())
	must(t, err)
	made(t, a.testVault, keyID)
	if _, err := a.tryOpen(t, KeysetFile{Path: copied}); !errors.Is(err, ErrKeysetBehind) {
		t.Errorf("started with an old copy: %v", err)
	}
	if _, err := other.Key(t.Context(), keyID); !errors.Is(err, ErrKeysetBehind) {
		t.Errorf("an old copy opens what is new: %v", err)
	}
	content, err = os.ReadFile(a.keyset)
	must(t, err)
	must(t, os.WriteFile(copied, content, 0o600))
	other, err = a.tryOpen(t, KeysetFile{Path: copied})
	must(t, err)
	wantKey(t, testVault{other, a.app}, keyID, nil)
	// Each drops a destroyed key from its own file.
	rotateAway(t, a.Vault)
	content, err = os.ReadFile(a.keyset)
	must(t, err)
	must(t, os.WriteFile(copied, content, 0o600))
	if _, err := a.tryOpen(t, KeysetFile{Path: copied}); err != nil {
		t.Error(err)
	}
}

// remote stands for a key of a key management service.
type remote struct {
	tink.AEAD
	asked  int
	failed error
}

func newRemote(t testing.TB) *remote {
	t.Helper()
	return &remote{AEAD: testKey(t, 9).fields}
}

func (r *remote) Encrypt(plain, associated []byte) ([]byte, error) {
	if r.asked++; r.failed != nil {
		return nil, r.failed
	}
	return r.AEAD.Encrypt(plain, associated)
}

func (r *remote) Decrypt(sealed, associated []byte) ([]byte, error) {
	if r.asked++; r.failed != nil {
		return nil, r.failed
	}
	return r.AEAD.Decrypt(sealed, associated)
}

// sealsOnly is a key with which one may seal and not open.
type sealsOnly struct{ tink.AEAD }

var errBlind = errors.New("not allowed to open")

func (*sealsOnly) Decrypt([]byte, []byte) ([]byte, error) { return nil, errBlind }

func TestKeysetUnderAKeyOfAService(t *testing.T) {
	a := newAging(t)
	made(t, a.testVault, keyID)
	clear, err := os.ReadFile(a.keyset)
	must(t, err)
	local, there := KeysetFile{Path: a.keyset}, newRemote(t)
	if _, err := a.tryOpen(t, KeysetFile{Path: a.keyset, Under: there}); !errors.Is(err, ErrKeysetClear) {
		t.Errorf("a keyset in clear, where a sealed one was expected: %v", err)
	}
	must(t, local.Rewrap(there))
	sealed, err := os.ReadFile(a.keyset)
	must(t, err)
	if len(sealed) == 0 || string(sealed) == string(clear) {
		t.Error("it still stands in clear")
	}
	if _, err := a.tryOpen(t, local); !errors.Is(err, ErrKeysetSealed) {
		t.Errorf("a sealed keyset without its key: %v", err)
	}
	there.asked = 0
	v, err := a.tryOpen(t, KeysetFile{Path: a.keyset, Under: there})
	must(t, err)
	wantKey(t, testVault{v, a.app}, keyID, nil)
	made(t, testVault{v, a.app}, "image/2")
	if there.asked != 1 {
		t.Errorf("the service was asked %d times for a start and two keys", there.asked)
	}
	// Rotation keeps it sealed.
	_, err = v.Rotate(t.Context())
	must(t, err)
	if _, err := a.tryOpen(t, local); !errors.Is(err, ErrKeysetSealed) {
		t.Errorf("after a rotation: %v", err)
	}
	// What the service says is not swallowed, at a start and at a rotation.
	there.failed = errors.New("not today")
	if _, err := a.tryOpen(t, KeysetFile{Path: a.keyset, Under: there}); !errors.Is(err, there.failed) {
		t.Errorf("a start without the service: %v", err)
	}
	if _, err := v.Rotate(t.Context()); !errors.Is(err, there.failed) {
		t.Errorf("a rotation without the service: %v", err)
	}
	there.failed = nil
	_, err = v.Rotate(t.Context())
	must(t, err)
	// A key that seals and does not open does not get the only copy.
	blind := &sealsOnly{testKey(t, 8).fields}
	if err := (KeysetFile{Path: a.keyset, Under: there}).Rewrap(blind); !errors.Is(err, errBlind) {
		t.Errorf("under a key that does not open: %v", err)
	}
	if _, err := a.tryOpen(t, KeysetFile{Path: a.keyset, Under: there}); err != nil {
		t.Errorf("after that, the file does not open: %v", err)
	}
	if _, err := os.Stat(a.keyset + ".new"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was written stays: %v", err)
	}
	// And back.
	must(t, KeysetFile{Path: a.keyset, Under: there}.Rewrap(nil))
	wantKey(t, a.open(t), keyID, nil)
}

// After the file was replaced, its old content is nowhere under its old place on the disk.
func TestOldKeysetIsOverwritten(t *testing.T) {
	a := newAging(t)
	old, err := os.Open(a.keyset)
	must(t, err)
	defer old.Close()
	before, err := os.ReadFile(a.keyset)
	must(t, err)
	_, err = a.Rotate(t.Context())
	must(t, err)
	after := make([]byte, len(before))
	_, err = old.ReadAt(after, 0)
	must(t, err)
	if slices.Equal(before, after) {
		t.Error("it is still there")
	}
	if info, err := os.Stat(a.keyset); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the new one: %v, %v", info, err)
	}
}
