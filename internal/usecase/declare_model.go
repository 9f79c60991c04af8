package usecase

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/system"
)

// ModelPassport is what the rule about models looks at, and by what the record knows a passport.
type ModelPassport struct {
	Name     string
	Digest   string // SHA-256 of the passport's file, in hexadecimal
	Code     string // licences: SPDX identifiers, or "not established"
	Weights  string
	Data     string // of the training data
	Matches  bool   // the model's file is the one of the passport
	Accepted bool   // the operator answers for training data of an unknown licence
}

// ModelAnswer is what the rule says of a model.
type ModelAnswer struct {
	Allow       bool
	Established bool     // licences of code, weights and training data are all known
	RefusedBy   []string // what was missing; empty if it may be loaded
}

// ModelPolicy is the rule about models.
type ModelPolicy interface {
	// LoadModel answers whether a model may be used. Without an answer there is an error; the
	// decision is complete also then, and denies.
	LoadModel(ctx context.Context, m ModelPassport) (ModelAnswer, event.Decision, error)
}

// Undecided is the reason of a refusal where the rule knew no answer, as with a licence that its
// data does not list.
const Undecided = "undecided"

// Newest finds the last published fact of a kind, in whichever stream.
type Newest interface {
	// Newest returns nil if there is none.
	Newest(ctx context.Context, name event.Name) (event.Fact, error)
}

// DeclareModel records which model makes cutouts from now on, or which one was refused.
type DeclareModel struct {
	Record Record
	Newest Newest // not asked about refusals; may be nil where only they are recorded
	Now    Now
}

// Loaded records that a model is in service, unless the record says exactly that last.
func (d DeclareModel) Loaded(ctx context.Context, m ModelPassport, a ModelAnswer, by event.Decision) error {
	fact := system.ModelLoaded{Model: m.Name, Passport: m.Digest, Established: a.Established}
	return d.record(ctx, m.Name, fact, by, func(last event.Fact) (bool, error) {
		if last != fact {
			return false, nil
		}
		newest, err := d.Newest.Newest(ctx, fact.EventName())
		return newest == fact, err
	})
}

// Refused records that a model is not used, unless that was the last thing that happened to it.
func (d DeclareModel) Refused(ctx context.Context, m ModelPassport, a ModelAnswer, by event.Decision) error {
	fact := system.ModelRefused{Model: m.Name, Passport: m.Digest, Reasons: a.RefusedBy}
	return d.record(ctx, m.Name, fact, by, func(last event.Fact) (bool, error) {
		before, ok := last.(system.ModelRefused)
		return ok && before.Passport == fact.Passport && slices.Equal(before.Reasons, fact.Reasons), nil
	})
}

// record appends the fact to the model's stream, unless its last one makes it known.
func (d DeclareModel) record(ctx context.Context, model string, fact event.Fact, by event.Decision, known func(last event.Fact) (bool, error)) error {
	stream := system.ModelStream(model)
	for range conflictRetries {
		before, err := d.Record.Load(ctx, stream)
		if err != nil {
			return fmt.Errorf("look what the record says of a model: %w", err)
		}
		if n := len(before); n > 0 {
			if same, err := known(before[n-1].Fact); err != nil || same {
				return err
			}
		}
		_, err = d.Record.Append(ctx, event.Append{
			At:    d.Now(),
			Actor: event.Actor{Role: event.Operator}, // whose configuration names the model
			Parts: []event.Part{{Stream: stream, Expected: int64(len(before)), Facts: []event.Pending{{Fact: fact, Decision: &by}}}},
		})
		if errors.Is(err, event.ErrConflict) {
			continue // another process of the service has started, too
		}
		if err != nil {
			return fmt.Errorf("record a model: %w", err)
		}
		return nil
	}
	return event.ErrConflict
}
