package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/bgremover/bgremover/adapters/web/public"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/projector"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/projections/analytics"
	"github.com/bgremover/bgremover/projections/promises"
)

// standings reads what is known about the promises, at most once in some seconds.
func (s *service) standings(all policy.Catalogue) public.Evidence {
	return public.Cached(func(ctx context.Context) (public.Known, error) { return s.readStandings(ctx, all) }, s.clock.Now, s.log)
}

// viewPatience is how long a reading waits for a view to show what is published: a page waits for it.
const viewPatience = 2 * time.Second

func (s *service) readStandings(ctx context.Context, all policy.Catalogue) (public.Known, error) {
	trouble := s.viewTrouble(ctx)
	now := s.clock.Now()
	state, err := promises.Read(ctx, s.ground.pool, now)
	if err != nil {
		return public.Known{}, err
	}
	known := public.Known{Read: now, Trouble: trouble, Through: s.publicThrough(ctx, state.Seq), Of: map[policy.ID]policy.Evidence{}}
	figures := state.Figures(s.outside(ctx, now))
	for _, p := range all {
		e, err := evidenceOf(state, p)
		if err != nil {
			return public.Known{}, err
		}
		if f, ok := figures[p.Figure]; ok {
			e.Figure = &f
		}
		known.Of[p.ID] = e
	}
	return known, nil
}

// evidenceOf gathers what the view knows of a promise besides its figure.
func evidenceOf(state promises.State, p policy.Promise) (e policy.Evidence, err error) {
	if e.Checks, err = state.Checks(p.ID, p.Check); err != nil {
		return e, err
	}
	if e.Signed, err = state.Signed(p.ID, system.Statement{Words: p.Statement}.Digest()); err != nil {
		return e, err
	}
	if e.Audit, err = state.Audit(p.ID, usecase.BreaksPromise); err != nil {
		return e, err
	}
	for i, c := range e.Checks {
		e.Checks[i].Words = usecase.InWords(c.Code)
	}
	if e.Audit != nil {
		for i, f := range e.Audit.Findings {
			e.Audit.Findings[i].Words = usecase.InWords(f.Code)
		}
	}
	return e, nil
}

// viewTrouble says why the view of promises is not to be relied on; empty if it is.
func (s *service) viewTrouble(ctx context.Context) string {
	waiting, cancel := context.WithTimeout(ctx, viewPatience)
	defer cancel()
	err := s.caughtUp(promises.Name)(waiting)
	switch {
	case err == nil:
		return ""
	case errors.Is(err, projector.ErrStopped):
		return "What gathers these figures from the record has stopped; whoever runs this service has the alarm."
	case errors.Is(err, projector.ErrBehind):
		return "What gathers these figures from the record has not caught up with it."
	}
	s.log.WarnContext(ctx, "nobody knows how far the view of promises is", "err", err)
	return "It cannot be told how far these figures rest on the record."
}

// publicThrough is how far the reading rests on what the newest public checkpoint covers: the
// record's own size would show every single upload as it comes.
func (s *service) publicThrough(ctx context.Context, seq int64) int64 {
	head, err := s.tree.Head(ctx)
	if err != nil {
		if !errors.Is(err, ledger.ErrNoCheckpoint) {
			s.log.WarnContext(ctx, "the newest checkpoint cannot be read", "err", err)
		}
		return 0
	}
	return min(seq, head.Size)
}

// outside reads what figures show of other views and tables. What cannot be read is left out, and then
// not established.
func (s *service) outside(ctx context.Context, now time.Time) (o promises.Outside) {
	var failed []error
	if usage, err := s.usage(ctx, now); err != nil {
		failed = append(failed, fmt.Errorf("figures of use: %w", err))
	} else {
		o.Usage = &usage
	}
	if calls, err := s.apiLog.store.Oldest(ctx); err != nil {
		failed = append(failed, fmt.Errorf("log of requests: %w", err))
	} else {
		o.Requests = &promises.Rows{Oldest: calls.Oldest}
	}
	if register, err := s.processing().Register(); err != nil {
		failed = append(failed, fmt.Errorf("register of processing: %w", err))
	} else {
		o.Purposes = purposesByBasis(register)
	}
	if providers, err := s.providersNow(ctx, now); err != nil {
		failed = append(failed, fmt.Errorf("transfers: %w", err))
	} else {
		o.Providers = &providers
	}
	if len(failed) > 0 {
		s.log.WarnContext(ctx, "some figures of promises cannot be read", "err", errors.Join(failed...))
	}
	return o
}

// purposesByBasis counts the purposes that data is processed for now, by the basis that each rests on; "" for
// those without one.
func purposesByBasis(r policy.Register) map[string]int {
	all := map[string]int{}
	for _, activity := range r.Activities {
		if activity.InUse {
			all[activity.Basis]++
		}
	}
	return all
}

// usageShown is how far back the page of figures looks.
const usageShown = 48 * time.Hour

// usage is what the page of figures shows to everybody, by its smallest group.
func (s *service) usage(ctx context.Context, now time.Time) (u promises.Usage, err error) {
	waiting, cancel := context.WithTimeout(ctx, viewPatience)
	defer cancel()
	if err := s.caughtUp(analytics.Name)(waiting); err != nil {
		return u, err
	}
	if u.Oldest, _, err = analytics.Oldest(ctx, s.ground.pool); err != nil {
		return u, err
	}
	hours, err := s.hours(ctx, now.Add(-usageShown), now)
	u.Smallest, u.Limit = analytics.SmallestShown(hours), analytics.Smallest
	return u, err
}

// factForms describes the facts that promises name, for reading.
func factForms(all policy.Catalogue) map[string]public.Fact {
	forms := map[string]public.Fact{}
	facts, sealed := ledger.Facts(), reflect.TypeFor[personal.Text]()
	for _, p := range all {
		for _, name := range p.Facts {
			kind, ok := facts.Kind(event.Name(name))
			if !ok {
				continue // a test says that there is none such
			}
			form := public.Fact{}
			for field := range kind.Type().Fields() {
				form = append(form, public.Field{Name: field.Tag.Get("json"), Sealed: field.Type == sealed})
			}
			forms[name] = form
		}
	}
	return forms
}
