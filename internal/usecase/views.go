package usecase

import (
	"context"
	"errors"
	"fmt"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/domain/system"
)

// Views are the projections of this process.
type Views interface {
	// StoppedAt returns the fact that a view cannot apply and stands at, 0 if there is none,
	// and whether there is such a view.
	StoppedAt(view string) (seq int64, known bool)
}

// ErrNoView says that there is no view of a name.
var ErrNoView = refusal.New(refusal.Missing, "projection.unknown",
	"There is no view of this name.", "bgremover projections lists them.")

// SkipFact records that a stopped view goes on behind the fact that it cannot apply, or that
// the fact is skipped no longer.
type SkipFact struct {
	Record Record
	Vault  Vault
	Views  Views
	Now    Now
}

// SkipCommand asks for it. Who is the system user who does.
type SkipCommand struct {
	View   string
	Seq    int64
	Reason string
	Who    personal.Text
	// Withdraw takes an earlier skip back: the next rebuild applies the fact.
	Withdraw bool
}

// Do records it. The view sees it within seconds.
func (s SkipFact) Do(ctx context.Context, cmd SkipCommand) error {
	at, known := s.Views.StoppedAt(cmd.View)
	if !known {
		return ErrNoView
	}
	stream := system.ProjectionStream(cmd.View, cmd.Seq)
	before, err := s.Record.Load(ctx, stream)
	if err != nil {
		return fmt.Errorf("look for an earlier skip: %w", err)
	}
	var fact event.Fact
	skip := system.Skip{View: cmd.View, Seq: cmd.Seq, Reason: cmd.Reason, StoppedAt: at}
	if cmd.Withdraw {
		fact, err = system.DecideWithdrawal(before, skip)
	} else {
		fact, err = system.DecideSkip(before, skip)
	}
	if err != nil {
		return err
	}
	a := event.Append{
		At:    s.Now(),
		Actor: event.Actor{Role: event.Operator, Who: cmd.Who},
		Parts: []event.Part{{Stream: stream, Expected: int64(len(before)), Facts: []event.Pending{{Fact: fact}}}},
	}
	if len(before) == 0 {
		key, err := s.Vault.New(system.ProjectionKey(cmd.View, cmd.Seq))
		if err != nil {
			return fmt.Errorf("make a key: %w", err)
		}
		a.Make = []personal.Key{key}
	}
	if _, err := s.Record.Append(ctx, a); err != nil {
		return fmt.Errorf("record the skip: %w", err) // also a conflict with somebody who does the same
	}
	return nil
}

// CertifyView records that a view was found to be what a rebuild makes of the same facts.
type CertifyView struct {
	Record Record
	Now    Now
}

// Do records it.
func (c CertifyView) Do(ctx context.Context, fact system.ProjectionCertified) error {
	stream := system.ProjectionStream(fact.View, 0)
	for range conflictRetries {
		before, err := c.Record.Load(ctx, stream)
		if err != nil {
			return fmt.Errorf("look for earlier certificates: %w", err)
		}
		_, err = c.Record.Append(ctx, event.Append{
			At:    c.Now(),
			Actor: event.Actor{Role: event.Operator},
			Parts: []event.Part{{Stream: stream, Expected: int64(len(before)), Facts: []event.Pending{{Fact: fact}}}},
		})
		if errors.Is(err, event.ErrConflict) {
			continue // somebody else has compared it, too
		}
		if err != nil {
			return fmt.Errorf("record the certificate: %w", err)
		}
		return nil
	}
	return event.ErrConflict
}
