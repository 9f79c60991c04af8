package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/internal/config"
	"github.com/bgremover/bgremover/internal/register"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/projections/promises"
)

// transfersEvery is how often the rules are asked again while the service runs: safeguards end, and rules
// change.
const transfersEvery = time.Hour

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
		q := s.transfer(one)
		a, err := s.policy.Move(ctx, q)
		if err != nil {
			return fmt.Errorf("ask about a transfer to %s: %w", q.To, err)
		}
		if !a.Allow {
			denied = append(denied, fmt.Errorf("--provider '%s; …': %w", q.Recipient, deniedTransfer(q, a)))
		}
	}
	if len(denied) > 0 && s.cfg.Listen.ForOthers() {
		return errors.Join(denied...)
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

// transfer is what the rule is asked about a provider now.
func (s *service) transfer(to policy.Provider) usecase.TransferQuestion {
	return usecase.TransferQuestion{
		Recipient: to.Category, From: s.cfg.Providers.Country, To: to.Country, Safeguard: string(to.Safeguard), Expires: to.SafeguardUntil,
		Assessed: to.Assessed, Encrypted: to.Encrypted, Now: s.milliseconds(),
	}
}

func deniedTransfer(q usecase.TransferQuestion, a usecase.TransferAnswer) error {
	return fmt.Errorf("the rule %s (%s) refuses to let data go from %s to %s: %s",
		a.Decision.Rule, strings.Join(a.Decision.Promises, ", "), q.From, q.To, strings.Join(a.RefusedBy, ", "))
}

// declareTransfers leaves in the record what the rules in force say, where that is new.
func (s *service) declareTransfers(ctx context.Context) error {
	declare := usecase.DeclareTransfer{Record: s.ledger, Now: s.milliseconds}
	alike := map[[2]string]int{}
	for _, one := range s.providers {
		alike[[2]string{one.Category, one.Country}]++
	}
	for _, one := range s.providers {
		q := s.transfer(one)
		a, err := s.policy.Move(ctx, q)
		if err != nil {
			return err
		}
		if !a.Allow {
			s.log.WarnContext(ctx, "a transfer is denied, and data goes there as long as the provider is used", "why", deniedTransfer(q, a))
		}
		if err := declare.Do(ctx, q, a, alike[[2]string{one.Category, one.Country}]); err != nil {
			return err
		}
	}
	return nil
}

// providersNow counts those who work for the service, by what the rules in force say now of data going there.
func (s *service) providersNow(ctx context.Context, now time.Time) (m promises.Providers, err error) {
	for _, one := range s.providers {
		if !one.InDate(now) {
			m.Overdue++
		}
		a, err := s.policy.Move(ctx, s.transfer(one))
		switch {
		case err != nil:
			return m, err
		case a.Allow:
			m.Allowed++
		default:
			m.Denied++
		}
	}
	return m, nil
}
