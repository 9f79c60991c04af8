package audit

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/merkle"
)

// notes reads what the log signed, in the order in which it did: checkpoints, and the
// rotations by which one key hands over to the next.
type notes struct {
	from  *partition
	found *findings
	page  []ledger.Entry

	keys      merkle.Keys
	first     string // the key that everything rests on; "" before it is known
	rotations [][]byte

	ahead  *vouched          // read, and not yet dealt with
	newest merkle.Checkpoint // the largest that the log signed
	signed int64             // how many it signed
	high   int64             // the highest number in the topic
	ended  bool
}

// vouched is a checkpoint that the log's key signed, or, if it is foreign, somebody else.
type vouched struct {
	merkle.Checkpoint
	foreign bool
}

// rotationHead begins the text of a rotation; no checkpoint's begins so.
var rotationHead = []byte("log key rotation ")

// peek returns the next checkpoint that is not dealt with yet; nil at the end.
func (n *notes) peek(ctx context.Context) (*vouched, error) {
	for n.ahead == nil && !n.ended {
		if len(n.page) == 0 {
			f, ok, err := n.from.next(ctx)
			if err != nil {
				return nil, fmt.Errorf("read the checkpoints: %w", err)
			}
			if n.ended = !ok; n.ended {
				break
			}
			n.page = f.Entries
		}
		e := n.page[0]
		n.page = n.page[1:]
		n.count(e)
		switch {
		case n.named(e):
		case bytes.HasPrefix(e.Body, rotationHead):
			n.rotate(e)
		default:
			n.read(e)
		}
	}
	return n.ahead, nil
}

// count sees that nothing is missing: what stands in the topic is numbered 1, 2, 3 …, and may
// stand again.
func (n *notes) count(e ledger.Entry) {
	switch {
	case e.Seq < 1:
		n.bad(e.Offset, "it has no number")
	case e.Seq > n.high+1:
		n.bad(e.Offset, "number %d stands there, and %d is missing", e.Seq, n.high+1)
	}
	n.high = max(n.high, e.Seq)
}

func (n *notes) bad(offset int64, format string, args ...any) {
	n.found.add(at(BadCheckpoint, n.newest.Size+1, "offset %d of the topic of checkpoints: %s", offset, fmt.Sprintf(format, args...)))
}

// read takes a checkpoint in.
func (n *notes) read(e ledger.Entry) {
	if n.first == "" {
		n.bad(e.Offset, "nothing says which key signs this log's checkpoints; name it with --key")
		return
	}
	c, err := n.keys.Open(e.Body)
	if err == nil {
		err = checkSpelling(e.Body)
	}
	if err != nil {
		n.bad(e.Offset, "%v", err)
		if c, err := merkle.ReadCheckpoint(e.Body); err == nil {
			n.ahead = &vouched{Checkpoint: c, foreign: true}
		}
		return
	}
	if n.newest.Origin == "" || c.Size > n.newest.Size {
		n.signed++ // those that witnesses signed, too, stand again
	}
	if n.newest.Origin != "" && c.Size == n.newest.Size && c.Root != n.newest.Root {
		n.found.add(Finding{What: Forked, Seq: 1, Through: c.Size, Text: fmt.Sprintf(
			"offset %d of the topic of checkpoints: the log signed two roots for the size %d", e.Offset, c.Size)})
	}
	n.ahead = &vouched{Checkpoint: c}
	if n.newest.Origin == "" || c.Size >= n.newest.Size {
		n.newest = c
	}
}

// named takes an entry that names the log's first key, if it is one.
func (n *notes) named(e ledger.Entry) bool {
	vkey := string(bytes.TrimSpace(e.Body))
	if _, err := merkle.FollowKeys(vkey, nil); err != nil {
		return false
	}
	if n.first == "" {
		return n.trust(vkey) == nil
	}
	if vkey != n.first {
		n.bad(e.Offset, "the log says that its first key is another one: %s", vkey)
	}
	return true
}

// rotate goes over to the next key.
func (n *notes) rotate(e ledger.Entry) {
	for _, known := range n.rotations {
		if bytes.Equal(known, e.Body) {
			return // published again
		}
	}
	rotations := append(n.rotations[:len(n.rotations):len(n.rotations)], e.Body)
	keys, err := merkle.FollowKeys(n.first, rotations)
	if err == nil {
		err = checkSpelling(e.Body)
	}
	if err != nil {
		n.bad(e.Offset, "%v", err)
		return
	}
	n.keys, n.rotations = keys, rotations
}

// trust makes a key the one that everything rests on.
func (n *notes) trust(vkey string) (err error) {
	n.keys, err = merkle.FollowKeys(vkey, nil)
	if err == nil {
		n.first = vkey
	}
	return err
}

var errSpelling = errors.New("its signatures are not written as they were made")

// checkSpelling takes signatures in their one spelling only: base64 leaves bits at its end
// that most readers pass over.
func checkSpelling(signed []byte) error {
	_, signatures, err := merkle.Split(signed)
	if err != nil {
		return err
	}
	for _, line := range signatures {
		text := strings.TrimSuffix(line[strings.LastIndexByte(line, ' ')+1:], "\n")
		if raw, err := base64.StdEncoding.DecodeString(text); err != nil || base64.StdEncoding.EncodeToString(raw) != text {
			return errSpelling
		}
	}
	return nil
}

// checkpoints compares every checkpoint that the record has reached with its root there.
func (a *audit) checkpoints(ctx context.Context) error {
	for {
		v, err := a.notes.peek(ctx)
		if err != nil || v == nil || v.Size > a.leaves.Size() {
			return err
		}
		a.notes.ahead = nil
		root, err := a.leaves.rootAt(ctx, v.Size)
		switch {
		case err != nil:
			return err
		case v.foreign:
			if root == v.Root {
				a.resigned = max(a.resigned, v.Size)
			}
		case root == v.Root && v.Size > a.agreed:
			a.agreed = v.Size
		case root == v.Root: // it stands again
		case a.differs == nil || v.Size < a.differs.Size:
			a.differs, a.below = v, a.agreed
			if a.below >= v.Size {
				a.below = 0
			}
		}
	}
}

// drain reads the checkpoints that are left when the record is over: what they vouch for is
// not there.
func (a *audit) drain(ctx context.Context) error {
	for {
		if err := a.checkpoints(ctx); err != nil {
			return err
		}
		if a.notes.ahead == nil {
			return nil
		}
		a.notes.ahead = nil
	}
}
