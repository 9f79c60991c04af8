package usecase

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/bgremover/bgremover/domain/disclosure"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/domain/visit"
)

// ErrTooMuch refuses an export that is larger than a single case can be.
var ErrTooMuch = refusal.New(refusal.TooLarge, "disclosure.too_much",
	"More is asked for than one export holds.", "Have the request narrowed down to fewer days, or to a network address.")

// mostRecords is how many records an export has at most: some 20 MB while it is sealed.
const mostRecords = 100_000

// technicalFields is how a visit answers for each field that can be granted of it.
var technicalFields = map[string]func(visit.Began) personal.Text{
	"address":     func(b visit.Began) personal.Text { return b.Address },
	"access_time": func(b visit.Began) personal.Text { return b.At },
}

// Make puts together what was permitted, sealed for its recipient, and records that it was given
// before it hands it out, once. The rules are asked again: orders end.
func (d DisclosureDesk) Make(ctx context.Context, o Officer, which id.Disclosure) (sealed []byte, err error) {
	state, err := d.open(ctx, o, which)
	if err != nil {
		return nil, err
	}
	if err := disclosure.MayMake(state); err != nil {
		return nil, err
	}
	verdict, decision, err := d.ask(ctx, state)
	if err != nil {
		return nil, err
	}
	var export disclosure.Export
	if verdict.Allow {
		if state.Request().Category != disclosure.Technical {
			return nil, d.holdsNone(ctx, o, which, state, decision)
		}
		if sealed, export, err = d.seal(ctx, which, state); err != nil {
			return nil, err
		}
	}
	fact, err := disclosure.DecideMake(state, verdict, export)
	if err != nil {
		d.Decisions.Refused(decision)
		return nil, err
	}
	if err := d.add(ctx, o, which, state, fact, &decision); err != nil {
		return nil, err
	}
	if _, refused := fact.(disclosure.Refused); refused {
		return nil, disclosure.ErrDecided
	}
	return sealed, nil
}

// holdsNone records that the service has nothing of what the rules allowed to give, with that decision.
func (d DisclosureDesk) holdsNone(ctx context.Context, o Officer, which id.Disclosure, state disclosure.Disclosure, by event.Decision) error {
	fact, err := disclosure.DecideNoData(state)
	if err != nil {
		return err
	}
	if err := d.add(ctx, o, which, state, fact, &by); err != nil {
		return err
	}
	return disclosure.ErrNoData
}

func (d DisclosureDesk) seal(ctx context.Context, which id.Disclosure, state disclosure.Disclosure) ([]byte, disclosure.Export, error) {
	e := Export{Disclosure: which, Category: state.Request().Category, Fields: state.Request().Fields, Made: d.Now()}
	var err error
	if e.Records, err = d.technical(ctx, state, e.Fields); err != nil {
		return nil, disclosure.Export{}, err
	}
	sealed, err := d.Sealer.Seal(state.Scope().Key, e)
	if err != nil {
		return nil, disclosure.Export{}, fmt.Errorf("seal an export: %w", err)
	}
	digest := sha256.Sum256(sealed)
	return sealed, disclosure.Export{Count: int64(len(e.Records)), Digest: hex.EncodeToString(digest[:])}, nil
}

// technical returns the granted fields of each visitor-day that was asked for.
func (d DisclosureDesk) technical(ctx context.Context, state disclosure.Disclosure, fields []string) ([]map[string]personal.Text, error) {
	scope := state.Scope()
	first, last := scope.FirstDay, scope.LastDay
	if last == "" {
		last = d.Now().UTC().Format(time.DateOnly)
	}
	records := []map[string]personal.Text{}
	err := d.Visits.Began(ctx, first, last, func(b visit.Began) error {
		if b.Address.IsErased() || !scope.Address.IsEmpty() && b.Address != scope.Address {
			return nil
		}
		if len(records) == mostRecords {
			return ErrTooMuch
		}
		one := make(map[string]personal.Text, len(fields))
		for _, field := range fields {
			of, held := technicalFields[field]
			if !held {
				return fmt.Errorf("the rules grant the field %q, and no visit has it", field)
			}
			one[field] = of(b)
		}
		records = append(records, one)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for technical data: %w", err)
	}
	return records, nil
}
