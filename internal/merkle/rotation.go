package merkle

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Rotation is how a log goes over to another key: the old key's word for the new one.
type Rotation struct {
	Origin   string
	Verifier string // of the new key
	From     int64  // the size of the last checkpoint that the old key signed: larger ones are the new key's
}

// rotationHead begins a rotation's text. No origin has a space, so no rotation is a checkpoint.
const rotationHead = "log key rotation v1"

// Text is what the old key signs: four lines.
func (r Rotation) Text() string {
	return fmt.Sprintf("%s\n%s\n%s\n%d\n", rotationHead, r.Origin, r.Verifier, r.From)
}

var errRotation = errors.New("merkle: this is no rotation of a log's key")

// ParseRotation reads what [Rotation.Text] writes, and nothing else.
func ParseRotation(text string) (Rotation, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 5 {
		return Rotation{}, errRotation
	}
	from, err := strconv.ParseInt(lines[3], 10, 64)
	if err != nil || from < 0 {
		return Rotation{}, errRotation
	}
	r := Rotation{Origin: lines[1], Verifier: lines[2], From: from}
	v, err := note.NewVerifier(r.Verifier)
	if err != nil || v.Name() != r.Origin || CheckOrigin(r.Origin) != nil || r.Text() != text {
		return Rotation{}, errRotation
	}
	return r, nil
}

// SignRotation returns the signed note by which the old key hands over to the new one.
func SignRotation(r Rotation, old SigningKey) ([]byte, error) {
	if _, err := ParseRotation(r.Text()); err != nil || r.Origin != old.Origin() {
		return nil, fmt.Errorf("merkle: the key of %s does not hand over to %.80q", old.Origin(), r.Verifier)
	}
	return note.Sign(&note.Note{Text: r.Text()}, old)
}

// OpenRotation reads a rotation that the key before it signed.
func OpenRotation(signed []byte, old string) (Rotation, error) {
	text, name, err := open(signed, []string{old})
	if err != nil {
		return Rotation{}, fmt.Errorf("merkle: rotation: %w", err)
	}
	r, err := ParseRotation(text)
	if err != nil {
		return Rotation{}, err
	}
	if r.Origin != name {
		return Rotation{}, fmt.Errorf("merkle: the key of %s hands over for %s", name, r.Origin)
	}
	return r, nil
}

// Keys are a log's keys, the first one and those that it was handed over to.
type Keys struct {
	verifiers []string
	from      []int64 // from[i]: the first checkpoint of verifiers[i] is larger
}

// FollowKeys goes from the first key, which one has to trust, along the rotations, oldest
// first, to the newest.
func FollowKeys(first string, rotations [][]byte) (Keys, error) {
	if _, err := note.NewVerifier(first); err != nil {
		return Keys{}, fmt.Errorf("merkle: the verifier key %.80q: %w", first, err)
	}
	k := Keys{verifiers: []string{first}, from: []int64{-1}}
	for i, signed := range rotations {
		last := len(k.verifiers) - 1
		r, err := OpenRotation(signed, k.verifiers[last])
		if err != nil {
			return Keys{}, fmt.Errorf("rotation %d of the log's key: %w", i+1, err)
		}
		if r.From < k.from[last] {
			return Keys{}, fmt.Errorf("rotation %d of the log's key: %w: it goes back to size %d", i+1, errRotation, r.From)
		}
		k.verifiers, k.from = append(k.verifiers, r.Verifier), append(k.from, r.From)
	}
	return k, nil
}

// Verifiers returns the keys, oldest first.
func (k Keys) Verifiers() []string { return k.verifiers }

// Newest is the key that signs now.
func (k Keys) Newest() string { return k.verifiers[len(k.verifiers)-1] }

// At is the key that signs checkpoints of a size.
func (k Keys) At(size int64) string {
	i := len(k.verifiers) - 1
	for i > 0 && k.from[i] >= size {
		i--
	}
	return k.verifiers[i]
}

// Open reads a checkpoint, and wants it signed by the key whose turn it was: a key that was
// retired signs nothing new.
func (k Keys) Open(signed []byte) (Checkpoint, error) {
	c, err := ReadCheckpoint(signed)
	if err != nil {
		return Checkpoint{}, err
	}
	return OpenCheckpoint(signed, k.At(c.Size))
}

// Verifiers follows the rotations, oldest first, from the first key to the newest, and
// returns them all.
func Verifiers(first string, rotations [][]byte) ([]string, error) {
	k, err := FollowKeys(first, rotations)
	return k.verifiers, err
}
