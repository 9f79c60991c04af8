package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
)

// outcome is what the transaction of an append came to.
type outcome struct {
	kind outcomeKind
	pos  int64
	why  error // of a conflict, where there is more to say
}

type outcomeKind string

// The outcomes, as schema.sql names them.
const (
	ok       outcomeKind = "ok"     // stored now
	stored   outcomeKind = "stored" // by an earlier attempt of the same call
	repeated outcomeKind = "repeated"
	conflict outcomeKind = "conflict"
	policied outcomeKind = "policy" // its decisions rest on other rules than those in force
	halted   outcomeKind = "halted"
)

// transact makes one attempt to store an append. The common case, one stream and no keys,
// is one round trip.
func (l *Ledger) transact(ctx context.Context, e *encoded) (outcome, error) {
	if len(e.order) == 1 && !e.touchesKeys() {
		var out outcome
		var pos *int64
		err := l.pool.QueryRow(ctx, "select outcome, pos from ledger.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
			e.request, e.at, e.order[0], e.expected[0], e.ids, e.streams, e.versions, e.bodies, e.restsOn, e.activates,
		).Scan(&out.kind, &pos)
		return out.at(pos), err
	}
	var out outcome
	err := pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		var err error
		out, err = l.claimAndPut(ctx, tx, e)
		if err == nil && out.kind != ok {
			return errRollback
		}
		return err
	})
	switch {
	case errors.Is(err, personal.ErrDestroyed), errors.Is(err, event.ErrConflict): // says the vault
		return outcome{kind: conflict, why: err}, nil
	case errors.Is(err, errRollback):
		err = nil
	}
	return out, err
}

// errRollback ends a transaction that has an outcome and nothing to store.
var errRollback = errors.New("ledger: nothing to store")

func (l *Ledger) claimAndPut(ctx context.Context, tx pgx.Tx, e *encoded) (outcome, error) {
	var out outcome
	var pos *int64
	err := tx.QueryRow(ctx, "select outcome, pos from ledger.claim($1, $2, $3, $4, $5, $6, $7)",
		e.request, e.ids[0], e.order, e.expected, e.raised, e.restsOn, e.activates,
	).Scan(&out.kind, &pos)
	if err != nil || out.kind != ok {
		return out.at(pos), err
	}
	if err := l.changeKeys(ctx, tx, e); err != nil {
		return outcome{}, err
	}
	err = tx.QueryRow(ctx, "select ledger.put($1, $2, $3, $4, $5, $6, $7, $8)",
		e.request, e.at, e.ids, e.streams, e.versions, e.bodies, e.restsOn, e.activates,
	).Scan(&out.pos)
	return out, err
}

func (l *Ledger) changeKeys(ctx context.Context, tx pgx.Tx, e *encoded) error {
	if len(e.lock) > 0 {
		if err := l.vault.Lock(ctx, tx, e.lock); err != nil {
			return fmt.Errorf("lock the keys that it seals under: %w", err)
		}
	}
	for _, key := range e.make {
		if err := l.vault.Make(ctx, tx, key); err != nil {
			return fmt.Errorf("make the key %s: %w", key.ID(), err)
		}
	}
	for _, key := range e.destroy {
		if err := l.vault.Destroy(ctx, tx, key.id, key.why); err != nil {
			return fmt.Errorf("destroy the key %s: %w", key.id, err)
		}
	}
	return nil
}

func (o outcome) at(pos *int64) outcome {
	if pos != nil {
		o.pos = *pos
	}
	return o
}

// Away says whether an error is one that passes by itself: Postgres cannot be reached or
// is changing over, or several appends got in each other's way. What the attempt came to
// may be unknown.
func Away(err error) bool {
	if pgconn.SafeToRetry(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return true
	}
	if _, connecting := errors.AsType[*pgconn.ConnectError](err); connecting {
		return true
	}
	if _, network := errors.AsType[net.Error](err); network {
		return true
	}
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return false
	}
	switch class := pg.Code[:2]; class {
	case "08", "53", "57", "58": // connection, resources, operator intervention, system
		return true
	}
	switch pg.Code {
	case "40001", "40P01", "55P03", "25006": // serialization, deadlock, lock, read-only standby
		return true
	case "23505": // adoption was faster: the next attempt sees what it stored
		return pg.ConstraintName == "requests_pkey" || pg.ConstraintName == "facts_version"
	}
	return false
}

func isUnique(err error, constraint string) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Code == "23505" && pg.ConstraintName == constraint
}
