package fake

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"io"

	"github.com/bgremover/bgremover/domain/personal"
)

// key seals with AES-256-GCM; a stream is one message.
type key struct {
	id   personal.KeyID
	aead cipher.AEAD
}

func newKey(id personal.KeyID) *key {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	block, err := aes.NewCipher(secret)
	if err != nil {
		panic(err) // 32 bytes are a valid key
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // AES has the block size of GCM
	}
	return &key{id: id, aead: aead}
}

func (k *key) ID() personal.KeyID { return k.id }

func (k *key) Seal(plain, context []byte) ([]byte, error) {
	return k.aead.Seal(nil, nil, plain, context), nil //nolint:gosec // this AEAD makes its own random nonce
}

func (k *key) Open(sealed, context []byte) ([]byte, error) {
	return k.aead.Open(nil, nil, sealed, context)
}

func (k *key) PlainSize(sealed int64) int64 { return max(0, sealed-int64(k.aead.Overhead())) }

func (k *key) SealTo(w io.Writer, context []byte) (io.WriteCloser, error) {
	return &sealing{key: k, w: w, context: context}, nil
}

func (k *key) OpenFrom(r io.Reader, context []byte) (io.Reader, error) {
	return &opening{key: k, r: r, context: context}, nil
}

type sealing struct {
	key     *key
	w       io.Writer
	context []byte
	plain   bytes.Buffer
}

func (s *sealing) Write(p []byte) (int, error) { return s.plain.Write(p) }

func (s *sealing) Close() error {
	sealed, err := s.key.Seal(s.plain.Bytes(), s.context)
	if err == nil {
		_, err = s.w.Write(sealed)
	}
	return err
}

type opening struct {
	key     *key
	r       io.Reader
	context []byte
	plain   *bytes.Reader
}

func (o *opening) Read(p []byte) (int, error) {
	if o.plain == nil {
		sealed, err := io.ReadAll(o.r)
		if err != nil {
			return 0, err
		}
		plain, err := o.key.Open(sealed, o.context)
		if err != nil {
			return 0, err
		}
		o.plain = bytes.NewReader(plain)
	}
	return o.plain.Read(p)
}
