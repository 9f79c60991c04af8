package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/internal/merkle"
)

// What stands in ledger.checkpoints, and in the topic.
const (
	kindKey        = "key"        // the verifier of the log's first key; always the first entry
	kindCheckpoint = "checkpoint" // a head, signed by the log
	kindCosigned   = "cosigned"   // the same with the signatures of witnesses
	kindRotation   = "rotation"   // one key's word for the next
)

// signed is an entry of ledger.checkpoints.
type signed struct {
	n    int64
	kind string
	size int64
	note []byte
	// offset is where Kafka has it; nil: it is not published yet.
	offset *int64
}

func (s signed) insert(ctx context.Context, tx pgx.Tx, at time.Time) error {
	_, err := tx.Exec(ctx, `insert into ledger.checkpoints (n, kind, size, note, at, "offset") values ($1, $2, $3, $4, $5, $6)`, s.n, s.kind, s.size, s.note, at, s.offset)
	return err
}

// head is a checkpoint, and when it was signed.
type head struct {
	merkle.Checkpoint
	at time.Time
}

// book is what was signed so far.
type book struct {
	n    int64 // the last entry; 0: none
	last head  // the newest checkpoint
	keys merkle.Keys
}

// openBook keeps everybody else from signing until the transaction ends, and reads what
// was signed.
func openBook(ctx context.Context, tx pgx.Tx) (book, error) {
	if err := lockBook(ctx, tx); err != nil {
		return book{}, err
	}
	return readBook(ctx, tx)
}

// lockBook keeps everybody else from signing until the transaction ends. It does not wait
// long for others.
func lockBook(ctx context.Context, tx pgx.Tx) error {
	batch := &pgx.Batch{}
	batch.Queue("set local lock_timeout = '2s'")
	batch.Queue("lock table ledger.checkpoints in exclusive mode")
	return tx.SendBatch(ctx, batch).Close()
}

func readBook(ctx context.Context, db querier) (b book, err error) {
	if b.keys, err = readKeys(ctx, db); err != nil {
		return b, err
	}
	if err := db.QueryRow(ctx, "select coalesce(max(n), 0) from ledger.checkpoints").Scan(&b.n); err != nil {
		return b, err
	}
	var note []byte
	err = db.QueryRow(ctx, `
		select note, at from ledger.checkpoints
		 where kind in ('checkpoint', 'cosigned') order by size desc, n limit 1`).Scan(&note, &b.last.at)
	if errors.Is(err, pgx.ErrNoRows) {
		return b, nil
	}
	if err != nil {
		return b, err
	}
	if b.last.Checkpoint, err = b.keys.Open(note); err != nil {
		return b, fmt.Errorf("ledger: the newest checkpoint is not signed by the log's key (%w): %w", err, ErrFork)
	}
	return b, nil
}

// errNoKey says that no key of the log was ever written down here.
var errNoKey = errors.New("ledger: the log has no key yet")

// readKeys follows the log's keys.
func readKeys(ctx context.Context, db querier) (merkle.Keys, error) {
	first, rotations, err := keyNotes(ctx, db, false)
	if err != nil {
		return merkle.Keys{}, err
	}
	keys, err := merkle.FollowKeys(first, rotations)
	if err != nil {
		return merkle.Keys{}, fmt.Errorf("ledger: the log's keys do not follow each other (%w): %w", err, ErrFork)
	}
	return keys, nil
}

// keyNotes returns the first key's verifier, and the signed rotations after it, oldest
// first; of the rotations only the public ones, or all.
func keyNotes(ctx context.Context, db querier, public bool) (first string, rotations [][]byte, err error) {
	rows, err := db.Query(ctx, `
		select kind, note
		  from ledger.checkpoints
		 where kind in ('key', 'rotation') and (kind = 'key' or not $1 or "offset" is not null)
		 order by n`, public)
	if err != nil {
		return "", nil, err
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct {
		Kind string
		Note []byte
	}])
	if err != nil {
		return "", nil, err
	}
	for _, row := range found {
		if row.Kind == kindKey {
			first = verifierOf(row.Note)
			continue
		}
		rotations = append(rotations, row.Note)
	}
	if first == "" {
		return "", nil, errNoKey
	}
	return first, rotations, nil
}

// The first entry is the verifier's line.
func keyNote(verifier string) []byte { return []byte(verifier + "\n") }

func verifierOf(keyNote []byte) string { return string(keyNote[:max(len(keyNote)-1, 0)]) }
