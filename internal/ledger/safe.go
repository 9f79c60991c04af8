package ledger

import (
	"context"
	"errors"
)

// Safe keeps the secrets that the record itself needs, such as the key that signs its
// checkpoints: sealed, each under a name, and the same for all processes of the service.
// The vault implements it.
type Safe interface {
	// Secret returns a secret, or [ErrNoSecret].
	Secret(ctx context.Context, name string) ([]byte, error)
	// PutSecret keeps a secret, durable when it returns. A name that is taken is
	// [ErrSecretThere]: of several who make the same secret at once, one makes it.
	PutSecret(ctx context.Context, name string, secret []byte) error
	// Secrets lists the names that begin with a prefix, sorted.
	Secrets(ctx context.Context, prefix string) ([]string, error)
}

// What a safe answers.
var (
	ErrNoSecret    = errors.New("the safe holds no secret of this name")
	ErrSecretThere = errors.New("the safe holds a secret of this name already")
)
