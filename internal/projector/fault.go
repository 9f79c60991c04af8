package projector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bgremover/bgremover/domain/event"
)

// fault is a fact that cannot be applied. It names the fact by its place; what the fact
// holds, and what a database says about that, stays out.
type fault struct {
	seq   int64
	fact  event.Name
	cause string
}

func (f *fault) Error() string {
	if f.fact == "" {
		return fmt.Sprintf("fact %d: %s", f.seq, f.cause)
	}
	return fmt.Sprintf("fact %d (%s): %s", f.seq, f.fact, f.cause)
}

// alarm is what a reader of the record says when it must not go on, at least not now.
type alarm struct{ cause error }

func (a *alarm) Error() string { return "the record is damaged: " + a.cause.Error() }
func (a *alarm) Unwrap() error { return a.cause }

// rejected is an answer of the database, or of the driver on its behalf, that will not
// change when the same is asked again.
type rejected struct{ cause error }

func (r *rejected) Error() string { return describe(r.cause) }
func (r *rejected) Unwrap() error { return r.cause }

// passing matches the SQLSTATEs that a later try can find gone: connection, rollback
// (deadlock, serialization), resources, object in use, operator intervention, system
// error, and writing to a standby, which happens while another is promoted.
var passing = regexp.MustCompile(`^(08|40|53|55|57|58|25006)`)

// settle tells whether another try can help against an error of the database, of the way
// to it, or of its driver. The driver's own errors (a value that fits no parameter) quote
// values, so only those known to be about the connection are let through as they are.
func settle(err error) error {
	if err == nil {
		return nil
	}
	if answer, ok := errors.AsType[*pgconn.PgError](err); ok {
		if passing.MatchString(answer.Code) {
			return err
		}
		return &rejected{err}
	}
	_, network := errors.AsType[net.Error](err)
	ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	stopped := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	if network || ended || stopped || pgconn.SafeToRetry(err) {
		return err
	}
	return &rejected{err}
}

// final says whether the view must stop.
func final(err error) bool {
	_, isFault := errors.AsType[*fault](err)
	_, isRejected := errors.AsType[*rejected](err)
	_, isAlarm := errors.AsType[*alarm](err)
	return isFault || isRejected || isAlarm && !errors.Is(err, ErrLost)
}

// describe returns what may be logged of an error: a database's own text may quote a value.
func describe(err error) string {
	if f, ok := errors.AsType[*fault](err); ok {
		return f.Error()
	}
	if answer, ok := errors.AsType[*pgconn.PgError](err); ok {
		return fmt.Sprintf("the database answers SQLSTATE %s (table %q, column %q, constraint %q)",
			answer.Code, answer.TableName, answer.ColumnName, answer.ConstraintName)
	}
	if _, ok := errors.AsType[*rejected](err); ok {
		return "the database driver rejects a statement or a value"
	}
	return err.Error()
}
