package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bgremover/bgremover/domain/event"
)

// unavailable says what was being done when Postgres answered with an error. If the error
// passes by itself it is [event.ErrUnavailable]: the caller may try again.
func unavailable(doing string, err error) error {
	if away(err) {
		return fmt.Errorf("%w (%s: %w)", event.ErrUnavailable, doing, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// away says whether an error passes by itself: Postgres cannot be reached, has not answered
// in time or is changing over, or several transactions got in each other's way. It draws
// the same line as internal/ledger.
func away(err error) bool {
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
	}
	return false
}
