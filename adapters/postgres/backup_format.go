package postgres

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/bgremover/bgremover/domain/personal"
)

// A backup of the vault, as a file. Integers are big-endian.
//
//	16 bytes  backupMagic
//	 1 byte   backupVersion
//	 2 bytes  n
//	 n bytes  a key of its own, wrapped by a key-encryption key (Tink's AEAD format)
//	 rest     sealed under that key by Tink's streaming AES-GCM-HKDF (segments of 64 KiB), with
//	          everything above as associated data: cut short or changed anywhere, it does not open
//
// Opened, it is lines of JSON, each an object with one member: first "vault", then "secret"s,
// then "key"s, then "end" with how many there were. What was wrapped in the database is
// wrapped in here too, by the same key-encryption key as the key in the head: once that is
// destroyed, nothing of the backup can be opened.
const (
	backupMagic   = "bgremover vault\n"
	backupVersion = 1
	// longestLine bounds a line: names are short, and a wrapped secret is some hundred bytes.
	longestLine = 256 << 10
)

// Why a backup cannot be used. Each text says what the operator can do.
var (
	ErrNoBackup = errors.New("this is no backup of a vault, or one of a newer release: " +
		"look at the file's name, and use the release that made it")
	ErrBackupDamaged = errors.New("the backup is damaged or cut short: " +
		"use another copy of it, or an older one; nothing was restored")
	ErrBackupForeign = errors.New("the backup is sealed under a key-encryption key that the keyset does not hold: " +
		"it was destroyed since, which ends its backups as intended, or the backup is of another vault")
)

// backupLine is one line; exactly one member is set.
type backupLine struct {
	Vault  *backupHead   `json:"vault,omitempty"`
	Secret *backupSecret `json:"secret,omitempty"`
	Key    *backupKey    `json:"key,omitempty"`
	End    *BackupCounts `json:"end,omitempty"`
}

type backupHead struct {
	At time.Time `json:"at"` // by the database's clock
	// Compared is up to which fact the keys agree with the record; backups of before lack it.
	Compared int64 `json:"compared,omitempty"`
}

type backupSecret struct {
	Name    string    `json:"name"`
	Wrapped []byte    `json:"wrapped"`
	Made    time.Time `json:"made"`
}

// backupKey is a live key, or a tombstone.
type backupKey struct {
	ID        personal.KeyID `json:"id"`
	Kind      string         `json:"kind"`
	Wrapped   []byte         `json:"wrapped,omitempty"`
	Made      time.Time      `json:"made"`
	Due       *time.Time     `json:"due,omitempty"`
	Destroyed *time.Time     `json:"destroyed,omitempty"`
	Why       *string        `json:"why,omitempty"`
}

// BackupCounts is how much a backup holds.
type BackupCounts struct {
	Secrets    int64 `json:"secrets"`
	Keys       int64 `json:"keys"` // that are alive
	Tombstones int64 `json:"tombstones"`
}

// backupWriter writes lines and seals them.
type backupWriter struct {
	sealed io.WriteCloser
	lines  *bufio.Writer
	counts BackupCounts
}

var backupContext = []byte("bgremover vault backup")

// newBackupWriter writes the head. secret is the backup's own key.
func newBackupWriter(w io.Writer, wrap *wrapping, secret []byte) (*backupWriter, error) {
	wrapped, err := wrap.wrap(secret, backupContext)
	if err != nil {
		return nil, err
	}
	head := append([]byte(backupMagic), backupVersion)
	head = binary.BigEndian.AppendUint16(head, uint16(len(wrapped)))
	head = append(head, wrapped...)
	if _, err := w.Write(head); err != nil {
		return nil, err
	}
	k, err := deriveKey("backup/1", secret)
	if err != nil {
		return nil, err
	}
	sealed, err := k.SealTo(w, head)
	if err != nil {
		return nil, err
	}
	return &backupWriter{sealed: sealed, lines: bufio.NewWriterSize(sealed, segment)}, nil
}

func (b *backupWriter) write(line backupLine) error {
	switch {
	case line.Secret != nil:
		b.counts.Secrets++
	case line.Key != nil && line.Key.Wrapped != nil:
		b.counts.Keys++
	case line.Key != nil:
		b.counts.Tombstones++
	}
	encoded, err := json.Marshal(line)
	if err != nil {
		return err
	}
	if _, err := b.lines.Write(append(encoded, '\n')); err != nil {
		return err
	}
	return nil
}

// close writes the end. What was written is worth nothing before that.
func (b *backupWriter) close() (BackupCounts, error) {
	err := b.write(backupLine{End: &b.counts})
	if err == nil {
		err = b.lines.Flush()
	}
	return b.counts, errors.Join(err, b.sealed.Close())
}

// backupReader opens a backup and reads its lines.
type backupReader struct {
	lines  *bufio.Reader
	head   backupHead
	counts BackupCounts
	keys   bool // has begun with keys
}

// newBackupReader reads the head.
func newBackupReader(r io.Reader, wrap *wrapping) (*backupReader, error) {
	head := make([]byte, len(backupMagic)+1+2)
	if _, err := io.ReadFull(r, head); err != nil || !bytes.HasPrefix(head, []byte(backupMagic)) || head[len(backupMagic)] != backupVersion {
		return nil, readFailed(err, ErrNoBackup)
	}
	wrapped := make([]byte, binary.BigEndian.Uint16(head[len(backupMagic)+1:]))
	if _, err := io.ReadFull(r, wrapped); err != nil {
		return nil, readFailed(err, ErrBackupDamaged)
	}
	secret, err := wrap.unwrap(wrapped, backupContext)
	if errors.Is(err, ErrKeysetBehind) {
		id, _ := wrapperOf(wrapped)
		return nil, fmt.Errorf("key %d: %w", id, ErrBackupForeign)
	}
	if err != nil || len(secret) != keySize {
		return nil, ErrBackupDamaged
	}
	k, err := deriveKey("backup/1", secret)
	if err != nil {
		return nil, err
	}
	opened, err := k.OpenFrom(r, append(head, wrapped...))
	if err != nil {
		return nil, openFailed(err)
	}
	b := &backupReader{lines: bufio.NewReaderSize(opened, longestLine)}
	first, err := b.line()
	if err != nil {
		return nil, err
	}
	if first.Vault == nil || first.Vault.Compared < 0 {
		return nil, ErrBackupDamaged
	}
	b.head = *first.Vault
	return b, nil
}

// readFailed tells a file that ends too early from one that cannot be read.
func readFailed(err, otherwise error) error {
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return otherwise
}

// openFailed tells bytes that do not open from a file that cannot be read.
func openFailed(err error) error {
	if errors.Is(err, errNotOpened) || errors.Is(err, bufio.ErrBufferFull) {
		return ErrBackupDamaged
	}
	return readFailed(err, ErrBackupDamaged)
}

// next returns the next secret or key; neither at the end, when everything was there and nothing was changed.
func (b *backupReader) next() (*backupSecret, *backupKey, error) {
	line, err := b.line()
	if err != nil {
		return nil, nil, err
	}
	switch {
	case line.Secret != nil && !b.keys && line.Secret.Name != "" && line.Secret.Wrapped != nil:
		b.counts.Secrets++
		return line.Secret, nil, nil
	case line.Key != nil && line.Key.sound():
		b.keys = true
		if line.Key.Wrapped != nil {
			b.counts.Keys++
		} else {
			b.counts.Tombstones++
		}
		return nil, line.Key, nil
	case line.End != nil && *line.End == b.counts:
		if _, err := b.lines.ReadByte(); !errors.Is(err, io.EOF) {
			return nil, nil, readFailed(err, ErrBackupDamaged)
		}
		return nil, nil, nil
	}
	return nil, nil, ErrBackupDamaged
}

// sound says whether it is a key or a tombstone, and not half of each.
func (k *backupKey) sound() bool {
	return k.ID != "" && k.Kind != "" && (k.Wrapped != nil) == (k.Destroyed == nil) && (k.Wrapped != nil) == (k.Why == nil)
}

func (b *backupReader) line() (line backupLine, err error) {
	raw, err := b.lines.ReadSlice('\n')
	if err != nil {
		return line, openFailed(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&line) != nil || decoder.More() || line.members() != 1 {
		return line, ErrBackupDamaged
	}
	return line, nil
}

func (l backupLine) members() (n int) {
	for _, there := range []bool{l.Vault != nil, l.Secret != nil, l.Key != nil, l.End != nil} {
		if there {
			n++
		}
	}
	return n
}
