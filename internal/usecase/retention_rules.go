package usecase

import (
	"context"
	"fmt"
	"time"

	"github.com/bgremover/bgremover/domain/event"
)

// Limits is the part of the retention policy that is about every kind of data.
type Limits interface {
	// Limit answers by when something of a kind is gone that began at a time. due is what held so
	// far, zero if nothing did: the earlier of both counts.
	Limit(ctx context.Context, kind string, started, due time.Time) (time.Time, event.Decision, error)
	// Deletion answers whether something is deleted now, and if not, what keeps it ("hold").
	Deletion(ctx context.Context, q Question) (deleteNow bool, keptBy []string, d event.Decision, err error)
	// Hold answers whether a legal hold may stop the deletion of a kind.
	Hold(ctx context.Context, kind string) (bool, event.Decision, error)
	// Revision is that of the rules in force.
	Revision() int64
}

// Question is what the deletion of a field, or of a whole thing, depends on.
type Question struct {
	Kind         string
	Field        string // Whole when the thing goes as one
	Started, Due time.Time
	Now          time.Time
	Held         bool // a live hold names the field
	Restricted   bool // the person restricted the processing (GDPR article 18)
	Erasure      bool // its erasure was asked for
}

// Whole is the field of a question about a thing that is deleted as one.
const Whole = "whole"

// LimitUpTo returns the latest beginning whose things are due by now, as the rule in force has it;
// around leap days it can fall short of that by a day, never go past it. The rule says when things
// end that began at a time; this asks it the other way round.
func LimitUpTo(ctx context.Context, rules Limits, kind string, now time.Time) (upTo time.Time, err error) {
	began := now
	for range limitTries {
		due, _, err := rules.Limit(ctx, kind, began, time.Time{})
		if err != nil {
			return time.Time{}, fmt.Errorf("ask for the limit of the kind %s: %w", kind, err)
		}
		if !due.After(now) && began.After(upTo) {
			upTo = began
		}
		if due.Equal(now) {
			break
		}
		began = began.Add(now.Sub(due))
	}
	return upTo, nil
}

// limitTries is how often a limit is approached: years of 365 and 366 days need three.
const limitTries = 4
