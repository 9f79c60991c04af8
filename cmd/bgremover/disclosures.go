package main

import (
	"context"

	sealer "github.com/bgremover/bgremover/adapters/age"
	"github.com/bgremover/bgremover/adapters/web/officer"
	"github.com/bgremover/bgremover/adapters/web/public"
	"github.com/bgremover/bgremover/domain/disclosure"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/internal/register"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/projections/disclosures"
)

// disclosureDesk wires the desk for requests from outside, and its pages.
func (s *service) disclosureDesk() *officer.Desk {
	return &officer.Desk{
		Work: usecase.DisclosureDesk{
			Record: s.ledger, Vault: s.vault, Sharing: s.policy, Access: s.policy, Decisions: s.decisions,
			Visits: s.visitorDays(), Sealer: sealer.Sealer{}, Now: s.milliseconds,
			NewDisclosure: func() id.Disclosure { return id.Disclosure(newID()) },
		},
		CaughtUp: s.caughtUp(disclosures.Name),
		List: func(ctx context.Context) ([]disclosures.Disclosure, error) {
			return disclosures.List(ctx, s.ground.pool)
		},
		Open: func(ctx context.Context) ([]disclosures.Disclosure, error) {
			return disclosures.Open(ctx, s.ground.pool)
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
	var fields []officer.CategoryFields
	for _, category := range words.Categories {
		if all := words.Fields[category]; len(all) > 0 {
			fields = append(fields, officer.CategoryFields{Category: category, Fields: all})
		}
	}
	return officer.Choices{
		Senders:    append([]string{disclosure.Authority}, words.Recipients...),
		Categories: words.Categories,
		Bases:      append([]string{disclosure.Order, disclosure.TreatyOrder, disclosure.NoDocument}, words.Bases...),
		Purposes:   words.Purposes,
		Fields:     fields,
		Approvals:  known.Approvals,
	}, nil
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
