package postgres

import (
	"fmt"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/internal/ledger"
)

// unavailable says what was being done when Postgres answered with an error. If the error
// passes by itself it is [event.ErrUnavailable]: the caller may try again.
func unavailable(doing string, err error) error {
	if ledger.Away(err) {
		return fmt.Errorf("%w (%s: %w)", event.ErrUnavailable, doing, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
