package merkle

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint is a head of the tree, as C2SP's tlog-checkpoint writes it.
type Checkpoint struct {
	Origin string // names the log, once and for all
	Size   int64
	Root   Hash
}

// Text is what is signed: three lines.
func (c Checkpoint) Text() string {
	return fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, c.Root)
}

var errCheckpoint = errors.New("merkle: this is no checkpoint: its lines are origin, size and root, as https://c2sp.org/tlog-checkpoint says")

// ParseCheckpoint reads what [Checkpoint.Text] writes, and nothing else. Extension lines,
// which that format knows and this log has never signed, are refused.
func ParseCheckpoint(text string) (Checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 {
		return Checkpoint{}, errCheckpoint
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 {
		return Checkpoint{}, errCheckpoint
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return Checkpoint{}, errCheckpoint
	}
	c := Checkpoint{Origin: lines[0], Size: size, Root: root}
	if CheckOrigin(c.Origin) != nil || c.Text() != text {
		return Checkpoint{}, errCheckpoint
	}
	return c, nil
}

// maxOrigin bounds an origin.
const maxOrigin = 200

// CheckOrigin says what is wrong with a log's name; nil: nothing. It stands in every
// checkpoint and in the verifier key, so it is printable ASCII without spaces or a plus.
func CheckOrigin(origin string) error {
	if origin == "" || len(origin) > maxOrigin {
		return fmt.Errorf("an origin has 1 to %d characters", maxOrigin)
	}
	for i := range len(origin) {
		if c := origin[i]; c <= ' ' || c > '~' || c == '+' {
			return errors.New("an origin is a name like log.example.org/2026: letters, digits and signs, without spaces and plus")
		}
	}
	return nil
}

// SignCheckpoint returns the signed note. The checkpoint's origin MUST be the key's.
func SignCheckpoint(c Checkpoint, key SigningKey) ([]byte, error) {
	if c.Origin != key.Origin() {
		return nil, fmt.Errorf("merkle: the key of %s does not sign for %s", key.Origin(), c.Origin)
	}
	return note.Sign(&note.Note{Text: c.Text()}, key)
}

// OpenCheckpoint reads a checkpoint that is signed by at least one of a log's keys, all
// others' signatures aside. Verifiers are vkey lines, as [SigningKey.Verifier] writes them.
func OpenCheckpoint(signed []byte, verifiers ...string) (Checkpoint, error) {
	text, name, err := open(signed, verifiers)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("merkle: checkpoint: %w", err)
	}
	c, err := ParseCheckpoint(text)
	if err != nil {
		return Checkpoint{}, err
	}
	if c.Origin != name {
		return Checkpoint{}, fmt.Errorf("merkle: the checkpoint of %s is signed by the key of %s", c.Origin, name)
	}
	return c, nil
}

// ReadCheckpoint reads a signed checkpoint without checking who signed it.
func ReadCheckpoint(signed []byte) (Checkpoint, error) {
	text, _, err := Split(signed)
	if err != nil {
		return Checkpoint{}, err
	}
	return ParseCheckpoint(text)
}

// maxNote bounds what is read as a signed note: a few lines, and a hundred signatures.
const maxNote = 64 << 10

// open verifies a note, and returns its text and the name of who signed it.
func open(signed []byte, verifiers []string) (text, name string, err error) {
	if len(signed) > maxNote {
		return "", "", errors.New("the signed note is too long")
	}
	known := make([]note.Verifier, len(verifiers))
	for i, vkey := range verifiers {
		if known[i], err = note.NewVerifier(vkey); err != nil {
			return "", "", fmt.Errorf("the verifier key %.80q: %w", vkey, err)
		}
	}
	n, err := note.Open(signed, note.VerifierList(known...))
	if err != nil {
		return "", "", err
	}
	return n.Text, n.Sigs[0].Name, nil
}

// Split parts a signed note into its text and its signature lines, without checking any.
func Split(signed []byte) (text string, signatures []string, err error) {
	if len(signed) > maxNote {
		return "", nil, errors.New("merkle: the signed note is too long")
	}
	_, err = note.Open(signed, nil)
	unverified, ok := errors.AsType[*note.UnverifiedNoteError](err)
	if !ok {
		return "", nil, fmt.Errorf("merkle: %w", err)
	}
	for _, s := range unverified.Note.UnverifiedSigs {
		signatures = append(signatures, "— "+s.Name+" "+s.Base64+"\n")
	}
	return unverified.Note.Text, signatures, nil
}
