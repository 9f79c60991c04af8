package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/internal/config"
	"github.com/bgremover/bgremover/internal/register"
	"github.com/bgremover/bgremover/internal/usecase"
)

// transfer is a provider's country, and what the rules say about data that goes there.
type transfer struct {
	asked  usecase.TransferQuestion
	answer usecase.TransferAnswer
}

// judgeTransfers asks the rules about the country of each provider that the operator names. A
// service for others does not start when a transfer is denied: from its first photo on, data would go there.
func (s *service) judgeTransfers(ctx context.Context) (err error) {
	known, err := register.Load(s.policy.Data())
	if err != nil {
		return err
	}
	if s.providers, err = providers(s.cfg.Providers, known); err != nil {
		return err
	}
	var denied []error
	for _, one := range s.providers {
		q := usecase.TransferQuestion{
			Recipient: one.Category, From: s.cfg.Providers.Country, To: one.Country, Safeguard: string(one.Safeguard), Expires: one.SafeguardUntil,
			Assessed: one.Assessed, Encrypted: one.Encrypted, Now: s.milliseconds(),
		}
		a, err := s.policy.Move(ctx, q)
		if err != nil {
			return fmt.Errorf("ask about a transfer to %s: %w", q.To, err)
		}
		s.transfers = append(s.transfers, transfer{q, a})
		if !a.Allow {
			denied = append(denied, fmt.Errorf("--provider '%s; …': the rule %s (%s) refuses to let data go from %s to %s: %s",
				one.Category, a.Decision.Rule, strings.Join(a.Decision.Promises, ", "), q.From, q.To, strings.Join(a.RefusedBy, ", ")))
		}
	}
	if len(denied) > 0 && s.cfg.Listen.ForOthers() {
		return errors.Join(denied...)
	}
	for _, why := range denied {
		s.log.WarnContext(ctx, "a transfer is denied; a service for others would not start", "why", why)
	}
	return nil
}

// providers returns who works for the service, as the operator names them. What a category is granted only
// sealed is encrypted wherever it goes.
func providers(c config.Providers, known *register.Data) (all []policy.Provider, err error) {
	stated, err := c.All()
	if err != nil {
		return nil, err
	}
	for _, one := range stated {
		if !known.IsProcessor(one.Category) {
			return nil, fmt.Errorf("--provider '%s; …': the policy's data knows no such category; it has %s", one.Category, strings.Join(known.Processors(), ", "))
		}
		all = append(all, policy.Provider{
			Category: one.Category, Name: one.Name, Country: one.Country, Contract: one.Contract, Reviewed: one.Reviewed, Until: one.Until,
			Safeguard: policy.Safeguard(one.Safeguard), SafeguardUntil: one.SafeguardUntil, Assessed: one.Assessed,
			Encrypted: one.Encrypted || known.SealedOnly(one.Category),
		})
	}
	return all, nil
}

// declareTransfers leaves in the record what was decided.
func (s *service) declareTransfers(ctx context.Context) error {
	declare := usecase.DeclareTransfer{Record: s.ledger, Now: s.milliseconds}
	for _, one := range s.transfers {
		if one.answer.Decision.Revision != s.policy.Revision() { // other rules came into force while it started
			answer, err := s.policy.Move(ctx, one.asked)
			if err != nil {
				return fmt.Errorf("ask about a transfer to %s: %w", one.asked.To, err)
			}
			one.answer = answer
		}
		if err := declare.Do(ctx, one.asked, one.answer); err != nil {
			return err
		}
	}
	return nil
}
