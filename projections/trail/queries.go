package trail

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/refusal"
)

// DB is what the queries need of a connection or a pool.
type DB interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// ErrUnknown answers who asks for a fact that the record does not hold, or not yet.
var ErrUnknown = refusal.New(refusal.Missing, "trail.unknown",
	"There is no fact with this id in the record.", "Look for it in the list.")

// Fact is one fact's place in the record. Times are UTC, to the millisecond.
type Fact struct {
	Seq     int64
	ID      id.Fact
	Type    event.Name
	Stream  event.Stream
	Version int64 // of the stream
	At      time.Time
	Cause   id.Fact    // the fact before it; "" if a request led to it
	Request id.Request // "" if a fact did, or the request has no name
}

// Filter says which facts are listed. What is zero does not narrow.
type Filter struct {
	Type    event.Name
	Subject event.Stream
	From    time.Time // inclusive
	To      time.Time // exclusive
	Before  int64     // facts of a lower seq only: the last one of the page before
	After   int64     // facts of a higher seq only
	Oldest  bool      // the oldest first
	Limit   int       // at most [Most]; 0 means that too
}

// Most is how many facts one page of a list has at most.
const Most = 500

const columns = `seq, id::text, type, stream, version, at, coalesce(cause::text, ''), coalesce(request, '')`

// List returns the facts that a filter lets through, the newest first unless it says otherwise. When
// there are as many as were asked for, more may follow: ask again with Before set to the last
// one's seq, or with After when the oldest come first.
func List(ctx context.Context, db DB, f Filter) ([]Fact, error) {
	if !isText(string(f.Type)) || !isText(string(f.Subject)) {
		return nil, nil // no fact is called so
	}
	if f.Limit <= 0 || f.Limit > Most {
		f.Limit = Most
	}
	conditions, args := f.conditions()
	order := "desc"
	if f.Oldest {
		order = "asc"
	}
	args = append(args, f.Limit)
	facts, err := collect(ctx, db, `select `+columns+` from trail.fact where true`+conditions+fmt.Sprintf(" order by seq %s limit $%d", order, len(args)), args...)
	if err != nil {
		return nil, fmt.Errorf("list facts: %w", err)
	}
	return facts, nil
}

// Count returns how many facts a filter lets through, whatever its order and limit.
func Count(ctx context.Context, db DB, f Filter) (n int64, err error) {
	if !isText(string(f.Type)) || !isText(string(f.Subject)) {
		return 0, nil
	}
	conditions, args := f.conditions()
	rows, err := db.Query(ctx, `select count(*) from trail.fact where true`+conditions, args...)
	if err == nil {
		n, err = pgx.CollectExactlyOneRow(rows, pgx.RowTo[int64])
	}
	if err != nil {
		return 0, fmt.Errorf("count facts: %w", err)
	}
	return n, nil
}

// conditions is the filter as SQL, with its arguments.
func (f Filter) conditions() (sql string, args []any) {
	where := func(condition string, arg any) {
		args = append(args, arg)
		sql += fmt.Sprintf(" and "+condition, len(args))
	}
	if f.Type != "" {
		where("type = $%d", string(f.Type))
	}
	if f.Subject != "" {
		where("stream = $%d", string(f.Subject))
	}
	if !f.From.IsZero() {
		where("at >= $%d", f.From)
	}
	if !f.To.IsZero() {
		where("at < $%d", f.To)
	}
	if f.Before > 0 {
		where("seq < $%d", f.Before)
	}
	if f.After > 0 {
		where("seq > $%d", f.After)
	}
	return sql, args
}

// isText says whether Postgres takes s for a text. What people ask for may be anything.
func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// ByID returns one fact, or [ErrUnknown].
func ByID(ctx context.Context, db DB, fact id.Fact) (Fact, error) {
	if _, ok := id.ParseFact(string(fact)); !ok {
		return Fact{}, ErrUnknown
	}
	found, err := collect(ctx, db, `select `+columns+` from trail.fact where id = $1`, string(fact))
	switch {
	case err != nil:
		return Fact{}, fmt.Errorf("look up a fact: %w", err)
	case len(found) == 0:
		return Fact{}, ErrUnknown
	}
	return found[0], nil
}

func collect(ctx context.Context, db DB, sql string, args ...any) ([]Fact, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	facts, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Fact])
	for i := range facts {
		facts[i].At = facts[i].At.UTC()
	}
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, err
	}
	return facts, nil
}
