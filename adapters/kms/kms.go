// Package kms reaches a key in a key management service: Google Cloud KMS, AWS KMS, or the
// transit engine of HashiCorp Vault, each through Tink's integration of it.
//
// The vault asks it to open or seal its keyset of key-encryption keys: once at a start, and
// when that keyset changes. No key of a person and no picture ever goes there.
//
// Read kms.go (what a key is, and how often it is asked), then cloud.go, aws.go and
// hashicorp.go: how each service is reached and what its refusals mean. Credentials come from
// where each service's own tools look for them, and never from a setting of ours.
package kms

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/tink-crypto/tink-go/v2/tink"
)

// Why a key cannot be used. Each text says what the operator can do.
var (
	ErrAway = errors.New("the key management service cannot be reached or is overloaded: " +
		"look at the network and at the service, then start again")
	ErrDenied = errors.New("the key management service does not let us use the key: " +
		"check the credentials of this machine and that they may encrypt and decrypt with this key")
	ErrNoKey = errors.New("the key management service does not know this key, or it is disabled or destroyed there: " +
		"check the name, and enable or restore the key")
	ErrRejected = errors.New("the key management service says that this was not sealed under this key: " +
		"name the key that it was sealed under")
	ErrURI = errors.New("this names no key: " + Forms)
)

// Forms says what names of keys look like.
const Forms = "a key is named gcp-kms://projects/P/locations/L/keyRings/R/cryptoKeys/K, " +
	"aws-kms://arn:aws:kms:REGION:ACCOUNT:key/ID, or hcvault://HOST:PORT/transit/keys/NAME"

const (
	// attemptTime is how long one question may take, and the pauses are those between
	// questions while the service is away.
	attemptTime = 10 * time.Second
	firstPause  = 200 * time.Millisecond
	longPause   = 3 * time.Second
)

// Key is a key in a service. It is safe for concurrent use.
type Key struct {
	uri      string
	patience time.Duration
	remote   remote
}

// remote is a service's key: one question, one answer. explain turns the service's errors
// into ours.
type remote struct {
	aead    tink.AEAD
	explain func(error) error
}

var _ tink.AEAD = (*Key)(nil)

// Open finds the key that a URI names, without asking for it yet. While the service is away,
// every question is repeated for as long as patience, then it is [ErrAway].
func Open(ctx context.Context, uri string, patience time.Duration) (*Key, error) {
	scheme, name, _ := strings.Cut(uri, "://")
	find := map[string]func(context.Context, string) (remote, error){
		"gcp-kms": openCloud,
		"aws-kms": openAWS,
		"hcvault": openHashiCorp,
	}[scheme]
	if find == nil || name == "" {
		return nil, fmt.Errorf("%q: %w", uri, ErrURI)
	}
	key, err := find(ctx, uri)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", uri, err)
	}
	return &Key{uri: uri, patience: patience, remote: key}, nil
}

// URI returns the key's name.
func (k *Key) URI() string { return k.uri }

// Encrypt implements [tink.AEAD].
func (k *Key) Encrypt(plain, associated []byte) ([]byte, error) {
	return k.ask(func() ([]byte, error) { return k.remote.aead.Encrypt(plain, associated) })
}

// Decrypt implements [tink.AEAD].
func (k *Key) Decrypt(sealed, associated []byte) ([]byte, error) {
	return k.ask(func() ([]byte, error) { return k.remote.aead.Decrypt(sealed, associated) })
}

// ask repeats a question while the service is away.
func (k *Key) ask(question func() ([]byte, error)) ([]byte, error) {
	enough := time.After(k.patience)
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		answer, err := once(question)
		if err == nil {
			return answer, nil
		}
		if err = k.explain(err); !errors.Is(err, ErrAway) {
			return nil, err
		}
		select {
		case <-enough:
			return nil, err
		case <-time.After(pause):
		}
	}
}

// errSlow says that a question was not answered in time.
var errSlow = errors.New("no answer in time")

// once asks once. Not every client can be told to give up, so it is left alone when it is slow.
func once(question func() ([]byte, error)) ([]byte, error) {
	type answer struct {
		bytes []byte
		err   error
	}
	answered := make(chan answer, 1)
	go func() {
		got, err := question()
		answered <- answer{got, err}
	}()
	select {
	case a := <-answered:
		return a.bytes, a.err
	case <-time.After(attemptTime):
		return nil, errSlow
	}
}

// explain says what an error means, and where it came from.
func (k *Key) explain(err error) error {
	because := k.remote.explain(err)
	if because == nil && (errors.Is(err, errSlow) || isNetwork(err)) {
		because = ErrAway
	}
	if because == nil {
		return fmt.Errorf("%s: %w", k.uri, err)
	}
	return fmt.Errorf("%s: %w (%w)", k.uri, because, err)
}

func isNetwork(err error) bool {
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	_, ok := errors.AsType[*url.Error](err)
	return ok
}

// byStatus is what the HTTP statuses that all three use mean; nil for others.
func byStatus(status int) error {
	switch {
	case status == 401, status == 403:
		return ErrDenied
	case status == 404:
		return ErrNoKey
	case status == 400:
		return ErrRejected
	case status == 408, status == 429, status >= 500:
		return ErrAway
	}
	return nil
}
