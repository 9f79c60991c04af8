package main

import (
	"fmt"

	"github.com/bgremover/bgremover/adapters/web/public"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/internal/config"
	"github.com/bgremover/bgremover/internal/published"
	"github.com/bgremover/bgremover/policies"
)

// promised is what the site publishes: the promises, the text that makes them, and what its
// operator states.
func promised(o config.Operator) (*public.Policy, error) {
	p, err := published.Load(policies.Published)
	if err != nil {
		return nil, fmt.Errorf("read the published policy: %w", err)
	}
	rules, err := published.Rules(policies.Bundle)
	if err != nil {
		return nil, fmt.Errorf("read the rules: %w", err)
	}
	return &public.Policy{Promises: p.Promises, Versions: p.Versions, Operator: policy.Operator(o), Rules: rules, Facts: factForms(p.Promises)}, nil
}
