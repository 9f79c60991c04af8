package merkle

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// SigningKey is a log's secret Ed25519 key. It prints as its public half's name only.
type SigningKey struct {
	signer   note.Signer
	secret   string
	verifier string
}

// NewSigningKey makes a key for a log.
func NewSigningKey(origin string) (SigningKey, error) {
	if err := CheckOrigin(origin); err != nil {
		return SigningKey{}, fmt.Errorf("merkle: the origin %.80q: %w", origin, err)
	}
	secret, _, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		return SigningKey{}, fmt.Errorf("merkle: make a key: %w", err)
	}
	return ParseSigningKey(secret)
}

// ParseSigningKey reads what [SigningKey.Secret] returns.
func ParseSigningKey(secret string) (SigningKey, error) {
	signer, err := note.NewSigner(secret)
	if err != nil {
		return SigningKey{}, fmt.Errorf("merkle: not a signing key: %w", err) // says nothing of the key
	}
	if err := CheckOrigin(signer.Name()); err != nil {
		return SigningKey{}, fmt.Errorf("merkle: not a signing key: %w", err)
	}
	parts := strings.SplitN(secret, "+", 5) // the fifth, the seed, may hold a plus itself
	seed, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	if err != nil || len(seed) != 1+ed25519.SeedSize {
		return SigningKey{}, errors.New("merkle: not a signing key")
	}
	public := ed25519.NewKeyFromSeed(seed[1:]).Public().(ed25519.PublicKey) // always that type
	verifier, err := note.NewEd25519VerifierKey(signer.Name(), public)
	return SigningKey{signer: signer, secret: secret, verifier: verifier}, err
}

// Secret is the key's text form, which MUST be kept sealed.
func (k SigningKey) Secret() string { return k.secret }

// Verifier is the public half, a vkey line: "<origin>+<hash>+<key>".
func (k SigningKey) Verifier() string { return k.verifier }

// Origin is whom the key signs for.
func (k SigningKey) Origin() string { return k.signer.Name() }

// Name is the origin: with KeyHash and Sign the key is a signer of notes.
func (k SigningKey) Name() string { return k.signer.Name() }

// KeyHash tells the keys of one origin apart.
func (k SigningKey) KeyHash() uint32 { return k.signer.KeyHash() }

// Sign signs a note's text.
func (k SigningKey) Sign(text []byte) ([]byte, error) { return k.signer.Sign(text) }

// String keeps the secret out of what is printed by accident, as do GoString and LogValue.
func (k SigningKey) String() string { return "[signing key]" }

// GoString is [SigningKey.String].
func (k SigningKey) GoString() string { return k.String() }

// LogValue is [SigningKey.String].
func (k SigningKey) LogValue() slog.Value { return slog.StringValue(k.String()) }
