package ledger

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/internal/merkle"
)

// LogKeys are the keys that sign heads of the tree: the first one, and those that it was
// handed over to. Their secret halves are kept in a [Safe]. It is safe for concurrent use.
type LogKeys struct {
	pool   *pgxpool.Pool
	safe   Safe
	origin string

	mu    sync.Mutex
	first string                       // the verifier of the first one
	keys  map[string]merkle.SigningKey // by verifier
}

// Names of the secrets: one a key, numbered.
const (
	logKeyPrefix = "log/key/"
	firstLogKey  = logKeyPrefix + "0001"
)

// What is wrong with a log's name or its keys, and what to do.
var (
	ErrOrigin = errors.New("a log keeps its name for ever, because it stands in every checkpoint: another name would be another log")
	ErrLogKey = errors.New("the vault does not hold the key that signs this log's checkpoints: restore the vault's backup that belongs to this record")
)

// OpenLogKeys opens the keys of this database's log, or makes the first one. An origin that
// is not empty is the name that the log gets, or must have; empty, it names itself, once.
func OpenLogKeys(ctx context.Context, pool *pgxpool.Pool, safe Safe, origin string) (*LogKeys, error) {
	k := &LogKeys{pool: pool, safe: safe, keys: map[string]merkle.SigningKey{}}
	err := k.load(ctx)
	if err == nil && k.first == "" {
		err = errors.Join(k.begin(ctx, origin), k.load(ctx))
	}
	if err == nil {
		err = k.enter(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: the key that signs checkpoints: %w", err)
	}
	if k.origin = k.keys[k.first].Origin(); origin != "" && origin != k.origin {
		return nil, fmt.Errorf("this log is named %q and not %q: %w; start with --log-origin=%s or without it, or with an empty data folder",
			k.origin, origin, ErrOrigin, k.origin)
	}
	return k, nil
}

// Origin is the log's name.
func (k *LogKeys) Origin() string { return k.origin }

// load opens all keys that the safe holds.
func (k *LogKeys) load(ctx context.Context) error {
	names, err := k.safe.Secrets(ctx, logKeyPrefix)
	if err != nil {
		return err
	}
	for _, name := range names {
		secret, err := k.safe.Secret(ctx, name)
		if err != nil {
			return err
		}
		key, err := merkle.ParseSigningKey(string(secret))
		if err != nil {
			return fmt.Errorf("the secret %s: %w", name, err)
		}
		k.mu.Lock()
		k.keys[key.Verifier()] = key
		if name == firstLogKey {
			k.first = key.Verifier()
		}
		k.mu.Unlock()
	}
	return nil
}

// begin makes the first key, unless this database has had one.
func (k *LogKeys) begin(ctx context.Context, origin string) error {
	switch _, _, err := keyNotes(ctx, k.pool, false); {
	case err == nil:
		return ErrLogKey
	case !errors.Is(err, errNoKey):
		return err
	}
	if origin == "" {
		var random [6]byte
		_, _ = rand.Read(random[:]) // never fails
		origin = "bgremover.localhost/" + hex.EncodeToString(random[:])
	}
	_, err := k.make(ctx, firstLogKey, origin)
	return err
}

// make makes a key under a name, or returns the one that is there: another process made it
// at the same time, or a rotation was interrupted.
func (k *LogKeys) make(ctx context.Context, name, origin string) (merkle.SigningKey, error) {
	key, err := merkle.NewSigningKey(origin)
	if err != nil {
		return key, err
	}
	err = k.safe.PutSecret(ctx, name, []byte(key.Secret()))
	if !errors.Is(err, ErrSecretThere) {
		return key, err
	}
	secret, err := k.safe.Secret(ctx, name)
	if err != nil {
		return key, err
	}
	return merkle.ParseSigningKey(string(secret))
}

// enter writes the first key's verifier down before anything that is signed, or checks that
// it is the one that stands there.
func (k *LogKeys) enter(ctx context.Context) error {
	if k.first == "" {
		return ErrLogKey
	}
	return pgx.BeginFunc(ctx, k.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "lock table ledger.checkpoints in exclusive mode"); err != nil {
			return err
		}
		switch first, _, err := keyNotes(ctx, tx, false); {
		case errors.Is(err, errNoKey):
			return signed{n: 1, kind: kindKey, note: keyNote(k.first)}.insert(ctx, tx, time.Now())
		case err == nil && first != k.first:
			return ErrLogKey
		default:
			return err
		}
	})
}

// signer returns a key by its verifier; another process may have made it.
func (k *LogKeys) signer(ctx context.Context, verifier string) (merkle.SigningKey, error) {
	if key, ok := k.opened(verifier); ok {
		return key, nil
	}
	if err := k.load(ctx); err != nil {
		return merkle.SigningKey{}, err
	}
	if key, ok := k.opened(verifier); ok {
		return key, nil
	}
	return merkle.SigningKey{}, ErrLogKey
}

func (k *LogKeys) opened(verifier string) (merkle.SigningKey, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key, ok := k.keys[verifier]
	return key, ok
}

// Signer returns the key that signs now, and how one gets to it from the first one: only by
// rotations that are public, so that whoever follows them knows it.
func (k *LogKeys) Signer(ctx context.Context) (key merkle.SigningKey, first string, rotations [][]byte, err error) {
	first, rotations, err = keyNotes(ctx, k.pool, true)
	if err != nil {
		return key, "", nil, fmt.Errorf("ledger: read the log's keys: %w", err)
	}
	verifiers, err := merkle.Verifiers(first, rotations)
	if err == nil {
		key, err = k.signer(ctx, verifiers[len(verifiers)-1])
	}
	if err != nil {
		return key, "", nil, fmt.Errorf("ledger: the key that signs: %w", err)
	}
	return key, first, rotations, nil
}

// ErrRotating is the refusal of a rotation at the same time as another one.
var ErrRotating = refusal.New(refusal.Conflict, "log.rotating", "The log's key is being rotated already.", "See with bgremover log key whether it has changed.")

// Rotate makes a new key and has the old one sign for it: from then on the new one signs.
func (k *LogKeys) Rotate(ctx context.Context, at time.Time) error {
	if err := k.rotate(ctx, at); err != nil {
		if isBusy(err) {
			err = ErrRotating
		}
		return fmt.Errorf("ledger: rotate the log's key: %w", err)
	}
	return nil
}

func (k *LogKeys) rotate(ctx context.Context, at time.Time) error {
	keys, err := readKeys(ctx, k.pool)
	if err != nil {
		return err
	}
	old, err := k.signer(ctx, keys.Newest())
	if err != nil {
		return err
	}
	next, err := k.make(ctx, fmt.Sprintf(logKeyPrefix+"%04d", len(keys.Verifiers())+1), k.origin)
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, k.pool, func(tx pgx.Tx) error {
		book, err := openBook(ctx, tx)
		if err != nil {
			return err
		}
		if book.keys.Newest() != old.Verifier() {
			return ErrRotating
		}
		note, err := merkle.SignRotation(merkle.Rotation{Origin: k.origin, Verifier: next.Verifier(), From: book.last.Size}, old)
		if err != nil {
			return err
		}
		return signed{n: book.n + 1, kind: kindRotation, size: book.last.Size, note: note}.insert(ctx, tx, at)
	})
}
