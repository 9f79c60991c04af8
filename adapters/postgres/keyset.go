package postgres

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// Why a keyset cannot be used. Each text says what the operator can do.
var (
	ErrKeysetMissing = errors.New("the vault holds keys, but the key-encryption keyset that opens them is not there: " +
		"put the file back from its backup, or from the machine that made it; a new one would open nothing")
	ErrKeysetWrong = errors.New("the key-encryption keyset does not belong to this vault: " +
		"use the file that was made with it; if the database came back from a backup whose key-encryption key was destroyed " +
		"since, that backup cannot be opened any more, as intended")
	ErrKeysetBehind = errors.New("the key-encryption keyset lacks a key by which the vault is wrapped: " +
		"copy the file from the machine where bgremover vault rotate was run")
	ErrKeysetExposed = errors.New("the key-encryption keyset may be read by others: " +
		"run chmod 600 on it, and find out who could read it")
	ErrKeysetDamaged = errors.New("the key-encryption keyset cannot be read: " +
		"put the file back from its backup")
	ErrKeysetSealed = errors.New("the key-encryption keyset is sealed by a key management service: " +
		"name the key there with --vault-key")
	ErrKeysetClear = errors.New("the key-encryption keyset stands in clear, and --vault-key names a key that should seal it: " +
		"run bgremover vault rewrap --to with that name first")
)

// KeysetFile is where the key-encryption keyset is: a Tink keyset in JSON, readable by its
// owner alone.
type KeysetFile struct {
	Path string
	// Under is what it is sealed under, a key of a key management service; nil: it stands in clear.
	Under tink.AEAD
}

// keysetContext is the associated data of a sealed keyset: nothing else sealed under the same
// key can take its place.
var keysetContext = []byte("bgremover key-encryption keyset")

// read reads the keyset. A file that is not there is [fs.ErrNotExist].
func (f KeysetFile) read() (*keyset.Handle, error) {
	content, err := f.content()
	if err != nil {
		return nil, err
	}
	var parts struct {
		Sealed string `json:"encryptedKeyset"`
	}
	damaged := fmt.Errorf("%s: %w", f.Path, ErrKeysetDamaged) // Tink's error could quote what it read
	if json.Unmarshal(content, &parts) != nil {
		return nil, damaged
	}
	reader := keyset.NewJSONReader(bytes.NewReader(content))
	switch {
	case parts.Sealed != "" && f.Under == nil:
		return nil, fmt.Errorf("%s: %w", f.Path, ErrKeysetSealed)
	case parts.Sealed == "" && f.Under != nil:
		return nil, fmt.Errorf("%s: %w", f.Path, ErrKeysetClear)
	case f.Under == nil:
		handle, err := insecurecleartextkeyset.Read(reader)
		if err != nil {
			return nil, damaged
		}
		return handle, nil
	}
	asked := &remembering{AEAD: f.Under}
	handle, err := keyset.ReadWithAssociatedData(reader, asked, keysetContext)
	switch {
	case asked.failed != nil:
		return nil, fmt.Errorf("%s: %w", f.Path, asked.failed)
	case err != nil:
		return nil, damaged
	}
	return handle, nil
}

// remembering keeps a service's error, which Tink replaces by one of its own.
type remembering struct {
	tink.AEAD
	failed error
}

func (r *remembering) Encrypt(plain, associated []byte) (sealed []byte, err error) {
	sealed, r.failed = r.AEAD.Encrypt(plain, associated)
	return sealed, r.failed
}

func (r *remembering) Decrypt(sealed, associated []byte) (plain []byte, err error) {
	plain, r.failed = r.AEAD.Decrypt(sealed, associated)
	return plain, r.failed
}

func (f KeysetFile) content() ([]byte, error) {
	file, err := os.Open(f.Path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("%s (mode %#o): %w", f.Path, mode, ErrKeysetExposed)
	}
	const most = 1 << 20
	content := make([]byte, min(info.Size(), most))
	n, err := file.ReadAt(content, 0)
	if n < len(content) {
		return nil, err
	}
	return content, nil
}

// make writes a fresh keyset, whole and on the disk when it returns. It never replaces one.
func (f KeysetFile) make() error {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(f.Path), 0o700); err != nil {
		return err
	}
	unfinished, err := f.write(handle)
	if err != nil {
		return err
	}
	// A link, unlike a rename, fails when the file exists.
	err = os.Link(unfinished, f.Path)
	if err := errors.Join(err, os.Remove(unfinished)); err != nil {
		return err
	}
	return flushFolder(filepath.Dir(f.Path))
}

// replace puts another keyset in the file's place, once it was read back: after a crash, the one
// or the other is there, whole. Then the old content is overwritten where it stood on the disk.
func (f KeysetFile) replace(handle *keyset.Handle) error {
	unfinished, err := f.write(handle)
	if err != nil {
		return err
	}
	if _, err := (KeysetFile{Path: unfinished, Under: f.Under}).read(); err != nil {
		return errors.Join(fmt.Errorf("it does not open, so the file stays as it was: %w", err), discard(unfinished))
	}
	old, err := os.OpenFile(f.Path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer func() { _ = old.Close() }()
	if err := os.Rename(unfinished, f.Path); err != nil {
		return err
	}
	if err := flushFolder(filepath.Dir(f.Path)); err != nil {
		return err
	}
	return scrub(old)
}

// scrub overwrites a file that nobody needs any more.
func scrub(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	noise := make([]byte, info.Size())
	_, _ = rand.Read(noise) // never fails
	if _, err := f.WriteAt(noise, 0); err != nil {
		return err
	}
	return f.Sync()
}

// write writes a keyset beside the file.
func (f KeysetFile) write(handle *keyset.Handle) (unfinished string, err error) {
	var content bytes.Buffer
	writer := keyset.NewJSONWriter(&content)
	if f.Under == nil {
		err = insecurecleartextkeyset.Write(handle, writer)
	} else {
		asked := &remembering{AEAD: f.Under}
		err = handle.WriteWithAssociatedData(writer, asked, keysetContext)
		if asked.failed != nil {
			err = asked.failed
		}
	}
	if err != nil {
		return "", err
	}
	unfinished = f.Path + ".new"
	if err := discard(unfinished); err != nil {
		return "", err // a crash left it, and nothing was wrapped by it alone
	}
	if err := writeDurably(unfinished, content.Bytes()); err != nil {
		return "", errors.Join(err, discard(unfinished))
	}
	return unfinished, nil
}

// discard overwrites and removes a file, if it is there.
func discard(path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	return errors.Join(scrub(file), os.Remove(path))
}

// Rewrap puts the keyset under another key, or in clear. The keys in it stay the same, so the
// vault does too.
func (f KeysetFile) Rewrap(under tink.AEAD) error {
	handle, err := f.read()
	if err != nil {
		return err
	}
	if err := (KeysetFile{Path: f.Path, Under: under}).replace(handle); err != nil {
		return fmt.Errorf("write the key-encryption keyset: %w", err)
	}
	return nil
}

func writeDurably(path string, content []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(content); err != nil {
		return err
	}
	return f.Sync()
}

func flushFolder(path string) (err error) {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return d.Sync()
}
