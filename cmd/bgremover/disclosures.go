package main

import (
	"context"
	"time"

	sealer "github.com/bgremover/bgremover/adapters/age"
	"github.com/bgremover/bgremover/adapters/web/officer"
	"github.com/bgremover/bgremover/adapters/web/public"
	"github.com/bgremover/bgremover/domain/disclosure"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/domain/visit"
	"github.com/bgremover/bgremover/internal/register"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/projections/disclosures"
	"github.com/bgremover/bgremover/projections/trail"
)

// disclosureDesk wires the desk for requests from outside, and its pages.
func (s *service) disclosureDesk() *officer.Desk {
	return &officer.Desk{
		Work: usecase.DisclosureDesk{
			Record: s.ledger, Vault: s.vault, Sharing: s.policy, Access: s.policy, Decisions: s.decisions,
			Visits: visitorDays{s}, Sealer: sealer.Sealer{}, Now: s.milliseconds,
			NewDisclosure: func() id.Disclosure { return id.Disclosure(newID()) },
		},
		CaughtUp: s.caughtUp(disclosures.Name),
		List: func(ctx context.Context) ([]disclosures.Disclosure, error) {
			return disclosures.List(ctx, s.ground.pool)
		},
		Get: func(ctx context.Context, which id.Disclosure) (disclosures.Disclosure, error) {
			return disclosures.Get(ctx, s.ground.pool, which)
		},
		Choices: s.deskChoices,
	}
}

// deskChoices are the words of the data in force.
func (s *service) deskChoices() (officer.Choices, error) {
	known, err := register.Load(s.policy.Data())
	if err != nil {
		return officer.Choices{}, err
	}
	words := known.Words()
	return officer.Choices{
		Senders:    append([]string{disclosure.Authority}, words.Recipients...),
		Categories: words.Categories,
		Bases:      append([]string{disclosure.Order, disclosure.TreatyOrder, disclosure.NoDocument}, words.Bases...),
		Purposes:   words.Purposes,
		Approvals:  known.Approvals,
	}, nil
}

// visitorDays finds visits by way of the view of all facts, and opens each with its key.
type visitorDays struct{ s *service }

var _ usecase.VisitorDays = visitorDays{}

// late is how long after it began a visit is recorded at most.
const late = 48 * time.Hour

// since is when the first day begins. Without one it is when the oldest visit began that the rules in force can
// have left.
func (v visitorDays) since(ctx context.Context, first string) (time.Time, error) {
	if first != "" {
		return time.Parse(time.DateOnly, first)
	}
	upTo, err := usecase.LimitUpTo(ctx, v.s.policy, "technical", v.s.milliseconds())
	return upTo.Add(-late), err
}

// Began implements usecase.VisitorDays.
func (v visitorDays) Began(ctx context.Context, first, last string, each func(visit.Began) error) error {
	from, err := v.since(ctx, first)
	if err != nil {
		return err
	}
	to, err := time.Parse(time.DateOnly, last)
	if err != nil {
		return err
	}
	if err := v.s.caughtUp(trail.Name)(ctx); err != nil {
		return err
	}
	next := trail.Filter{Type: visit.Began{}.EventName(), From: from, To: to.Add(late), Oldest: true}
	for {
		page, err := trail.List(ctx, v.s.ground.pool, next)
		if err != nil {
			return err
		}
		for _, f := range page {
			if err := v.one(ctx, f.Stream, first, last, each); err != nil {
				return err
			}
		}
		if len(page) < trail.Most {
			return nil
		}
		next.After = page[len(page)-1].Seq
	}
}

func (v visitorDays) one(ctx context.Context, stream event.Stream, first, last string, each func(visit.Began) error) error {
	facts, err := v.s.ledger.Load(ctx, stream)
	if err != nil {
		return err
	}
	for _, env := range facts {
		if began, ok := env.Fact.(visit.Began); ok && began.Day >= first && began.Day <= last {
			return each(began)
		}
	}
	return nil
}

// transparency wires the public report of who asked for data.
func (s *service) transparency() *public.Transparency {
	return &public.Transparency{
		CaughtUp: s.caughtUp(disclosures.Name),
		Report: func(ctx context.Context) ([]disclosures.Group, error) {
			return disclosures.Report(ctx, s.ground.pool)
		},
		Countries: func(ctx context.Context) ([]disclosures.Country, error) {
			return disclosures.Countries(ctx, s.ground.pool)
		},
	}
}

// processing wires the register of processing, by the data in force.
func (s *service) processing() *public.Processing {
	return &public.Processing{
		Register: func() (policy.Register, error) {
			known, err := register.Load(s.policy.Data())
			if err != nil {
				return policy.Register{}, err
			}
			return known.Of(policy.Operator(s.cfg.Operator), s.cfg.Providers.Country, s.providers), nil
		},
		Now: s.clock.Now, CSV: register.CSV, PDF: register.PDF, Processors: register.ProcessorsCSV,
	}
}
