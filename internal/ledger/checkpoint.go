package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bgremover/bgremover/internal/fault"
	"github.com/bgremover/bgremover/internal/merkle"
)

// Signing is what whoever holds the term signs heads of the tree with.
type Signing struct {
	Keys  *LogKeys
	Topic Source // reads the topic "checkpoints" back, at the beginning of each term
	// Every is how much time lies between two checkpoints, so that their sizes betray no
	// single upload; a minute if zero.
	Every     time.Duration
	Witnesses []Witness
	Now       func() time.Time // nil: [time.Now]
}

// signPoll is how often a term looks whether there is something to sign, or to publish.
const signPoll = time.Second

// ticks says when to look; never, without signing.
func (c *Signing) ticks() (<-chan time.Time, func()) {
	if c == nil {
		return nil, func() {}
	}
	tick := time.NewTicker(min(signPoll, c.every()))
	return tick.C, tick.Stop
}

func (c *Signing) every() time.Duration {
	if c.Every == 0 {
		return time.Minute
	}
	return c.Every
}

func (c *Signing) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

// due says whether so much time has passed. A clock that was put back counts as that.
func (c *Signing) due(last time.Time) bool {
	passed := c.now().Sub(last)
	return last.IsZero() || passed >= c.every() || passed < 0
}

// signs is how far a term has come with its checkpoints. All of it belongs to the term's
// goroutine: what others do for it comes back as a function.
type signs struct {
	busy   bool  // something is being published, or the topic is asked whether it answers
	asking bool  // witnesses are asked
	doubt  bool  // the last one may be in the topic or not
	warned bool  // that signing or publishing fails
	last   head  // the newest checkpoint, as far as this term knows
	top    int64 // the highest offset of the topic; -1 while there is none
	done   chan func(context.Context) error
	told   map[string]slog.Level // what was last said of each witness
}

func newSigns() signs {
	return signs{
		done: make(chan func(context.Context) error, 2), // one publishes, one asks: neither waits
		told: map[string]slog.Level{},
	}
}

// signNext publishes what was signed and is not in the topic yet, or signs what is due.
// Everything is in Postgres before it is in the topic; what a crash leaves in between, the
// next term publishes.
func (t *term) signNext(ctx context.Context) error {
	if t.Signing == nil || t.signs.busy {
		return nil
	}
	if t.signs.doubt {
		t.knock()
		return nil
	}
	next, err := t.unpublished(ctx)
	if err == nil && next == nil {
		var made bool
		if made, err = t.sign(ctx); made {
			next, err = t.unpublished(ctx) // a rotation may have come first
		}
	}
	if err != nil || next == nil {
		return err
	}
	t.signs.busy = true
	fault.Point("checkpoint.signed")
	go func() {
		offset, err := t.publishSigned(*next)
		t.signs.done <- func(ctx context.Context) error { return t.signedLanded(ctx, *next, offset, err) }
	}()
	return nil
}

// lookAgainTime bounds the reading of a topic that has just answered.
const lookAgainTime = 5 * time.Second

// knock finds out whether the topic answers at all, beside the term: numbering does not wait
// for a topic that is in trouble.
func (t *term) knock() {
	t.signs.busy = true
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), lookAgainTime)
		defer cancel()
		_, err := t.Signing.Topic.Fetch(ctx, 0, 0)
		t.signs.done <- func(ctx context.Context) error {
			t.signs.busy = false
			if err != nil {
				t.signingFails(ctx, err)
				return nil // with the next tick again
			}
			if settled, err := t.lookAgain(ctx); !settled {
				return err
			}
			return t.signNext(ctx)
		}
	}()
}

// lookAgain finds out what became of something that was sent, and whether what was there
// before still is. Otherwise a loss would hide behind what is published next.
func (t *term) lookAgain(ctx context.Context) (settled bool, err error) {
	limited, cancel := context.WithTimeout(ctx, lookAgainTime)
	defer cancel()
	err = t.readTopic(limited)
	if err == nil {
		t.signs.doubt = false
		return true, nil
	}
	if ctx.Err() != nil || halting(err) || errors.Is(err, errTermOver) || t.conn.IsClosed() {
		return false, err
	}
	t.signingFails(ctx, err)
	return false, nil // with the next tick again
}

func (t *term) unpublished(ctx context.Context) (*signed, error) {
	var s signed
	err := t.conn.QueryRow(ctx, `
		select n, kind, size, note from ledger.checkpoints where "offset" is null order by n limit 1`,
	).Scan(&s.n, &s.kind, &s.size, &s.note)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for checkpoints to publish: %w", err)
	}
	return &s, nil
}

// publishSigned returns the offset, or -1 where that is not known.
func (t *term) publishSigned(s signed) (int64, error) {
	m := &message.Message{Payload: s.note, Metadata: message.Metadata{MetaSeq: strconv.FormatInt(s.n, 10), MetaKind: s.kind}}
	if err := t.deliver(TopicCheckpoints, []*message.Message{m}); err != nil {
		return -1, err
	}
	offset, err := strconv.ParseInt(m.Metadata.Get(MetaOffset), 10, 64)
	if err != nil {
		return -1, nil //nolint:nilerr // This publisher does not say, or does not know.
	}
	return offset, nil
}

// signedLanded notes that something signed is in the topic: now it is public.
func (t *term) signedLanded(ctx context.Context, s signed, offset int64, err error) error {
	t.signs.busy = false
	t.signs.doubt = err != nil
	if err != nil {
		t.signingFails(ctx, fmt.Errorf("publish what was signed: %w", err))
		return nil // with the next tick again
	}
	fault.Point("checkpoint.published")
	if offset >= 0 && offset <= t.signs.top {
		return fmt.Errorf("ledger: the broker stored a checkpoint at offset %d after offset %d: %w", offset, t.signs.top, ErrLost)
	}
	t.signs.top = max(t.signs.top, offset)
	if err := t.noteOffset(ctx, s.n, offset); err != nil {
		return fmt.Errorf("note that a checkpoint is published: %w", err)
	}
	t.signs.warned = false
	if s.kind == kindCheckpoint {
		t.askWitnesses(s)
	}
	return t.signNext(ctx)
}

// noteOffset notes where the topic has an entry, unless a later term has begun: what that one
// did not read back itself it would not miss when the broker loses it.
func (t *term) noteOffset(ctx context.Context, n, offset int64) error {
	noted, err := t.conn.Exec(ctx, `
		update ledger.checkpoints set "offset" = $2
		 where n = $1 and exists (select from ledger.head where term = $3)`, n, offset, t.number)
	if err == nil && noted.RowsAffected() == 0 {
		err = errTermOver
	}
	return err
}

// ours fails when a later term has begun.
func (t *term) ours(ctx context.Context, tx pgx.Tx) error {
	var ours bool
	err := tx.QueryRow(ctx, "select term = $1 from ledger.head", t.number).Scan(&ours)
	if err == nil && !ours {
		err = errTermOver
	}
	return err
}

// signingFails warns once: the record goes on without checkpoints.
func (t *term) signingFails(ctx context.Context, err error) {
	if !t.signs.warned {
		t.Log.WarnContext(ctx, "no checkpoint can be made public at the moment; it is tried again", slog.Any("err", err))
	}
	t.signs.warned = true
}

// sign signs the head of what is published, when there is something new and it is time.
func (t *term) sign(ctx context.Context) (made bool, err error) {
	if t.through <= t.signs.last.Size || !t.Signing.due(t.signs.last.at) {
		return false, nil
	}
	size := t.through
	root, err := merkle.RootOf(ctx, &Tree{t.conn}, size)
	if err == nil && size == t.head && root != t.tree.Root() {
		err = fmt.Errorf("ledger: the tree over facts 1 to %d is another one than when they were numbered: %w", size, ErrTree)
	}
	if err != nil {
		return false, fmt.Errorf("find the tree's head: %w", err)
	}
	err = pgx.BeginFunc(ctx, t.conn, func(tx pgx.Tx) (err error) {
		made, err = t.signIn(ctx, tx, size, root)
		return err
	})
	switch {
	case isBusy(err): // a rotation is under way
		return false, nil
	case err == nil:
		return made, nil
	case t.conn.IsClosed(), halting(err), errors.Is(err, errTermOver):
		return false, err
	}
	t.signingFails(ctx, fmt.Errorf("sign the tree's head: %w", err))
	return false, nil
}

// isBusy says that a lock was not given in time.
func isBusy(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Code == "55P03"
}

// signIn signs while nobody else writes checkpoints or changes the key. What this term
// believes was signed last is looked at again here.
func (t *term) signIn(ctx context.Context, tx pgx.Tx, size int64, root merkle.Hash) (made bool, err error) {
	book, err := openBook(ctx, tx)
	if err != nil {
		return false, err
	}
	if err := t.ours(ctx, tx); err != nil {
		return false, err
	}
	t.signs.last = book.last
	if size <= book.last.Size || !t.Signing.due(book.last.at) {
		return false, nil
	}
	if err := consistent(ctx, &Tree{tx}, book.last.Checkpoint, size, root); err != nil {
		return false, err
	}
	key, err := t.Signing.Keys.signer(ctx, book.keys.Newest())
	if err != nil {
		return false, err
	}
	c := merkle.Checkpoint{Origin: key.Origin(), Size: size, Root: root}
	note, err := merkle.SignCheckpoint(c, key)
	if err != nil {
		return false, err
	}
	at := t.Signing.now()
	if err := (signed{n: book.n + 1, kind: kindCheckpoint, size: size, note: note}).insert(ctx, tx, at); err != nil {
		return false, err
	}
	t.signs.last = head{c, at}
	t.counts.Signed.Add(1)
	return true, nil
}

// consistent fails with an alarm unless the tree begins with the one that was signed last.
func consistent(ctx context.Context, tree *Tree, last merkle.Checkpoint, size int64, root merkle.Hash) error {
	if last.Size == 0 {
		return nil
	}
	proof, err := merkle.Consistency(ctx, tree, last.Size, size)
	if err != nil {
		return err
	}
	if err := merkle.CheckConsistency(proof, size, root, last.Size, last.Root); err != nil {
		return fmt.Errorf("ledger: the tree of %d facts does not begin with the one that was signed at %d: %w", size, last.Size, ErrFork)
	}
	return nil
}

// signOffTime bounds what a term does for its checkpoints when it is asked to end.
const signOffTime = 5 * time.Second

// signOff signs what is due before a term ends in good order, and waits until it is public.
// What does not succeed is left to the next term.
func (t *term) signOff(ctx context.Context) {
	if t.Signing == nil || t.conn.IsClosed() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, signOffTime)
	defer cancel()
	err := t.signNext(ctx)
	for err == nil && t.signs.busy {
		select {
		case then := <-t.signs.done:
			err = then(ctx)
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	}
	if err != nil {
		t.signingFails(ctx, err)
	}
}
