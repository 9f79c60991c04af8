package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/internal/usecase"
)

// Vault holds the keys, each wrapped by the key-encryption keyset. Make, Lock and Destroy
// are steps of the ledger's append, in its transaction.
type Vault struct {
	pool     *pgxpool.Pool
	wrapping tink.AEAD
	mac      []byte // the key of MACs; the same on all machines of this service
	cache    *cache
	now      func() time.Time
}

var _ usecase.Vault = (*Vault)(nil)

// OpenVault opens the vault with the key-encryption keyset in a file. The very first
// opening makes the keyset and the service's secrets; afterwards the file must be there,
// belong to this vault, and be readable by its owner alone. now is the real time: it
// bounds how long a key is cached.
func OpenVault(ctx context.Context, pool *pgxpool.Pool, keyset string, now func() time.Time) (*Vault, error) {
	v := &Vault{pool: pool, cache: newCache(now), now: now}
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		// Of several first starts at once, one makes the keyset.
		if err := lockByName(ctx, tx, "open the vault"); err != nil {
			return err
		}
		used, err := inUse(ctx, tx)
		if err != nil {
			return err
		}
		v.wrapping, err = loadKeyset(keyset)
		if errors.Is(err, fs.ErrNotExist) {
			if used {
				return fmt.Errorf("%s: %w", keyset, ErrKeysetMissing)
			}
			if err := makeKeyset(keyset); err != nil {
				return fmt.Errorf("make the key-encryption keyset: %w", err)
			}
			v.wrapping, err = loadKeyset(keyset)
		}
		if err != nil {
			return err
		}
		if used {
			v.mac, err = loadMAC(ctx, tx, v.wrapping)
		} else {
			v.mac, err = makeMAC(ctx, tx, v.wrapping)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open the vault: %w", err)
	}
	return v, nil
}

// inUse says whether the vault has been opened before.
func inUse(ctx context.Context, tx pgx.Tx) (used bool, err error) {
	err = tx.QueryRow(ctx, `select exists (select from vault.secrets) or exists (select from vault.keys)`).Scan(&used)
	return used, err
}

// New implements [usecase.Vault].
func (v *Vault) New(id personal.KeyID) (personal.Key, error) {
	if _, err := kindOf(id); err != nil {
		return nil, err
	}
	secret := make([]byte, keySize)
	_, _ = rand.Read(secret) // never fails
	return deriveKey(id, secret)
}

// kindOf returns what kind of subject a key belongs to: the first part of its id.
func kindOf(id personal.KeyID) (string, error) {
	kind, rest, ok := strings.Cut(string(id), "/")
	if !ok || kind == "" || rest == "" {
		return "", errors.New("vault: a key is named after a stream, <kind>/<id>")
	}
	return kind, nil
}

// Key implements [usecase.Vault]; it is [event.ErrUnavailable] while Postgres is away. A key that another process has destroyed may be
// returned for up to a minute, one that this process has destroyed never once that is committed.
func (v *Vault) Key(ctx context.Context, id personal.KeyID) (personal.Key, error) {
	if k, ok := v.cache.get(id); ok {
		return k, nil
	}
	asked := v.now()
	var wrapped []byte
	err := v.pool.QueryRow(ctx, `select wrapped from vault.keys where id = $1`, string(id)).Scan(&wrapped)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, fmt.Errorf("key %s: %w", id, personal.ErrNoKey)
	case err != nil:
		return nil, unavailable(fmt.Sprintf("read key %s", id), err)
	case wrapped == nil:
		return nil, fmt.Errorf("key %s: %w", id, personal.ErrDestroyed)
	}
	secret, err := v.wrapping.Decrypt(wrapped, keyContext(id))
	if err != nil {
		return nil, fmt.Errorf("key %s does not open: %w", id, ErrKeysetWrong)
	}
	k, err := deriveKey(id, secret)
	if err != nil {
		return nil, err
	}
	v.cache.put(k, asked)
	return k, nil
}

func keyContext(id personal.KeyID) []byte { return []byte("bgremover key " + string(id)) }

// Make stores a key of [Vault.New]. It exists once the transaction commits. A key that is
// or was there already is [event.ErrConflict]: its subject has begun before.
func (v *Vault) Make(ctx context.Context, tx pgx.Tx, made personal.Key) error {
	k, ok := made.(*key)
	if !ok {
		return fmt.Errorf("make key %s: it is not of this vault", made.ID())
	}
	kind, err := kindOf(k.id)
	if err != nil {
		return err
	}
	wrapped, err := v.wrapping.Encrypt(k.secret, keyContext(k.id))
	if err != nil {
		return fmt.Errorf("wrap key %s: %w", k.id, err)
	}
	stored, err := tx.Exec(ctx, `
		insert into vault.keys (id, kind, wrapped)
		values ($1, $2, $3)
		on conflict (id) do nothing`, string(k.id), kind, wrapped)
	if err != nil {
		return fmt.Errorf("make key %s: %w", k.id, err)
	}
	if stored.RowsAffected() == 0 {
		return fmt.Errorf("make key %s: %w", k.id, event.ErrConflict)
	}
	return nil
}

// Lock holds keys alive until the transaction ends. It is [personal.ErrNoKey] if the
// vault does not know one of them, else [personal.ErrDestroyed] if one is destroyed.
func (v *Vault) Lock(ctx context.Context, tx pgx.Tx, ids []personal.KeyID) error {
	if len(ids) == 0 {
		return nil
	}
	// Everybody locks in the same order, so that nobody waits in a circle.
	rows, err := tx.Query(ctx, `
		select id, wrapped is not null
		from vault.keys
		where id = any ($1)
		order by id
		for share`, texts(ids))
	if err != nil {
		return fmt.Errorf("lock keys: %w", err)
	}
	live := make(map[personal.KeyID]bool, len(ids))
	var id string
	var alive bool
	if _, err := pgx.ForEachRow(rows, []any{&id, &alive}, func() error {
		live[personal.KeyID(id)] = alive
		return nil
	}); err != nil {
		return fmt.Errorf("lock keys: %w", err)
	}
	for _, id := range ids {
		if _, known := live[id]; !known {
			return fmt.Errorf("key %s: %w", id, personal.ErrNoKey)
		}
	}
	for _, id := range ids {
		if !live[id] {
			return fmt.Errorf("key %s: %w", id, personal.ErrDestroyed)
		}
	}
	return nil
}

func texts(ids []personal.KeyID) []string {
	all := make([]string, 0, len(ids))
	for _, id := range ids {
		all = append(all, string(id))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Destroy turns a key into its tombstone, for good once the transaction commits. A key
// that is destroyed already stays as it is; one that the vault does not know is
// [personal.ErrNoKey].
func (v *Vault) Destroy(ctx context.Context, tx pgx.Tx, id personal.KeyID, why string) error {
	v.cache.bar(id)
	var known bool
	err := tx.QueryRow(ctx, `
		with destroyed as (
			update vault.keys
			set wrapped = null, destroyed_at = clock_timestamp(), destroyed_why = $2
			where id = $1 and wrapped is not null
		)
		select exists (select from vault.keys where id = $1)`, string(id), why).Scan(&known)
	if err != nil {
		return fmt.Errorf("destroy key %s: %w", id, err)
	}
	if !known {
		return fmt.Errorf("destroy key %s: %w", id, personal.ErrNoKey)
	}
	return nil
}
