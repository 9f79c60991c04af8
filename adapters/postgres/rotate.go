package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/refusal"
)

// ErrShared refuses a rotation that other services would not learn of.
var ErrShared = refusal.New(refusal.Conflict, "vault.shared",
	"Other services use this vault, each with a keyset of its own.",
	"Stop them, rotate, copy the file keyset to the data folder of each, and start them again; a service that died counts for two minutes.")

const (
	// heldFor is how long a service that says nothing counts as running.
	heldFor = 2 * time.Minute
	// closedFor is how long nothing may be wrapped by a key before it is destroyed: far longer
	// than a transaction that wrapped something by it takes to commit.
	closedFor = 10 * time.Minute
	// rewrapBatch is how many keys one transaction wraps anew. Appends that seal under one of
	// them wait that long.
	rewrapBatch = 500
)

// Hold says that this process uses the vault. It is repeated, several times in [heldFor].
func (v *Vault) Hold(ctx context.Context) error {
	_, err := v.pool.Exec(ctx, `
		insert into vault.holders (holder, seen_at)
		values ($1, clock_timestamp())
		on conflict (holder) do update
		set seen_at = excluded.seen_at`, v.holder)
	if err != nil {
		return unavailable("hold the vault", err)
	}
	return nil
}

// LetGo says that it does not any more.
func (v *Vault) LetGo(ctx context.Context) error {
	_, err := v.pool.Exec(ctx, `delete from vault.holders where holder = $1 or seen_at < clock_timestamp() - $2::interval`, v.holder, heldFor)
	if err != nil {
		return unavailable("let go of the vault", err)
	}
	return nil
}

// Rotate has a new key-encryption key wrap from now on, and everything that is alive wrapped by
// it. It returns how many keys and secrets were wrapped anew. What a crash cuts off is made up
// for by [Vault.Tend].
func (v *Vault) Rotate(ctx context.Context) (rewrapped int, err error) {
	if err := v.addWrapper(ctx); err != nil {
		return 0, fmt.Errorf("add a key-encryption key: %w", err)
	}
	return v.rewrap(ctx)
}

// addWrapper writes the keyset first, then has the database know its new key, and only then
// wraps by it: at every moment, what can be wrapped can be opened after a crash.
func (v *Vault) addWrapper(ctx context.Context) error {
	v.changing.Lock()
	defer v.changing.Unlock()
	if err := v.alone(ctx); err != nil {
		return err
	}
	if v.written == nil {
		next, err := v.latest()
		if err != nil {
			return err
		}
		if next.first == v.wrapping.Load().first { // else it stands in the file, although writing it failed
			if next, err = next.with(); err != nil {
				return err
			}
			if err := v.file.replace(next.handle); err != nil {
				return fmt.Errorf("write the key-encryption keyset: %w", err)
			}
		}
		v.written = next
	}
	return v.takeWritten(ctx)
}

// latest returns the keyset that lacks nothing, of the one in the file and the one in use: whoever
// writes the file starts from there, so that no key is lost which only one of them holds.
func (v *Vault) latest() (*wrapping, error) {
	handle, err := v.file.read()
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s: %w", v.file.Path, ErrKeysetMissing)
	}
	if err != nil {
		return nil, err
	}
	file, err := newWrapping(handle)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", v.file.Path, err)
	}
	inUse := v.wrapping.Load()
	switch {
	case inUse.lacksNoneOf(file):
		return inUse, nil
	case file.lacksNoneOf(inUse):
		return file, nil
	}
	return nil, fmt.Errorf("%s: %w", v.file.Path, ErrKeysetWrong)
}

// takeWritten wraps by the newest key that is in the file. The lock is held.
func (v *Vault) takeWritten(ctx context.Context) error {
	next := v.written
	if next == nil {
		next = v.wrapping.Load()
	}
	err := pgx.BeginFunc(ctx, v.pool, func(tx pgx.Tx) error {
		if err := lockByName(ctx, tx, openLock); err != nil {
			return err
		}
		return next.check(ctx, tx, v.now())
	})
	if err != nil {
		return unavailable("compare the keyset with the vault", err)
	}
	v.wrapping.Store(next)
	v.written = nil
	return nil
}

// alone refuses to go on while other services use the vault.
func (v *Vault) alone(ctx context.Context) error {
	var shared bool
	err := v.pool.QueryRow(ctx, `
		select exists (select from vault.holders
		               where holder <> $1 and seen_at >= clock_timestamp() - $2::interval)`, v.holder, heldFor).Scan(&shared)
	if err != nil {
		return unavailable("look for other services", err)
	}
	if shared {
		return ErrShared
	}
	return nil
}

// Tend does what is due about key-encryption keys: it completes a rotation that was cut off,
// wraps anew what is still wrapped by a retired key, and destroys retired keys that have had
// their time. A key is destroyed in two steps: first nothing may be wrapped by it any more,
// and some time later, when nothing is, it goes. Every service tends its own keyset.
func (v *Vault) Tend(ctx context.Context) error {
	v.changing.Lock()
	err := v.takeWritten(ctx)
	v.changing.Unlock()
	if err != nil {
		return err
	}
	if _, err := v.rewrap(ctx); err != nil {
		return err
	}
	if err := v.closeRetired(ctx); err != nil {
		return fmt.Errorf("close retired key-encryption keys: %w", err)
	}
	if err := v.dropDestroyed(ctx); err != nil {
		return fmt.Errorf("destroy retired key-encryption keys: %w", err)
	}
	return nil
}

// closeRetired takes the steps towards the end of every retired key whose time has come.
func (v *Vault) closeRetired(ctx context.Context) error {
	return pgx.BeginFunc(ctx, v.pool, func(tx pgx.Tx) error {
		if err := lockByName(ctx, tx, openLock); err != nil {
			return err
		}
		all, err := listWrappers(ctx, tx)
		if err != nil {
			return err
		}
		for _, k := range all {
			if k.Retired == nil || k.Destroyed != nil {
				continue
			}
			due, err := v.policy.WrappingDue(ctx, *k.Retired, v.now())
			if err != nil {
				return err
			}
			if !due {
				continue
			}
			_, err = tx.Exec(ctx, `
				update vault.wrappers
				set closed_at    = coalesce(closed_at, clock_timestamp()),
				    destroyed_at = case when closed_at < clock_timestamp() - $2::interval then $3::timestamptz end
				where id = $1
				  and not exists (select from vault.keys where wrapped is not null and vault.wrapper(wrapped) = $1)
				  and not exists (select from vault.secrets where vault.wrapper(wrapped) = $1)`, k.ID, closedFor, v.now())
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// dropDestroyed takes destroyed keys out of the keyset.
func (v *Vault) dropDestroyed(ctx context.Context) error {
	v.changing.Lock()
	defer v.changing.Unlock()
	rows, err := v.pool.Query(ctx, `select id from vault.wrappers where destroyed_at is not null`)
	if err != nil {
		return unavailable("list key-encryption keys", err)
	}
	destroyed, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return unavailable("list key-encryption keys", err)
	}
	before := v.wrapping.Load()
	if v.written != nil || !slices.ContainsFunc(destroyed, before.has) {
		return nil // a rotation that is not done comes first
	}
	after, err := v.latest()
	if err != nil {
		return err
	}
	if after.first != before.first { // the same
		v.written = after
		return nil
	}
	for _, id := range destroyed {
		if !after.has(id) || id == after.first {
			continue
		}
		if after, err = after.without(id); err != nil {
			return err
		}
	}
	if err := v.file.replace(after.handle); err != nil {
		return fmt.Errorf("write the key-encryption keyset: %w", err)
	}
	v.wrapping.Store(after)
	return nil
}

// rewrap wraps by the newest key what another wraps, a batch at a time.
func (v *Vault) rewrap(ctx context.Context) (rewrapped int, err error) {
	w := v.wrapping.Load()
	if rewrapped, err = v.rewrapSecrets(ctx, w); err != nil {
		return 0, unavailable("wrap secrets anew", err)
	}
	var after personal.KeyID
	for {
		n, last, err := v.rewrapKeys(ctx, w, after)
		if err != nil {
			return rewrapped, unavailable("wrap keys anew", err)
		}
		rewrapped += n
		if last == "" {
			return rewrapped, nil
		}
		after = last
	}
}

// wrapped is a row to be wrapped anew.
type wrapped struct {
	ID      string
	Wrapped []byte
}

// rewrapKeys wraps one batch anew; last is "" when there was none. A key that an append is using
// right now is passed over, so that nobody waits in a circle; the next round finds it.
func (v *Vault) rewrapKeys(ctx context.Context, w *wrapping, after personal.KeyID) (n int, last personal.KeyID, err error) {
	err = pgx.BeginFunc(ctx, v.pool, func(tx pgx.Tx) error {
		n, last = 0, ""
		rows, err := tx.Query(ctx, `
			select id, wrapped
			from vault.keys
			where wrapped is not null and id > $1 and vault.wrapper(wrapped) <> $2
			order by id
			limit $3
			for update skip locked`, string(after), w.first, rewrapBatch)
		if err != nil {
			return err
		}
		batch, err := pgx.CollectRows(rows, pgx.RowToStructByPos[wrapped])
		if err != nil || len(batch) == 0 {
			return err
		}
		last = personal.KeyID(batch[len(batch)-1].ID)
		n = len(batch)
		ids, anew, err := w.again(batch, func(id string) []byte { return keyContext(personal.KeyID(id)) })
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			update vault.keys k
			set wrapped = n.wrapped
			from unnest($1::text[], $2::bytea[]) n (id, wrapped)
			where k.id = n.id`, ids, anew)
		return err
	})
	return n, last, err
}

func (v *Vault) rewrapSecrets(ctx context.Context, w *wrapping) (n int, err error) {
	err = pgx.BeginFunc(ctx, v.pool, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			select name, wrapped
			from vault.secrets
			where vault.wrapper(wrapped) <> $1
			order by name
			for update`, w.first)
		if err != nil {
			return err
		}
		all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[wrapped])
		if n = len(all); err != nil || n == 0 {
			return err
		}
		names, anew, err := w.again(all, secretContext)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			update vault.secrets s
			set wrapped = n.wrapped
			from unnest($1::text[], $2::bytea[]) n (name, wrapped)
			where s.name = n.name`, names, anew)
		return err
	})
	return n, err
}

// again wraps by the newest key what is wrapped by any.
func (w *wrapping) again(all []wrapped, context func(id string) []byte) (ids []string, anew [][]byte, err error) {
	for _, one := range all {
		secret, err := w.unwrap(one.Wrapped, context(one.ID))
		if err != nil {
			return nil, nil, fmt.Errorf("%s does not open: %w", one.ID, err)
		}
		sealed, err := w.wrap(secret, context(one.ID))
		if err != nil {
			return nil, nil, err
		}
		ids, anew = append(ids, one.ID), append(anew, sealed)
	}
	return ids, anew, nil
}
