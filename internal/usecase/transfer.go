package usecase

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/system"
)

// TransferPolicy is the policy about data that goes to other countries.
type TransferPolicy interface {
	// Move answers whether personal data may go from one country to another. What no rule decides is a
	// no for the reason [Undecided], with its decision; an error says that nobody could be asked.
	Move(ctx context.Context, q TransferQuestion) (TransferAnswer, error)
}

// TransferQuestion is what the rule looks at.
type TransferQuestion struct {
	Recipient           string // category of the sharing data, which gets the data there
	From, To            string // countries, ISO 3166-1 alpha-2
	Safeguard           string
	Expires             time.Time // of the safeguard
	Assessed, Encrypted bool
	Now                 time.Time
}

// TransferAnswer is what the rule says.
type TransferAnswer struct {
	Allow     bool
	RefusedBy []string
	Decision  event.Decision
}

// DeclareTransfer records what was decided about a provider's country, unless the record says that already.
type DeclareTransfer struct {
	Record Record
	Now    Now
}

// Do records it. Of so many providers, this one included, one category stands in one country: their facts
// name no provider, and stand in one stream.
func (d DeclareTransfer) Do(ctx context.Context, q TransferQuestion, a TransferAnswer, of int) error {
	stream := system.TransferStream(q.From, q.To)
	fact := system.TransferDecided{From: q.From, To: q.To, Safeguard: q.Safeguard, Recipient: q.Recipient, Allowed: a.Allow}
	for range conflictRetries {
		before, err := d.Record.Load(ctx, stream)
		if err != nil {
			return fmt.Errorf("look what was decided about a transfer: %w", err)
		}
		if saysSo(before, fact, a.Decision, of) {
			return nil
		}
		_, err = d.Record.Append(ctx, event.Append{
			At: d.Now(), Actor: event.Actor{Role: event.Operator}, // whose configuration names the provider
			Parts: []event.Part{{Stream: stream, Expected: int64(len(before)), Facts: []event.Pending{{Fact: fact, Decision: &a.Decision}}}},
		})
		if errors.Is(err, event.ErrConflict) {
			continue // another process of the service has started, too
		}
		if err != nil {
			return fmt.Errorf("record what was decided about a transfer: %w", err)
		}
		return nil
	}
	return event.ErrConflict
}

// saysSo says whether one of the last words about a recipient, as many as there are such providers, is
// this fact, from the same question to the same rules.
func saysSo(before []event.Envelope, fact system.TransferDecided, by event.Decision, of int) bool {
	for i := len(before) - 1; i >= 0 && of > 0; i-- {
		last, ok := before[i].Fact.(system.TransferDecided)
		if !ok || last.Recipient != fact.Recipient {
			continue
		}
		of--
		d := before[i].Decision
		if last == fact && d != nil && d.Revision == by.Revision && maps.EqualFunc(asked(d.Input), asked(by.Input), reflect.DeepEqual) {
			return true
		}
	}
	return false
}

// asked is a decision's input without when it was asked.
func asked(input json.RawMessage) map[string]any {
	var members map[string]any
	if json.Unmarshal(input, &members) != nil {
		return nil
	}
	delete(members, "now")
	return members
}
