package usecase

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/system"
)

// Retention is executed here for what ends by time alone. retention_rules.go is what is asked,
// retention_executor.go who deletes, this file when; retention_shorten.go is about periods that
// became shorter, retention_alarm.go about what is late, retention_clock.go about a clock that
// cannot be believed, retention_hold.go about what must be kept. Pictures end in due.go, keys in keys.go.

// LiveHolds are the legal holds in force.
type LiveHolds interface {
	// Held returns the fields that holds name, by kind.
	Held(ctx context.Context) (map[string][]string, error)
}

// EarlierPeriods are the periods that were in force before the newest rules. What began under one of them
// is gone by it, however long the newest is.
type EarlierPeriods interface {
	// Earlier returns those of a kind.
	Earlier(ctx context.Context, kind string) ([]EarlierPeriod, error)
}

// EarlierPeriod is a period that was in force until other rules came.
type EarlierPeriod struct {
	Until   time.Time
	Years   int
	Days    int
	Seconds int64
}

// due returns when something was to be gone that began at a time.
func (e EarlierPeriod) due(began time.Time) time.Time {
	return began.AddDate(e.Years, 0, e.Days).Add(time.Duration(e.Seconds) * time.Second)
}

// upTo returns the latest beginning under this period whose things are due by now; around leap days it can
// fall short by a day.
func (e EarlierPeriod) upTo(now time.Time) time.Time {
	began := now.AddDate(-e.Years, 0, -e.Days).Add(-time.Duration(e.Seconds) * time.Second)
	if e.due(began).After(now) {
		began = began.AddDate(0, 0, -1)
	}
	if began.After(e.Until) {
		return e.Until
	}
	return began
}

// promised returns by when something is gone that began at a time, by the earlier periods alone; zero if none
// had a say.
func promised(all []EarlierPeriod, began time.Time) (due time.Time) {
	for _, e := range all {
		if by := e.due(began); !began.After(e.Until) && (due.IsZero() || by.Before(due)) {
			due = by
		}
	}
	return due
}

// PurgeDue deletes what is due of the kinds that have an executor. One process does it at a time.
type PurgeDue struct {
	Record    Record
	Rules     Limits
	Executors []Executor
	Purges    Purges
	Holds     LiveHolds
	Earlier   EarlierPeriods
	Now       Now
	NewNote   func() id.Request
}

// Standing is how it stands with one kind of data.
type Standing struct {
	Kind   string
	Count  int64     // what is there
	Oldest time.Time // when the oldest of it began; zero: there is nothing
	Due    time.Time // when the first of it has to be gone; zero: no rule has a say yet
	KeptBy []string  // what keeps it beyond that: a hold, or a clock that nobody has confirmed
}

// UnsureClock stands in KeptBy while nobody has confirmed a clock that jumped.
const UnsureClock = "clock"

// LateBy is how long the first of it has been due; 0 when it is not, or has to be kept.
func (s Standing) LateBy(now time.Time) time.Duration {
	if s.Due.IsZero() || len(s.KeptBy) > 0 {
		return 0
	}
	return max(0, now.Sub(s.Due))
}

// Do deletes what is due now, with a fact for each kind of which something went. A kind that
// cannot be purged keeps no other.
func (p PurgeDue) Do(ctx context.Context) error {
	// What an earlier time left comes first: the answers by which a repeated request is known are purged, too.
	errs := []error{p.Settle(ctx)}
	held, err := p.Holds.Held(ctx)
	if err != nil {
		return errors.Join(errs[0], fmt.Errorf("ask what is held: %w", err))
	}
	for _, ex := range p.Executors {
		if err := p.purge(ctx, ex, held); err != nil {
			errs = append(errs, fmt.Errorf("purge the kind %s: %w", ex.Kind(), err))
		}
	}
	return errors.Join(append(errs, p.Settle(ctx))...)
}

// Settle records what was deleted and is not on record yet: also what a process left that died in between.
func (p PurgeDue) Settle(ctx context.Context) error {
	all, err := p.Purges.Unrecorded(ctx)
	if err != nil {
		return fmt.Errorf("list what was purged: %w", err)
	}
	var errs []error
	for _, one := range all {
		if err := p.settle(ctx, one); err != nil {
			errs = append(errs, fmt.Errorf("record that the kind %s was purged: %w", one.Kind, err))
		}
	}
	return errors.Join(errs...)
}

// settle records one purge, with the decision that allowed it. Rules that came into force meanwhile are asked the
// same: the record takes the word of no others.
func (p PurgeDue) settle(ctx context.Context, one Purged) error {
	stream := system.RetentionStream(one.Kind, one.Actual)
	fact := event.Pending{Fact: system.RetentionPurged{Kind: one.Kind, Due: one.Due, Actual: one.Actual, Count: one.Count}}
	for range conflictRetries {
		decision, err := p.allowed(ctx, one)
		if err != nil {
			return err
		}
		fact.Decision = &decision
		before, err := p.Record.Load(ctx, stream)
		if err != nil {
			return fmt.Errorf("load what the record has of it: %w", err)
		}
		_, err = p.Record.Append(ctx, event.Append{
			Request: one.Note, At: p.Now(), Actor: event.Actor{Role: event.Clock},
			Parts: []event.Part{{Stream: stream, Expected: int64(len(before)), Facts: []event.Pending{fact}}},
		})
		if err == nil {
			return p.Purges.Recorded(ctx, one.Note)
		}
		if !errors.Is(err, event.ErrConflict) && !errors.Is(err, event.ErrPolicyChanged) {
			return err
		}
	}
	return event.ErrConflict
}

// allowed asks about what is gone as it was asked before it went.
func (p PurgeDue) allowed(ctx context.Context, one Purged) (event.Decision, error) {
	due, err := p.limit(ctx, one.Kind, one.UpTo)
	if err != nil {
		return event.Decision{}, err
	}
	_, _, decision, err := p.Rules.Deletion(ctx, question(one.Kind, one.UpTo, due, one.Held, one.Actual))
	return decision, err
}

// Standings says how it stands with every kind that has an executor, without deleting anything. sure is
// false while the clock cannot be believed.
func (p PurgeDue) Standings(ctx context.Context, sure bool) (all []Standing, err error) {
	held, err := p.Holds.Held(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask what is held: %w", err)
	}
	var errs []error
	for _, ex := range p.Executors {
		s, err := p.stands(ctx, ex, held, p.Now())
		if err != nil {
			errs = append(errs, fmt.Errorf("look after the kind %s: %w", ex.Kind(), err))
			continue
		}
		if !sure && !s.Due.After(p.Now()) && !s.Due.IsZero() {
			s.KeptBy = append(s.KeptBy, UnsureClock)
		}
		all = append(all, s)
	}
	return all, errors.Join(errs...)
}

// stands looks at one kind, and asks about the first of it when that is due.
func (p PurgeDue) stands(ctx context.Context, ex Executor, held map[string][]string, now time.Time) (Standing, error) {
	kept, err := ex.Oldest(ctx)
	if err != nil {
		return Standing{}, fmt.Errorf("ask what is there: %w", err)
	}
	s := Standing{Kind: ex.Kind(), Count: kept.Count, Oldest: kept.Oldest}
	if kept.Oldest.IsZero() {
		return s, nil
	}
	if s.Due, err = p.limit(ctx, s.Kind, kept.Oldest); err != nil {
		return Standing{}, err
	}
	if !s.Due.After(now) {
		_, s.KeptBy, _, err = p.Rules.Deletion(ctx, question(s.Kind, kept.Oldest, s.Due, len(held[s.Kind]) > 0, now))
	}
	return s, err
}

// limit asks by when something is gone that began at a time, given what it was promised then.
func (p PurgeDue) limit(ctx context.Context, kind string, began time.Time) (time.Time, error) {
	earlier, err := p.Earlier.Earlier(ctx, kind)
	if err != nil {
		return time.Time{}, fmt.Errorf("ask which periods were in force: %w", err)
	}
	due, _, err := p.Rules.Limit(ctx, kind, began, promised(earlier, began))
	if err != nil {
		return time.Time{}, fmt.Errorf("ask for its limit: %w", err)
	}
	return due, nil
}

// upTo returns up to which beginning things of a kind are due by now: by the rules in force, or by those under
// which they began.
func (p PurgeDue) upTo(ctx context.Context, kind string, now time.Time) (time.Time, error) {
	upTo, err := LimitUpTo(ctx, p.Rules, kind, now)
	if err != nil {
		return time.Time{}, err
	}
	earlier, err := p.Earlier.Earlier(ctx, kind)
	if err != nil {
		return time.Time{}, fmt.Errorf("ask which periods were in force: %w", err)
	}
	for _, e := range earlier {
		if by := e.upTo(now); by.After(upTo) {
			upTo = by
		}
	}
	return upTo, nil
}

// question asks about things that go whole, such as rows and partitions: a hold of any field keeps them.
func question(kind string, started, due time.Time, held bool, now time.Time) Question {
	return Question{Kind: kind, Field: Whole, Started: started, Due: due, Now: now, Held: held}
}

// purge deletes what is due of one kind. The rule is asked about the youngest of what goes: whatever
// is older is due as well.
func (p PurgeDue) purge(ctx context.Context, ex Executor, held map[string][]string) error {
	now := p.Now()
	s, err := p.stands(ctx, ex, held, now)
	if err != nil || s.Due.IsZero() || s.Due.After(now) {
		return err
	}
	upTo, err := p.upTo(ctx, s.Kind, now)
	if err != nil {
		return err
	}
	if upTo.Before(s.Oldest) {
		upTo = s.Oldest
	}
	due, err := p.limit(ctx, s.Kind, upTo)
	if err != nil {
		return err
	}
	gone, _, _, err := p.Rules.Deletion(ctx, question(s.Kind, upTo, due, len(held[s.Kind]) > 0, now))
	if err != nil || !gone {
		return err
	}
	return ex.Purge(ctx, upTo, func(n int64) Purged {
		return Purged{Note: p.NewNote(), Kind: s.Kind, UpTo: upTo, Held: len(held[s.Kind]) > 0, Due: s.Due, Actual: p.Now(), Count: n}
	})
}

// appendFact adds one fact to the end of a stream without sealed fields, wherever that is by then.
func appendFact(ctx context.Context, r Record, stream event.Stream, at time.Time, role event.Role, fact event.Pending) error {
	for range conflictRetries {
		before, err := r.Load(ctx, stream)
		if err != nil {
			return fmt.Errorf("load what the record has of it: %w", err)
		}
		_, err = r.Append(ctx, event.Append{
			At: at, Actor: event.Actor{Role: role},
			Parts: []event.Part{{Stream: stream, Expected: int64(len(before)), Facts: []event.Pending{fact}}},
		})
		if !errors.Is(err, event.ErrConflict) || errors.Is(err, event.ErrPolicyChanged) {
			return err
		}
	}
	return event.ErrConflict
}

// KindsOf returns the kinds of some executors, sorted.
func KindsOf(all []Executor) []string {
	kinds := make([]string, len(all))
	for i, ex := range all {
		kinds[i] = ex.Kind()
	}
	slices.Sort(kinds)
	return kinds
}
