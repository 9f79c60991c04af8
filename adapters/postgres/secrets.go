package postgres

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/usecase"
)

var (
	_ usecase.Secrets = (*Vault)(nil)
	_ ledger.Safe     = (*Vault)(nil)
)

// MAC implements [usecase.Secrets]: HMAC-SHA256 (RFC 2104) over the purpose and every
// part, each after its length, so that no two lists of parts give the same bytes.
func (v *Vault) MAC(purpose string, parts ...[]byte) [32]byte {
	h := hmac.New(sha256.New, v.mac)
	writePart(h.Write, []byte(purpose))
	for _, part := range parts {
		writePart(h.Write, part)
	}
	return [32]byte(h.Sum(nil))
}

func writePart(write func([]byte) (int, error), part []byte) {
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(part)))
	_, _ = write(length[:]) // a hash does not fail
	_, _ = write(part)
}

// Format keeps the secrets out of everything that prints.
func (*Vault) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, "[vault]") }

// secretMAC is the name of the secret that keys MACs. It is also what shows that a keyset
// belongs to this vault: the vault is in use once it is there.
const secretMAC = "mac"

// errNoSecret says that there are keys, and no secret beside them.
var errNoSecret = errors.New("the vault is not whole: it holds keys, but not the service's secret; restore it from its backup")

func loadMAC(ctx context.Context, tx pgx.Tx, w *wrapping) ([]byte, error) {
	var wrapped []byte
	err := tx.QueryRow(ctx, `select wrapped from vault.secrets where name = $1`, secretMAC).Scan(&wrapped)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, errNoSecret
	}
	if err != nil {
		return nil, err
	}
	mac, err := w.unwrap(wrapped, secretContext(secretMAC))
	if err == nil && len(mac) != keySize {
		err = ErrKeysetWrong
	}
	return mac, err
}

func makeMAC(ctx context.Context, tx pgx.Tx, w *wrapping) ([]byte, error) {
	mac := make([]byte, keySize)
	_, _ = rand.Read(mac) // never fails
	wrapped, err := w.wrap(mac, secretContext(secretMAC))
	if err != nil {
		return nil, err
	}
	_, err = tx.Exec(ctx, `insert into vault.secrets (name, wrapped) values ($1, $2)`, secretMAC, wrapped)
	return mac, err
}

func secretContext(name string) []byte { return []byte("bgremover secret " + name) }

// Secret implements [ledger.Safe].
func (v *Vault) Secret(ctx context.Context, name string) ([]byte, error) {
	var wrapped []byte
	err := v.pool.QueryRow(ctx, `select wrapped from vault.secrets where name = $1`, name).Scan(&wrapped)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, fmt.Errorf("secret %s: %w", name, ledger.ErrNoSecret)
	case err != nil:
		return nil, unavailable("read secret "+name, err)
	}
	secret, err := v.wrapping.Load().unwrap(wrapped, secretContext(name))
	if err != nil {
		return nil, fmt.Errorf("secret %s does not open: %w", name, err)
	}
	return secret, nil
}

// PutSecret implements [ledger.Safe]. Like a key, no secret is kept under a key-encryption key that
// is about to be destroyed: that is [ErrKeysetBehind].
func (v *Vault) PutSecret(ctx context.Context, name string, secret []byte) error {
	wrapped, err := v.wrapping.Load().wrap(secret, secretContext(name))
	if err != nil {
		return fmt.Errorf("wrap secret %s: %w", name, err)
	}
	var open, stored bool
	err = v.pool.QueryRow(ctx, `
		with open as (
			select from vault.wrappers where id = vault.wrapper($2) and closed_at is null
		), stored as (
			insert into vault.secrets (name, wrapped)
			select $1::text, $2::bytea from open
			on conflict (name) do nothing
			returning 1
		)
		select exists (select from open), exists (select from stored)`, name, wrapped).Scan(&open, &stored)
	switch {
	case err != nil:
		return unavailable("keep secret "+name, err)
	case !open:
		return fmt.Errorf("keep secret %s: %w", name, ErrKeysetBehind)
	case !stored:
		return fmt.Errorf("secret %s: %w", name, ledger.ErrSecretThere)
	}
	return nil
}

// Secrets implements [ledger.Safe].
func (v *Vault) Secrets(ctx context.Context, prefix string) ([]string, error) {
	rows, err := v.pool.Query(ctx, `
		select name
		from vault.secrets
		where starts_with(name, $1)
		order by name`, prefix)
	if err != nil {
		return nil, unavailable("list secrets", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, unavailable("list secrets", err)
	}
	return names, nil
}
