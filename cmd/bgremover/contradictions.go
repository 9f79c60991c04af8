package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/bgremover/bgremover/adapters/web/public"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/internal/contradictions"
	"github.com/bgremover/bgremover/internal/published"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/policies"
)

// readPublished reads what this release publishes, once: it is part of the program.
var readPublished = sync.OnceValues(func() (*published.Policy, error) { return published.Load(policies.Published) })

// contradictions compares what this release publishes with the rules in force and with the configuration.
func (s *service) contradictions() ([]contradictions.Result, error) {
	p, err := readPublished()
	if err != nil {
		return nil, fmt.Errorf("read the published policy: %w", err)
	}
	_, data := s.policy.Data()
	return contradictions.Find(contradictions.Practice{
		Text: p.Current(), Promises: p.Promises, Data: data,
		Operator: policy.Operator(s.cfg.Operator), Period: s.cfg.DeleteAfter, Today: s.clock.Now(),
	})
}

// compare is what the site shows of it.
func (s *service) compare(context.Context) ([]public.Comparison, error) {
	found, err := s.contradictions()
	if err != nil {
		return nil, err
	}
	all := make([]public.Comparison, len(found))
	for i, r := range found {
		all[i] = public.Comparison{ID: r.ID, Title: r.Title, Compares: r.Compares, State: public.ContradictionNone, Findings: append([]string{}, r.Findings...)}
		switch {
		case r.Open():
			all[i].State = public.ContradictionOpen
		case len(r.Unstated) > 0:
			all[i].State = public.ContradictionUnstated
		}
		all[i].Findings = append(all[i].Findings, r.Unstated...)
	}
	return all, nil
}

// checkContradictions is the scheduled check of the promise policy.matches-practice. What the operator has not
// stated is no contradiction; the promise needs it, and is not established without.
func (s *service) checkContradictions() usecase.Check {
	return usecase.Check{
		Name: "policy.contradictions", Promises: []string{"policy.matches-practice"},
		Look: func(context.Context) (usecase.Looked, error) {
			found, err := s.contradictions()
			if err != nil {
				return usecase.Looked{}, err
			}
			looked := usecase.Looked{At: int64(len(found)), Found: int64(contradictions.Open(found))}
			if looked.Found > 0 {
				looked.Code = "policy.contradiction"
			}
			return looked, nil
		},
	}
}
