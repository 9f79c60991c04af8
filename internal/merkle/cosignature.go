package merkle

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// Witness is the public key of somebody who vouches that a log only grows: an Ed25519
// cosigner as https://c2sp.org/tlog-cosignature says.
type Witness struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

// cosignatureV1 is the kind of key in a witness's vkey.
const cosignatureV1 = 0x04

// ParseWitness reads a witness's vkey: "<name>+<hash>+<base64 of 0x04 and the key>".
func ParseWitness(vkey string) (Witness, error) {
	name, rest, _ := strings.Cut(vkey, "+")
	hash, key64, _ := strings.Cut(rest, "+")
	key, err := base64.StdEncoding.Strict().DecodeString(key64)
	switch {
	case CheckOrigin(name) != nil || err != nil || len(key) == 0:
		return Witness{}, errors.New("a witness's key is written <name>+<hash>+<key>")
	case len(key) == 1+ed25519.PublicKeySize && key[0] == 0x01:
		return Witness{}, errors.New("this is the key of a log (kind 0x01), not of a witness (kind 0x04)")
	case len(key) != 1+ed25519.PublicKeySize || key[0] != cosignatureV1:
		return Witness{}, errors.New("only witnesses with Ed25519 cosignature keys (kind 0x04) are understood")
	}
	w := Witness{name: name, hash: keyHash(name, key), key: key[1:]}
	if hash != fmt.Sprintf("%08x", w.hash) {
		return Witness{}, errors.New("the hash in the witness's key is not that of its name and key: a character is wrong")
	}
	return w, nil
}

// keyHash tells keys of one name apart: signed-note's key ID.
func keyHash(name string, key []byte) uint32 {
	sum := sha256.Sum256(append([]byte(name+"\n"), key...))
	return binary.BigEndian.Uint32(sum[:])
}

// Name is the witness's.
func (w Witness) Name() string { return w.name }

// KeyHash tells the keys of one witness apart.
func (w Witness) KeyHash() uint32 { return w.hash }

// Verify checks a timestamped signature of a checkpoint's text.
func (w Witness) Verify(text, signature []byte) bool {
	at, ok := cosignedAt(signature)
	return ok && ed25519.Verify(w.key, cosigned(at, text), signature[8:])
}

// cosigned is the message that a witness signs.
func cosigned(at uint64, text []byte) []byte {
	return append([]byte("cosignature/v1\ntime "+strconv.FormatUint(at, 10)+"\n"), text...)
}

func cosignedAt(signature []byte) (uint64, bool) {
	if len(signature) != 8+ed25519.SignatureSize {
		return 0, false
	}
	at := binary.BigEndian.Uint64(signature)
	return at, at <= math.MaxInt64
}

// Cosignature is a witness's word that it has seen a checkpoint, and none that contradicts it.
type Cosignature struct {
	Witness string
	At      time.Time
	Line    string // as it stands below the checkpoint, with its newline
}

// Cosignatures returns those of a signed checkpoint that are of these witnesses, in the
// order in which they stand there. A wrong signature in a witness's name is an error;
// what others signed is left out.
func Cosignatures(signed []byte, witnesses ...Witness) ([]Cosignature, error) {
	if len(signed) > maxNote {
		return nil, errors.New("merkle: the signed note is too long")
	}
	known := make([]note.Verifier, len(witnesses))
	for i, w := range witnesses {
		known[i] = w
	}
	n, err := note.Open(signed, note.VerifierList(known...))
	if _, none := errors.AsType[*note.UnverifiedNoteError](err); none {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("merkle: cosignatures: %w", err)
	}
	found := make([]Cosignature, len(n.Sigs))
	for i, s := range n.Sigs {
		raw, _ := base64.StdEncoding.DecodeString(s.Base64) // was decoded just now
		at, _ := cosignedAt(raw[4:])
		found[i] = Cosignature{
			Witness: s.Name, At: time.Unix(int64(at), 0).UTC(),
			Line: "— " + s.Name + " " + s.Base64 + "\n",
		}
	}
	return found, nil
}

// Cosign adds to a signed checkpoint the signature of a witness that is among the lines. It
// fails when there is none, and changes nothing when the witness has signed before.
func Cosign(signed []byte, lines string, w Witness) ([]byte, error) {
	if before, err := Cosignatures(signed, w); err != nil || len(before) > 0 {
		return signed, err
	}
	text, _, err := Split(signed)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(lines, "\n") || strings.Contains(lines, "\n\n") {
		return nil, errors.New("merkle: these are no signature lines") // they would move the end of the text
	}
	found, err := Cosignatures([]byte(text+"\n"+lines), w)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("merkle: no signature of the witness %s is there", w.name)
	}
	return append(bytes.Clone(signed), found[0].Line...), nil
}
