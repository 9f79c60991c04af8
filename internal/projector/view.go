package projector

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/domain/event"
)

// View is one projection: tables that follow from the record and from nothing else.
type View struct {
	// Name is the view's name and that of its Postgres schema: lower-case letters.
	Name string
	// Schema is SQL that makes the tables. It runs at every start and changes nothing the second
	// time. Like all SQL of a view but its queries it names tables without a schema, so that the
	// same view can be built beside the live one: search_path says which is meant.
	Schema string
	// Apply queues what some facts change, one after another in the record's order. It has no
	// other input than the facts and no other effect than the queue; what a view does not show
	// queues nothing. The rows MUST NOT depend on how the facts are cut into batches, nor on
	// anything that a second run would do differently: no now(), no identity columns.
	Apply func(*pgx.Batch, []event.Envelope)
	// Opened says that Apply needs personal fields opened. A fact whose key is destroyed gives
	// it personal.Erased, and the fact that destroys a key has to remove what was opened before:
	// then a rebuild, which never sees the text, ends at the same rows.
	Opened bool
	// Purge removes what time alone removes as of a moment, and returns how many rows that
	// were; nil where there is nothing of the kind.
	Purge func(ctx context.Context, tx pgx.Tx, now time.Time) (int64, error)
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
	// does not hold what it held, and the view stops; with ErrLost, until it is whole again.
	// The entries belong to the caller.
	Next(ctx context.Context) ([]Entry, error)
	// Close gives back what the reading holds. It is called once, after the last Next.
	Close() error
}

// ErrLost says that a part of the record is missing which the sequencer publishes again: a new
// reading goes on once it has.
var ErrLost = errors.New("projector: a part of the record is missing")

// Decode turns an entry into the fact in its envelope, as internal/ledger's Codec does. An
// error is final, unless it is event.ErrUnavailable.
type Decode func(ctx context.Context, seq int64, body []byte) (event.Envelope, error)

// Skipped says whether somebody has recorded that a view goes on behind a fact that it cannot
// apply. It is asked about one fact again and again while a view is stopped there.
type Skipped func(ctx context.Context, view string, seq int64) (bool, error)

// Skips lists the facts for which Skipped says yes. It is asked when a view begins: what was
// skipped once is passed over by every run, also where it could be applied, so that all end at the same rows.
type Skips func(ctx context.Context, view string) ([]int64, error)

var schemaName = regexp.MustCompile(`^[a-z]{1,40}$`)

func (c Config) check(v View) error {
	switch {
	case !schemaName.MatchString(v.Name):
		return fmt.Errorf("projector: %q is no name for a view", v.Name)
	case v.Apply == nil:
		return fmt.Errorf("projector: view %s applies nothing", v.Name)
	case v.Opened && c.Open == nil:
		return fmt.Errorf("projector: nobody opens facts for view %s", v.Name)
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

const schemaLock = `select pg_advisory_xact_lock(hashtextextended($1, 0))`

// prepare makes the view's tables in a schema, where they are missing.
func (v View) prepare(ctx context.Context, db beginner, schema string) error {
	return pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		// Two processes that start at once would both try to create what is missing.
		if _, err := tx.Exec(ctx, schemaLock, "projector.schema."+schema); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, fmt.Sprintf(checkpointTable, schema)+useLocally(schema)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, v.Schema)
		return err
	})
}

// purge purges the view's tables in a schema.
func (v View) purge(ctx context.Context, db beginner, schema string, now time.Time) error {
	if v.Purge == nil {
		return nil
	}
	return pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, useLocally(schema)); err != nil {
			return err
		}
		_, err := v.Purge(ctx, tx, now)
		return err
	})
}

// applier applies facts to a view.
func (c Config) applier(v View) applier {
	a := applier{view: v, decode: c.Decode, passed: map[int64]bool{}}
	if v.Opened {
		a.decode = c.Open
	}
	return a
}

// skips returns the facts that a view passes over as of now.
func (c Config) skips(ctx context.Context, view string) (map[int64]bool, error) {
	passed := map[int64]bool{}
	if c.Skips == nil {
		return passed, nil
	}
	seqs, err := c.Skips(ctx, view)
	for _, seq := range seqs {
		passed[seq] = true
	}
	return passed, err
}

type beginner interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

// useLocally makes a schema the one whose tables are meant until the transaction ends.
func useLocally(schema string) string { return "set local search_path to " + schema + ";" }

// session prepares a connection for nothing but one view's facts. Plans are made anew for
// every batch, because those of a table's first rows would be kept when it has millions, and
// rows are looked up by their keys: whole tables are never read to change some rows of them.
func session(schema string) string {
	return "set search_path to " + schema + `;
		set plan_cache_mode to force_custom_plan;
		set enable_seqscan to off;
		set enable_hashjoin to off;
		set enable_mergejoin to off;`
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
