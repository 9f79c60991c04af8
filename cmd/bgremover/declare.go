package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/bgremover/bgremover/adapters/web/public"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/internal/published"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/policies"
	"github.com/bgremover/bgremover/projections/trail"
)

// publishedTexts is what the record says of the policy's versions, once it was asked.
type publishedTexts struct {
	changed atomic.Bool // one of them is not what was published
	seqs    atomic.Pointer[map[int]int64]
}

// seq returns the fact that published a version; 0 if that is not known yet.
func (t *publishedTexts) seq(version int) int64 {
	if known := t.seqs.Load(); known != nil {
		return (*known)[version]
	}
	return 0
}

// asPublished adds to what a check of the texts saw whether they are the ones that were published.
func (t *publishedTexts) asPublished(looked usecase.Looked, err error) (usecase.Looked, error) {
	if looked.At++; t.changed.Load() {
		looked.Found++
		looked.Code = "policy.text_changed"
	}
	return looked, err
}

// declareEvery is how often a start that could not record what is new tries again.
const declareEvery = 2 * time.Second

// declare leaves in the record what this start makes known: where the servers are, by which rules it decides, which model
// cuts out, which text is published. It goes on trying until that is done; until then the service is not announced.
func (s *service) declare(ctx context.Context) error {
	tick := time.NewTicker(declareEvery)
	defer tick.Stop()
	for {
		err := errors.Join(s.beginPolicy(ctx), s.declareRegion(ctx), s.declareModel(ctx), s.declareTransfers(ctx), s.publishTexts(ctx))
		if err == nil || ctx.Err() != nil {
			return nil
		}
		s.log.ErrorContext(ctx, "what is new since the last start is not in the record yet", "err", err)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *service) declareRegion(ctx context.Context) error {
	return usecase.DeclareRegion{Record: s.ledger, Now: s.milliseconds}.Do(ctx, s.cfg.Operator.Region)
}

func (s *service) declareModel(ctx context.Context) error {
	declare := usecase.DeclareModel{Record: s.ledger, Newest: newestFacts{s}, Now: s.milliseconds}
	judged := s.judged
	if judged.by.Revision != s.policy.Revision() { // other rules came into force while it started
		var err error
		if judged, err = judge(ctx, s.policy, s.model.asked()); err != nil {
			return fmt.Errorf("ask whether the model may be used: %w", err)
		}
		if !judged.Allow {
			return s.model.refusal(judged)
		}
	}
	return declare.Loaded(ctx, s.model.asked(), judged.ModelAnswer, judged.by)
}

// newestFacts asks the view of the trail.
type newestFacts struct{ s *service }

// newestTakes is how long the view is waited for. One that is being made anew takes longer: then
// nothing is known, and what is so is recorded once more.
const newestTakes = 5 * time.Second

// Newest implements usecase.Newest.
func (n newestFacts) Newest(ctx context.Context, name event.Name) (event.Fact, error) {
	limited, cancel := context.WithTimeout(ctx, newestTakes)
	defer cancel()
	office := n.s.office()
	if err := office.CaughtUp(limited); err != nil {
		return nil, ctx.Err()
	}
	last, err := office.List(ctx, trail.Filter{Type: name, Limit: 1})
	if err != nil || len(last) == 0 {
		return nil, err
	}
	found, err := office.Facts(ctx, last[0].Seq)
	return found[last[0].Seq].Fact, err
}

// publishTexts records the versions of the policy that are new. A text that is not the one that was published raises an
// alarm and fails the check policy.dated; the service goes on, because what it does not run deletes nothing.
func (s *service) publishTexts(ctx context.Context) error {
	p, err := published.Load(policies.Published)
	if err != nil {
		return fmt.Errorf("read the published policy: %w", err)
	}
	versions, err := p.Texts(policies.Published)
	if err != nil {
		return fmt.Errorf("read the published policy: %w", err)
	}
	known, err := usecase.PublishTexts{Record: s.ledger, Now: s.milliseconds}.Do(ctx, versions)
	if errors.Is(err, usecase.ErrTextChanged) {
		s.log.ErrorContext(ctx, "ALARM: the policy on the site is not the one that the record says was published; run the release that published it, or raise its version", "err", err)
		s.texts.changed.Store(true)
		err = nil
	}
	if err != nil {
		return err
	}
	in := map[int]int64{}
	for _, text := range known {
		in[text.Version] = text.Seq
	}
	s.texts.seqs.Store(&in)
	return nil
}

// models is what the site shows of the models that this release knows, and of the one in service.
func (s *service) models(ctx context.Context) (all public.Models, err error) {
	passports, err := knownPassports(s.model.passport)
	if err != nil {
		return nil, err
	}
	for _, p := range passports {
		served := p.Digest == s.model.passport.Digest
		j := s.judged
		if !served {
			accepted := s.cfg.Model.AcceptModelPassport == p.Name
			if j, err = judge(ctx, s.policy, asked(p, accepted, true)); err != nil {
				return nil, err
			}
		}
		all = append(all, public.Model{
			Name: p.Name, File: p.File, Bytes: p.Bytes, SHA256: p.SHA256, Passport: p.Digest,
			Licences: public.Licences{
				Code: public.Licence(p.Licences.Code), Weights: public.Licence(p.Licences.Weights), TrainingData: public.Licence(p.Licences.TrainingData),
			},
			VouchedBy: p.VouchedBy, InService: served, Established: j.Established,
			Accepted: s.cfg.Model.AcceptModelPassport == p.Name, RefusedBy: append([]string{}, j.RefusedBy...),
		})
	}
	return all, nil
}
