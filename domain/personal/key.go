package personal

import (
	"errors"
	"io"
)

// KeyID names a key of the vault. It is the name of the stream whose subject the key
// belongs to ("image/0190…"), and like that it names nobody.
type KeyID string

// Key is a live key of the vault. Sealing binds to a context: the same context must be
// given to open again, so that a sealed value cannot be moved elsewhere.
type Key interface {
	ID() KeyID
	Seal(plain, context []byte) ([]byte, error)
	Open(sealed, context []byte) ([]byte, error)

	// SealTo returns a writer that seals to w. It must be closed; what was written is
	// worth nothing before that.
	SealTo(w io.Writer, context []byte) (io.WriteCloser, error)
	// OpenFrom returns a reader of the plain bytes. It gives no byte that it has not
	// authenticated, and fails at the end when the sealed bytes were cut short.
	OpenFrom(r io.Reader, context []byte) (io.Reader, error)
	// PlainSize returns how many plain bytes a stream of so many sealed bytes holds.
	PlainSize(sealed int64) int64
}

// Why the vault has no key to give.
var (
	// ErrDestroyed says that the key was destroyed on purpose: there is a tombstone.
	// What it sealed is erased.
	ErrDestroyed = errors.New("personal: the key was destroyed")
	// ErrNoKey says that the vault does not know the key at all. That is never lawful
	// erasure: either its making was not completed, or the vault has lost data.
	ErrNoKey = errors.New("personal: the vault does not know this key")
)
