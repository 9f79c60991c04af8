package postgres

import (
	"bytes"
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
		"use the file that was made with it")
	ErrKeysetExposed = errors.New("the key-encryption keyset may be read by others: " +
		"run chmod 600 on it, and find out who could read it")
	ErrKeysetDamaged = errors.New("the key-encryption keyset cannot be read: " +
		"put the file back from its backup")
)

// loadKeyset reads the key-encryption keyset, a Tink keyset in JSON. A file that is not
// there is [fs.ErrNotExist].
func loadKeyset(path string) (tink.AEAD, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("%s (mode %#o): %w", path, mode, ErrKeysetExposed)
	}
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(f))
	if err != nil {
		// Tink's error could quote what it read.
		return nil, fmt.Errorf("%s: %w", path, ErrKeysetDamaged)
	}
	wrapping, err := aead.New(handle)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, ErrKeysetDamaged)
	}
	return wrapping, nil
}

// makeKeyset writes a fresh keyset, whole and on the disk when it returns. It never
// replaces one.
func makeKeyset(path string) error {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return err
	}
	var content bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&content)); err != nil {
		return err
	}
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	unfinished := path + ".new"
	if err := os.Remove(unfinished); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // a crash left it, and nothing was wrapped by it
	}
	if err := writeDurably(unfinished, content.Bytes()); err != nil {
		return errors.Join(err, os.Remove(unfinished))
	}
	// A link, unlike a rename, fails when the file exists.
	err = os.Link(unfinished, path)
	if err := errors.Join(err, os.Remove(unfinished)); err != nil {
		return err
	}
	return flushFolder(folder)
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
