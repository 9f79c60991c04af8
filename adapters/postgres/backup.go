package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrVaultUsed refuses to restore over keys.
var ErrVaultUsed = errors.New("the vault of this database is in use, and a backup is restored into an empty one only: " +
	"use a fresh data folder or database")

// BackupTo writes a backup to a file that must not exist yet, readable by its owner alone. It is
// there whole and on the disk when BackupTo returns, or not at all.
func (v *Vault) BackupTo(ctx context.Context, path string) (BackupCounts, error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return BackupCounts{}, errors.Join(err, fmt.Errorf("%s: %w", path, fs.ErrExist))
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".unfinished-*") // mode 0600
	if err != nil {
		return BackupCounts{}, err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	counts, err := v.Backup(ctx, f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return BackupCounts{}, err
	}
	// A link, unlike a rename, fails when the file exists.
	if err := os.Link(f.Name(), path); err != nil {
		return BackupCounts{}, err
	}
	return counts, flushFolder(filepath.Dir(path))
}

// Backup writes everything that the vault holds, as it is at one moment, sealed. The vault goes
// on meanwhile.
func (v *Vault) Backup(ctx context.Context, w io.Writer) (counts BackupCounts, err error) {
	secret := make([]byte, keySize)
	_, _ = rand.Read(secret) // never fails
	wrap := v.wrapping.Load()
	err = pgx.BeginTxFunc(ctx, v.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		b, err := newBackupWriter(w, wrap, secret)
		if err != nil {
			return err
		}
		head := &backupHead{}
		if err := tx.QueryRow(ctx, `select now(), seq from vault.compared`).Scan(&head.At, &head.Compared); err != nil {
			return err
		}
		if err := b.write(backupLine{Vault: head}); err != nil {
			return err
		}
		if err := backUpSecrets(ctx, tx, wrap, b); err != nil {
			return err
		}
		if err := backUpKeys(ctx, tx, wrap, b); err != nil {
			return err
		}
		counts, err = b.close()
		return err
	})
	if err != nil {
		return BackupCounts{}, unavailable("back up the vault", err)
	}
	return counts, nil
}

func backUpSecrets(ctx context.Context, tx pgx.Tx, wrap *wrapping, b *backupWriter) error {
	rows, err := tx.Query(ctx, `select name, wrapped, made_at from vault.secrets order by name`)
	if err != nil {
		return err
	}
	var s backupSecret
	_, err = pgx.ForEachRow(rows, []any{&s.Name, &s.Wrapped, &s.Made}, func() error {
		anew, err := wrap.newest(s.Wrapped, secretContext(s.Name))
		if err != nil {
			return fmt.Errorf("secret %s: %w", s.Name, err)
		}
		return b.write(backupLine{Secret: &backupSecret{Name: s.Name, Wrapped: anew, Made: s.Made}})
	})
	return err
}

func backUpKeys(ctx context.Context, tx pgx.Tx, wrap *wrapping, b *backupWriter) error {
	rows, err := tx.Query(ctx, `
		select id, kind, wrapped, made_at, due_at, destroyed_at, destroyed_why
		from vault.keys`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var k backupKey
		if err := rows.Scan(&k.ID, &k.Kind, &k.Wrapped, &k.Made, &k.Due, &k.Destroyed, &k.Why); err != nil {
			return err
		}
		if k.Wrapped != nil {
			if k.Wrapped, err = wrap.newest(k.Wrapped, keyContext(k.ID)); err != nil {
				return fmt.Errorf("key %s: %w", k.ID, err)
			}
		}
		if err := b.write(backupLine{Key: &k}); err != nil {
			return err
		}
	}
	return rows.Err()
}

// newest returns a wrapped secret as it is wrapped by the newest key.
func (w *wrapping) newest(wrapped, context []byte) ([]byte, error) {
	if id, ok := wrapperOf(wrapped); ok && id == w.first {
		return wrapped, nil
	}
	secret, err := w.unwrap(wrapped, context)
	if err != nil {
		return nil, err
	}
	anew, err := w.wrap(secret, context)
	return anew, err
}

// Restore takes a backup into the empty vault of a database that [Migrate] was run on: all of it, or
// nothing. The keyset must be there, because it is no part of a backup.
func Restore(ctx context.Context, d *Database, c VaultConfig, from io.Reader) (counts BackupCounts, err error) {
	handle, err := c.Keyset.read()
	if errors.Is(err, fs.ErrNotExist) {
		return counts, fmt.Errorf("%s: %w", c.Keyset.Path, ErrKeysetMissing)
	}
	if err != nil {
		return counts, err
	}
	wrap, err := newWrapping(handle)
	if err != nil {
		return counts, fmt.Errorf("%s: %w", c.Keyset.Path, err)
	}
	err = pgx.BeginFunc(ctx, d.vault, func(tx pgx.Tx) error {
		if err := lockByName(ctx, tx, openLock); err != nil {
			return err
		}
		used, err := inUse(ctx, tx)
		if err != nil {
			return err
		}
		if used {
			return ErrVaultUsed
		}
		r, err := newBackupReader(from, wrap)
		if err != nil {
			return err
		}
		if err := restoreRows(ctx, tx, &restoring{wrap: wrap, from: r}); err != nil {
			return err
		}
		counts = r.counts
		if err := register(ctx, tx, wrap.first, c.Now()); err != nil {
			return err
		}
		// The next comparison looks at what came after that, and sees whether the record goes as far.
		_, err = tx.Exec(ctx, `update vault.compared set seq = $1`, r.head.Compared)
		return err
	})
	if err != nil {
		return BackupCounts{}, fmt.Errorf("restore the vault: %w", err)
	}
	return counts, nil
}

func restoreRows(ctx context.Context, tx pgx.Tx, r *restoring) error {
	_, err := tx.CopyFrom(ctx, pgx.Identifier{"vault", "keys"},
		[]string{"id", "kind", "wrapped", "made_at", "due_at", "destroyed_at", "destroyed_why"}, r)
	if r.failed != nil { // what the database says then is only that the copying was given up
		return r.failed
	}
	if isUnique(err) || err == nil && !slices.ContainsFunc(r.secrets, func(s backupSecret) bool { return s.Name == secretMAC }) {
		return ErrBackupDamaged
	}
	if err != nil {
		return err
	}
	for _, s := range r.secrets {
		if _, err := tx.Exec(ctx, `insert into vault.secrets (name, wrapped, made_at) values ($1, $2, $3)`, s.Name, s.Wrapped, s.Made); err != nil {
			return err
		}
	}
	return nil
}

func isUnique(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Code == "23505"
}

// restoring hands out the keys of a backup, row by row ([pgx.CopyFromSource]), each of which opens.
type restoring struct {
	wrap    *wrapping
	from    *backupReader
	secrets []backupSecret // they are few
	key     *backupKey
	failed  error
}

// Next implements [pgx.CopyFromSource].
func (r *restoring) Next() bool {
	for {
		secret, key, err := r.from.next()
		switch {
		case err != nil:
			r.failed = err
			return false
		case secret != nil:
			if secret.Wrapped, r.failed = r.opens(secret.Wrapped, secretContext(secret.Name)); r.failed != nil {
				return false
			}
			r.secrets = append(r.secrets, *secret)
			continue
		}
		r.key = key
		return key != nil
	}
}

// Values implements [pgx.CopyFromSource].
func (r *restoring) Values() ([]any, error) {
	k := r.key
	if k.Wrapped != nil {
		if k.Wrapped, r.failed = r.opens(k.Wrapped, keyContext(k.ID)); r.failed != nil {
			return nil, r.failed
		}
	}
	return []any{string(k.ID), k.Kind, k.Wrapped, k.Made, k.Due, k.Destroyed, k.Why}, nil
}

// Err implements [pgx.CopyFromSource].
func (r *restoring) Err() error { return r.failed }

// opens returns what was wrapped as the newest key wraps it, if it can be opened at all.
func (r *restoring) opens(wrapped, context []byte) ([]byte, error) {
	secret, err := r.wrap.unwrap(wrapped, context)
	if err != nil {
		return nil, ErrBackupDamaged
	}
	if id, _ := wrapperOf(wrapped); id == r.wrap.first {
		return wrapped, nil
	}
	anew, err := r.wrap.wrap(secret, context)
	return anew, err
}
