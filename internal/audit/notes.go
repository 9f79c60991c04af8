package audit

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
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
	early map[int64]ledger.Entry // by number: they wait for those before them

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
		e, ok, err := n.entry(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the checkpoints: %w", err)
		}
		switch {
		case !ok:
			n.ended = true
		case n.named(e):
		case bytes.HasPrefix(e.Body, rotationHead):
			n.rotate(e)
		default:
			n.read(e)
		}
	}
	return n.ahead, nil
}

// maxEarlyNotes bounds how many entries wait for one that is missing. The sequencer leaves
// one or two: it looks at the topic whenever something is in doubt.
const maxEarlyNotes = 1024

// entry returns the next entry by its number, 1, 2, 3 …; those that stand again are handed out
// again. What a broker loses is published again, behind what came after it.
func (n *notes) entry(ctx context.Context) (ledger.Entry, bool, error) {
	for {
		if e, waits := n.early[n.high+1]; waits {
			delete(n.early, e.Seq)
			n.high = e.Seq
			return e, true, nil
		}
		e, ok, err := n.stored(ctx)
		if err != nil || !ok && len(n.early) == 0 {
			return e, false, err
		}
		if ok && e.Seq <= n.high+1 {
			if e.Seq < 1 {
				n.bad(e.Offset, "it has no number")
			}
			n.high = max(n.high, e.Seq)
			return e, true, nil
		}
		if before, waits := n.early[e.Seq]; ok && waits && !bytes.Equal(before.Body, e.Body) {
			n.bad(e.Offset, "number %d stands there, and before that, at offset %d, with other bytes", e.Seq, before.Offset)
		} else if ok {
			n.early[e.Seq] = e
		}
		if !ok || len(n.early) > maxEarlyNotes {
			first := slices.Min(slices.Collect(maps.Keys(n.early)))
			n.bad(n.early[first].Offset, "number %d stands there, and %d is missing", first, n.high+1)
			n.high = first - 1
		}
	}
}

// stored returns the next entry as it stands in the topic.
func (n *notes) stored(ctx context.Context) (ledger.Entry, bool, error) {
	if len(n.page) == 0 {
		f, ok, err := n.from.next(ctx)
		switch {
		case errors.Is(err, errCut):
			n.bad(n.from.at, "%v: it begins at offset %d", err, n.from.start)
			return ledger.Entry{}, false, nil
		case errors.Is(err, errLost):
			n.bad(n.from.at, "%v", err)
			return ledger.Entry{}, false, nil
		case err != nil || !ok:
			return ledger.Entry{}, false, err
		}
		n.page = f.Entries
	}
	e := n.page[0]
	n.page = n.page[1:]
	return e, true, nil
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
