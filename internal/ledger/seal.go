package ledger

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/personal"
)

// Keys opens what is sealed. It returns a live key, [personal.ErrDestroyed] for one with a
// tombstone, and [personal.ErrNoKey] for one that it has never heard of.
type Keys interface {
	Key(ctx context.Context, key personal.KeyID) (personal.Key, error)
}

// sealedValue is how a personal value stands in the record.
type sealedValue struct {
	sealed string // base64
	key    personal.KeyID
}

// block is what sealed values are padded to a multiple of, so that their length tells
// neither whether there is something nor how much.
const block = 64

// pad adds a one bit and zeros up to a whole block (ISO/IEC 7816-4).
func pad(plain []byte) []byte {
	padded := make([]byte, (len(plain)/block+1)*block)
	padded[copy(padded, plain)] = 0x80
	return padded
}

func unpad(padded []byte) ([]byte, error) {
	cut := bytes.TrimRight(padded, "\x00")
	if len(padded)%block != 0 || len(cut) == 0 || cut[len(cut)-1] != 0x80 {
		return nil, malformed("an opened value is not padded as it should be")
	}
	return cut[:len(cut)-1], nil
}

// context binds a sealed value to its place, so that it cannot be moved to another.
func sealContext(fact id.Fact, path string) []byte {
	return []byte(string(fact) + " " + path)
}

// errKeyless says that a fact seals something, and nobody gave its key.
var errKeyless = errors.New("ledger: something personal has no key to be sealed under")

func appendSealed(to []byte, key personal.Key, fact id.Fact, path string, plain []byte) ([]byte, error) {
	if key == nil {
		return nil, errKeyless
	}
	sealed, err := key.Seal(pad(plain), sealContext(fact, path))
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	to = append(to, `{"sealed":"`...)
	to = base64.StdEncoding.AppendEncode(to, sealed)
	to = append(to, `","key":`...)
	to, err = appendJSON(to, key.ID())
	return append(to, '}'), err
}

func readSealed(raw []byte, path string) (sealedValue, error) {
	m, err := readObject(raw)
	if err != nil {
		return sealedValue{}, err
	}
	if err := m.only("sealed", "key"); err != nil {
		return sealedValue{}, err
	}
	sealed, err := m.text("sealed")
	if err != nil {
		return sealedValue{}, err
	}
	key, err := m.text("key")
	if err != nil {
		return sealedValue{}, err
	}
	if sealed == "" || key == "" {
		return sealedValue{}, malformed("%s is not sealed as it should be", path)
	}
	return sealedValue{sealed, personal.KeyID(key)}, nil
}

// opener opens the sealed values of one fact. The keys of one fact are few, and mostly one.
type opener struct {
	ctx  context.Context //nolint:containedctx // It lives as long as one call of Decode.
	keys Keys            // nil: nothing is opened
	fact id.Fact

	last    personal.KeyID
	lastKey personal.Key
	lastErr error
}

// text reads a sealed text: sealed without keys, erased once its key is destroyed. A key
// that is missing without a tombstone is an error: a lost vault must not look like a
// lawful erasure.
func (o *opener) text(raw []byte, path string) (personal.Text, error) {
	v, err := readSealed(raw, path)
	if err != nil {
		return personal.Text{}, err
	}
	if o.keys == nil {
		return personal.Sealed, nil
	}
	if o.last != v.key {
		o.last = v.key
		o.lastKey, o.lastErr = o.keys.Key(o.ctx, v.key)
	}
	if errors.Is(o.lastErr, personal.ErrDestroyed) {
		return personal.Erased, nil
	}
	if o.lastErr != nil {
		return personal.Text{}, fmt.Errorf("ledger: open %s of fact %s under key %s: %w", path, o.fact, v.key, o.lastErr)
	}
	sealed, err := base64.StdEncoding.DecodeString(v.sealed)
	if err != nil {
		return personal.Text{}, malformed("%s is not sealed as it should be", path)
	}
	padded, err := o.lastKey.Open(sealed, sealContext(o.fact, path))
	if err != nil {
		return personal.Text{}, fmt.Errorf("ledger: open %s of fact %s under key %s: %w", path, o.fact, v.key, err)
	}
	text, err := unpad(padded)
	return personal.Of(string(text)), err
}
