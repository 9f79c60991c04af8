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

// ErrTooManyVisits refuses an export that would take too long, before anything is opened.
var ErrTooManyVisits = refusal.New(refusal.TooLarge, "disclosure.too_many_visits",
	"On the days that are asked about there were more visitors than one export goes through: a million.", "Have the request narrowed down to fewer days.")

// Whose an address was is sealed with each visit, and nothing else may know it: every visit of the days is opened to find out.
// How long that takes is bounded by how many those are, and the size of an export by how many are given.
const (
	MostOpened  = 1_000_000
	mostRecords = 100_000 // some 20 MB while they are sealed
)

// Effort returns how many visits have to be opened to carry a request out; 0 for what visits do not hold.
func (d DisclosureDesk) Effort(ctx context.Context, which id.Disclosure) (visits int64, err error) {
	state, err := d.load(ctx, which)
	if err != nil || state.Request().Category != disclosure.Technical {
		return 0, err
	}
	first, last := d.days(state.Scope())
	visits, err = d.Visits.Count(ctx, first, last)
	if err != nil {
		return 0, fmt.Errorf("count visits: %w", err)
	}
	return visits, nil
}

// days are those whose visits are looked through. A request that an earlier release registered may name none: then it is as far
// back as there is data.
func (d DisclosureDesk) days(scope disclosure.Scoped) (first, last string) {
	if scope.LastDay == "" {
		return "", d.Now().UTC().Format(time.DateOnly)
	}
	return scope.FirstDay, scope.LastDay
}

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
	first, last := d.days(scope)
	switch visits, err := d.Visits.Count(ctx, first, last); {
	case err != nil:
		return nil, fmt.Errorf("count visits: %w", err)
	case visits > MostOpened:
		return nil, ErrTooManyVisits
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
