package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/internal/merkle"
)

// Witness vouches that the log only grows. adapters/witness implements it.
type Witness interface {
	Name() string
	// Cosign shows a signed checkpoint to the witness and returns the lines with which it
	// signs, verified. prove proves that the checkpoint's tree begins with an older one.
	Cosign(ctx context.Context, note []byte, prove func(ctx context.Context, old int64) ([]merkle.Hash, error)) (lines string, err error)
}

// ErrContradicted is what a witness says who has seen another record under this name: a larger
// one, or one that this one does not continue.
var ErrContradicted = errors.New("what it saw of this record before does not fit: look at once whether the record was rolled back or changed, with bgremover log verify; if it was not, somebody else signs with the log's key")

// witnessTime bounds how long witnesses may take. Nothing waits for them.
const witnessTime = 15 * time.Second

// askWitnesses shows a checkpoint that is public to all witnesses at once. Whoever is away
// is shown the next one.
func (t *term) askWitnesses(s signed) {
	if t.signs.asking || len(t.Signing.Witnesses) == 0 {
		return
	}
	t.signs.asking = true
	tree := NewTree(t.ledger.pool)
	prove := func(ctx context.Context, old int64) ([]merkle.Hash, error) {
		return merkle.Consistency(ctx, tree, old, s.size)
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), witnessTime)
		defer cancel()
		lines, errs := make([]string, len(t.Signing.Witnesses)), make([]error, len(t.Signing.Witnesses))
		var all sync.WaitGroup
		for i, w := range t.Signing.Witnesses {
			all.Go(func() { lines[i], errs[i] = w.Cosign(ctx, s.note, prove) })
		}
		all.Wait()
		t.signs.done <- func(ctx context.Context) error { return t.cosigned(ctx, s, lines, errs) }
	}()
}

// cosigned keeps the checkpoint with the witnesses' signatures, to be published as well.
func (t *term) cosigned(ctx context.Context, s signed, lines []string, errs []error) error {
	t.signs.asking = false
	for i, w := range t.Signing.Witnesses {
		t.tellOf(ctx, w.Name(), errs[i])
	}
	added := strings.Join(lines, "")
	if added == "" {
		return nil
	}
	err := pgx.BeginFunc(ctx, t.conn, func(tx pgx.Tx) error {
		book, err := openBook(ctx, tx)
		if err != nil {
			return err
		}
		return signed{n: book.n + 1, kind: kindCosigned, size: s.size, note: slices.Concat(s.note, []byte(added))}.insert(ctx, tx, t.Signing.now())
	})
	if isBusy(err) {
		return nil // the witnesses sign the next one
	}
	if err != nil {
		return fmt.Errorf("keep what witnesses signed: %w", err)
	}
	return t.signNext(ctx)
}

// tellOf says what is wrong with a witness, once until that changes for the better.
func (t *term) tellOf(ctx context.Context, witness string, err error) {
	before, now := t.signs.told[witness], slog.LevelInfo
	switch {
	case errors.Is(err, ErrContradicted):
		now = slog.LevelError
		if before < now {
			t.Log.ErrorContext(ctx, "ALARM: a witness saw another record", slog.String("witness", witness), slog.Any("err", err))
		}
	case err != nil:
		now = slog.LevelWarn
		if before < now {
			t.Log.WarnContext(ctx, "a witness does not sign; it is asked again with each checkpoint", slog.String("witness", witness), slog.Any("err", err))
		}
	}
	t.signs.told[witness] = now
}
