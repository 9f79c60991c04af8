package projector

import (
	"context"
	"fmt"
	"regexp"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/domain/event"
)

// View is one projection: tables that follow from the record and from nothing else.
type View struct {
	// Name is the view's name and that of its Postgres schema: lower-case letters.
	Name string
	// Schema is SQL that makes the tables inside the schema, which is there already. It runs
	// at every start and changes nothing the second time.
	Schema string
	// Apply queues what one fact changes. It has no other input than the fact and no other
	// effect than the queue; a fact that the view does not show queues nothing.
	Apply func(*pgx.Batch, event.Envelope)
}

// Checkpoint is how far a view has come.
type Checkpoint struct {
	Seq    int64 // of the last fact applied; 0 before the first
	Offset int64 // where that fact was found: a hint for the reader, and no more
}

// Entry is one fact as it stands in the record.
type Entry struct {
	Seq    int64
	Offset int64
	Body   []byte
}

// Record begins to read the record after a checkpoint. Every entry it gives is published.
type Record func(after Checkpoint) Reading

// Reading is one reader's way through the record.
type Reading interface {
	// Next returns the next entries, at least one, in order of seq. It waits for them as long
	// as ctx lives, also while Kafka is away. Any error but that of ctx is an alarm: the record
	// does not hold what it held, and the view stops. The entries belong to the caller.
	Next(ctx context.Context) ([]Entry, error)
	// Close gives back what the reading holds. It is called once, after the last Next.
	Close() error
}

// Decode turns an entry into the fact in its envelope, as internal/ledger's Codec does. An
// error is final, unless it is event.ErrUnavailable.
type Decode func(ctx context.Context, seq int64, body []byte) (event.Envelope, error)

var schemaName = regexp.MustCompile(`^[a-z]{1,40}$`)

func (v View) check() error {
	switch {
	case !schemaName.MatchString(v.Name):
		return fmt.Errorf("projector: %q is no name for a view", v.Name)
	case v.Apply == nil:
		return fmt.Errorf("projector: view %s applies nothing", v.Name)
	}
	return nil
}

// checkpointTable makes the one row that says how far the view has come.
const checkpointTable = `
create schema if not exists %[1]s;
create table if not exists %[1]s.checkpoint (
  only_row boolean primary key default true check (only_row),
  seq      bigint  not null,
  "offset" bigint  not null
);
insert into %[1]s.checkpoint (seq, "offset") values (0, 0) on conflict do nothing;
`

// prepare makes the view's tables where they are missing.
func (v View) prepare(ctx context.Context, db beginner) error {
	return pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		// Two processes that start at once would both try to create what is missing.
		if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtextextended($1, 0))`, "projector.schema."+v.Name); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, fmt.Sprintf(checkpointTable, v.Name)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, v.Schema)
		return err
	})
}

type beginner interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

// checkpoint reads how far the view has come.
func (v View) checkpoint(ctx context.Context, db querier) (at Checkpoint, err error) {
	sql := fmt.Sprintf(`select seq, "offset" from %s.checkpoint`, v.Name)
	err = db.QueryRow(ctx, sql).Scan(&at.Seq, &at.Offset)
	return at, err
}

type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}
