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
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/bgremover/bgremover/internal/usecase"
)

// Secrets are the keys that only this service has, the same on all its machines.
type Secrets struct{ mac []byte }

var _ usecase.Secrets = Secrets{}

// MAC implements [usecase.Secrets]: HMAC-SHA256 (RFC 2104) over the purpose and every
// part, each after its length, so that no two lists of parts give the same bytes.
func (s Secrets) MAC(purpose string, parts ...[]byte) [32]byte {
	h := hmac.New(sha256.New, s.mac)
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

// Format keeps the secret out of everything that prints.
func (Secrets) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, "[secrets]") }

// secretMAC is the name of the secret that keys MACs. It is also what shows that a keyset
// belongs to this vault: the vault is in use once it is there.
const secretMAC = "mac"

// errNoSecret says that there are keys, and no secret beside them.
var errNoSecret = errors.New("the vault is not whole: it holds keys, but not the service's secret; restore it from its backup")

func loadSecrets(ctx context.Context, tx pgx.Tx, wrapping tink.AEAD) (Secrets, error) {
	var wrapped []byte
	err := tx.QueryRow(ctx, `select wrapped from vault.secrets where name = $1`, secretMAC).Scan(&wrapped)
	if errors.Is(err, pgx.ErrNoRows) {
		return Secrets{}, errNoSecret
	}
	if err != nil {
		return Secrets{}, err
	}
	mac, err := wrapping.Decrypt(wrapped, secretContext(secretMAC))
	if err != nil || len(mac) != keySize {
		return Secrets{}, ErrKeysetWrong
	}
	return Secrets{mac: mac}, nil
}

func makeSecrets(ctx context.Context, tx pgx.Tx, wrapping tink.AEAD) (Secrets, error) {
	mac := make([]byte, keySize)
	_, _ = rand.Read(mac) // never fails
	wrapped, err := wrapping.Encrypt(mac, secretContext(secretMAC))
	if err != nil {
		return Secrets{}, err
	}
	_, err = tx.Exec(ctx, `insert into vault.secrets (name, wrapped) values ($1, $2)`, secretMAC, wrapped)
	return Secrets{mac: mac}, err
}

func secretContext(name string) []byte { return []byte("bgremover secret " + name) }
