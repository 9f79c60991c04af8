package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// wrapping is a keyset, ready to wrap and unwrap. It does not change: rotation puts another in
// its place.
type wrapping struct {
	handle *keyset.Handle
	aead   tink.AEAD
	ids    []int64 // of its keys, by Tink
	first  int64   // wraps; the others only unwrap
}

func newWrapping(handle *keyset.Handle) (*wrapping, error) {
	w := &wrapping{handle: handle}
	var err error
	if w.aead, err = aead.New(handle); err != nil {
		return nil, ErrKeysetDamaged
	}
	info := handle.KeysetInfo()
	w.first = int64(info.GetPrimaryKeyId())
	for _, k := range info.GetKeyInfo() {
		w.ids = append(w.ids, int64(k.GetKeyId()))
	}
	return w, nil
}

func (w *wrapping) has(id int64) bool { return slices.Contains(w.ids, id) }

func (w *wrapping) lacksNoneOf(other *wrapping) bool {
	return !slices.ContainsFunc(other.ids, func(id int64) bool { return !w.has(id) })
}

func (w *wrapping) wrap(secret, context []byte) ([]byte, error) {
	return w.aead.Encrypt(secret, context)
}

// unwrap opens what was wrapped. [ErrKeysetBehind] says that a key did it that is not here.
func (w *wrapping) unwrap(wrapped, context []byte) ([]byte, error) {
	if id, ok := wrapperOf(wrapped); ok && !w.has(id) {
		return nil, fmt.Errorf("it is wrapped by key %d, which is not in the keyset: %w", id, ErrKeysetBehind)
	}
	secret, err := w.aead.Decrypt(wrapped, context)
	if err != nil {
		return nil, ErrKeysetWrong
	}
	return secret, nil
}

// wrapperOf reads the id that Tink writes behind the first byte.
func wrapperOf(wrapped []byte) (id int64, ok bool) {
	const prefix = 5
	if len(wrapped) < prefix {
		return 0, false
	}
	return int64(binary.BigEndian.Uint32(wrapped[1:prefix])), true
}

// with returns a keyset that has another key, which from then on wraps.
func (w *wrapping) with() (*wrapping, error) {
	m := keyset.NewManagerFromHandle(w.handle)
	id, err := m.Add(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, err
	}
	if err := m.SetPrimary(id); err != nil {
		return nil, err
	}
	return ofManager(m)
}

// without returns a keyset that lacks a key which no longer wraps.
func (w *wrapping) without(id int64) (*wrapping, error) {
	m := keyset.NewManagerFromHandle(w.handle)
	if err := m.Delete(uint32(id)); err != nil {
		return nil, err
	}
	return ofManager(m)
}

func ofManager(m *keyset.Manager) (*wrapping, error) {
	handle, err := m.Handle()
	if err != nil {
		return nil, err
	}
	return newWrapping(handle)
}

// openWrapping reads the keyset, or makes it when the vault was never used.
func openWrapping(file KeysetFile, used bool) (*wrapping, error) {
	handle, err := file.read()
	if errors.Is(err, fs.ErrNotExist) {
		if used {
			return nil, fmt.Errorf("%s: %w", file.Path, ErrKeysetMissing)
		}
		if err := file.make(); err != nil {
			return nil, fmt.Errorf("make the key-encryption keyset: %w", err)
		}
		handle, err = file.read()
	}
	if err != nil {
		return nil, err
	}
	w, err := newWrapping(handle)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file.Path, err)
	}
	return w, nil
}

// wrapper is a row of vault.wrappers.
type wrapper struct {
	ID        int64
	Made      time.Time
	Retired   *time.Time
	Closed    *time.Time
	Destroyed *time.Time
}

func listWrappers(ctx context.Context, tx pgx.Tx) ([]wrapper, error) {
	rows, err := tx.Query(ctx, `
		select id, made_at, retired_at, closed_at, destroyed_at
		from vault.wrappers
		order by made_at, id`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[wrapper])
}

// register has the database know the key that wraps from now on. Whichever wrapped before is retired.
func register(ctx context.Context, tx pgx.Tx, first int64, now time.Time) error {
	_, err := tx.Exec(ctx, `
		update vault.wrappers
		set retired_at = $2
		where retired_at is null and id <> $1`, first, now)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		insert into vault.wrappers (id, made_at)
		values ($1, $2)
		on conflict (id) do nothing`, first, now)
	return err
}

// check has keyset and database agree at an opening: a key that a rotation added before it was cut
// off is registered; one that the keyset lacks, and that still wraps something, is an error.
func (w *wrapping) check(ctx context.Context, tx pgx.Tx, now time.Time) error {
	all, err := listWrappers(ctx, tx)
	if err != nil {
		return err
	}
	if len(all) > 0 && !slices.ContainsFunc(all, func(k wrapper) bool { return w.has(k.ID) }) {
		return ErrKeysetWrong
	}
	known := false
	for _, k := range all {
		known = known || k.ID == w.first
		if k.Destroyed != nil || w.has(k.ID) {
			continue
		}
		used, err := wraps(ctx, tx, k.ID)
		if err != nil {
			return err
		}
		if used || k.Retired == nil {
			return fmt.Errorf("key %d, made %s: %w", k.ID, k.Made.UTC().Format(time.DateOnly), ErrKeysetBehind)
		}
	}
	if known {
		return nil
	}
	return register(ctx, tx, w.first, now)
}

// wraps says whether a live key or a secret is wrapped by a key-encryption key.
func wraps(ctx context.Context, tx pgx.Tx, id int64) (used bool, err error) {
	err = tx.QueryRow(ctx, `
		select exists (select from vault.keys where wrapped is not null and vault.wrapper(wrapped) = $1)
		    or exists (select from vault.secrets where vault.wrapper(wrapped) = $1)`, id).Scan(&used)
	return used, err
}
