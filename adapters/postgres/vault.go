package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/internal/usecase"
)

// Vault holds the keys, each wrapped by the key-encryption keyset. Make, Lock and Destroy
// are steps of the ledger's append, in its transaction; everything else goes over
// connections of the vault's own role.
type Vault struct {
	pool     *pgxpool.Pool // of the vault's role
	file     KeysetFile
	policy   usecase.KeyPolicy
	now      usecase.Now
	wrapping atomic.Pointer[wrapping]
	changing sync.Mutex // held by whoever puts another wrapping in its place
	written  *wrapping  // it is in the file, and the database may not know it yet; nil mostly
	mac      []byte     // the key of MACs; the same on all machines of this service
	cache    *cache
	wall     usecase.Now
	holder   string // this process, among those who use the vault
	withheld atomic.Bool
}

var _ usecase.Vault = (*Vault)(nil)

// VaultConfig says how to open a vault.
type VaultConfig struct {
	Keyset KeysetFile
	Policy usecase.KeyPolicy // how long keys live
	Now    usecase.Now       // the service's time, by which keys and key-encryption keys end
	Wall   usecase.Now       // the real time, which bounds how long a key is cached
}

// OpenVault opens the vault of a database that [Migrate] was run on. The very first opening
// makes the keyset and the service's secret; afterwards the file must be there, belong to this
// vault, and be readable by its owner alone.
func OpenVault(ctx context.Context, d *Database, c VaultConfig) (*Vault, error) {
	v := &Vault{pool: d.vault, file: c.Keyset, policy: c.Policy, now: c.Now, cache: newCache(c.Wall), wall: c.Wall, holder: rand.Text()}
	err := pgx.BeginFunc(ctx, d.vault, func(tx pgx.Tx) error {
		// Of several first starts at once, one makes the keyset.
		if err := lockByName(ctx, tx, openLock); err != nil {
			return err
		}
		used, err := inUse(ctx, tx)
		if err != nil {
			return err
		}
		w, err := openWrapping(c.Keyset, used)
		if err != nil {
			return err
		}
		if err := w.check(ctx, tx, c.Now()); err != nil {
			return err
		}
		if used {
			v.mac, err = loadMAC(ctx, tx, w)
		} else {
			v.mac, err = makeMAC(ctx, tx, w)
		}
		v.wrapping.Store(w)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open the vault: %w", err)
	}
	return v, nil
}

// openLock is held by whoever opens the vault or changes its key-encryption keys.
const openLock = "open the vault"

// inUse says whether the vault has been opened before.
func inUse(ctx context.Context, tx pgx.Tx) (used bool, err error) {
	err = tx.QueryRow(ctx, `select exists (select from vault.secrets) or exists (select from vault.keys)`).Scan(&used)
	return used, err
}

// VaultUsed says whether a database's vault has been opened before.
func VaultUsed(ctx context.Context, d *Database) (used bool, err error) {
	err = pgx.BeginFunc(ctx, d.vault, func(tx pgx.Tx) error {
		used, err = inUse(ctx, tx)
		return err
	})
	if err != nil {
		return false, unavailable("look into the vault", err)
	}
	return used, nil
}

// errWithheld says that keys are not given out yet.
var errWithheld = fmt.Errorf("%w (the vault is being compared with the record)", event.ErrUnavailable)

// Withhold has [Vault.Key] answer [event.ErrUnavailable] until [Vault.Release]: a vault that may
// have come back from a backup gives no key before it was compared with the record.
func (v *Vault) Withhold() { v.withheld.Store(true) }

// Release ends that.
func (v *Vault) Release() { v.withheld.Store(false) }

// New implements [usecase.Vault].
func (v *Vault) New(id personal.KeyID) (personal.Key, error) {
	if _, _, err := v.lifetime(context.Background(), id); err != nil {
		return nil, err
	}
	secret := make([]byte, keySize)
	_, _ = rand.Read(secret) // never fails
	return deriveKey(id, secret)
}

// lifetime returns a key's kind and what the policy says of it; an error if it may not be made.
func (v *Vault) lifetime(ctx context.Context, id personal.KeyID) (kind string, l usecase.Lifetime, err error) {
	kind, rest, ok := strings.Cut(string(id), "/")
	if !ok || kind == "" || rest == "" {
		return "", l, errors.New("vault: a key is named after a stream, <kind>/<id>")
	}
	l, err = v.policy.Lifetime(ctx, kind, v.now())
	return kind, l, err
}

// Key implements [usecase.Vault]; it is [event.ErrUnavailable] while Postgres is away. A key that another process has destroyed may be
// returned for up to a minute, one that this process has destroyed never once that is committed.
func (v *Vault) Key(ctx context.Context, id personal.KeyID) (personal.Key, error) {
	if v.withheld.Load() {
		return nil, errWithheld
	}
	if k, ok := v.cache.get(id); ok {
		return k, nil
	}
	asked := v.wall()
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
	secret, err := v.wrapping.Load().unwrap(wrapped, keyContext(id))
	if err != nil {
		return nil, fmt.Errorf("key %s does not open: %w", id, err)
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
	kind, lifetime, err := v.lifetime(ctx, k.id)
	if err != nil {
		return err
	}
	wrapped, err := v.wrapping.Load().wrap(k.secret, keyContext(k.id))
	if err != nil {
		return fmt.Errorf("wrap key %s: %w", k.id, err)
	}
	var due *time.Time
	if !lifetime.Due.IsZero() {
		due = &lifetime.Due
	}
	var outcome string
	err = tx.QueryRow(ctx, `select vault.make($1, $2, $3, $4)`, string(k.id), kind, wrapped, due).Scan(&outcome)
	switch {
	case err != nil:
		return fmt.Errorf("make key %s: %w", k.id, err)
	case outcome == "there":
		return fmt.Errorf("make key %s: %w", k.id, event.ErrConflict)
	case outcome != "made":
		return fmt.Errorf("make key %s: %w", k.id, ErrKeysetBehind)
	}
	return nil
}

// Lock holds keys alive until the transaction ends. It is [personal.ErrNoKey] if the
// vault does not know one of them, else [personal.ErrDestroyed] if one is destroyed.
func (v *Vault) Lock(ctx context.Context, tx pgx.Tx, ids []personal.KeyID) error {
	if len(ids) == 0 {
		return nil
	}
	var unknown, destroyed *string
	err := tx.QueryRow(ctx, `select unknown, destroyed from vault.lock($1)`, texts(ids)).Scan(&unknown, &destroyed)
	switch {
	case err != nil:
		return fmt.Errorf("lock keys: %w", err)
	case unknown != nil:
		return fmt.Errorf("key %s: %w", *unknown, personal.ErrNoKey)
	case destroyed != nil:
		return fmt.Errorf("key %s: %w", *destroyed, personal.ErrDestroyed)
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
	err := tx.QueryRow(ctx, `select vault.destroy($1, $2)`, string(id), why).Scan(&known)
	if err != nil {
		return fmt.Errorf("destroy key %s: %w", id, err)
	}
	if !known {
		return fmt.Errorf("destroy key %s: %w", id, personal.ErrNoKey)
	}
	return nil
}
