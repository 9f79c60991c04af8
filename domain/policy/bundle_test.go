package policy_test

import (
	"errors"
	"testing"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/policy"
)

var (
	grace, ada = personal.Of("Grace Hopper"), personal.Of("Ada Lovelace")
	stored     = policy.BundleStored{Revision: 5, Digest: "d5", SignedBy: "ours-1"}
	proposed   = policy.ActivationProposed{Revision: 5, Digest: "d5", Simulation: "s1"}
	activated  = policy.Activated{Revision: 5, Digest: "d5", Simulation: "s1", Proposer: grace}
)

// bundle replays facts about a revision; what was proposed, Grace did.
func bundle(facts ...event.Fact) policy.Bundle { return bundleBy(grace, facts...) }

func bundleBy(who personal.Text, facts ...event.Fact) policy.Bundle {
	var history []event.Envelope
	for i, f := range facts {
		history = append(history, event.Envelope{Version: int64(i + 1), Fact: f, Actor: event.Actor{Role: event.Officer, Who: who}})
	}
	return policy.BundleFromRecord(history)
}

func TestDecideStore(t *testing.T) {
	other := stored
	other.Digest = "other"
	tests := map[string]struct {
		given   policy.Bundle
		when    policy.BundleStored
		inForce int64
		ok      bool
		fails   error
	}{
		"first":               {when: stored, inForce: 4, ok: true},
		"the first of all":    {when: stored, ok: true},
		"again":               {given: bundle(stored), when: stored, inForce: 4},
		"again, and in force": {given: bundle(stored, activated), when: stored, inForce: 5},
		"another":             {given: bundle(stored), when: other, inForce: 4, fails: policy.ErrOtherBundle},
		"as high":             {when: stored, inForce: 5, fails: policy.ErrOlder},
		"older":               {when: stored, inForce: 6, fails: policy.ErrOlder},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			fact, ok, err := policy.DecideStore(tt.given, policy.Store{BundleStored: tt.when, InForce: tt.inForce})
			if ok != tt.ok || !errors.Is(err, tt.fails) || ok && fact.Digest != tt.when.Digest {
				t.Errorf("got %v, %v, %v", fact, ok, err)
			}
		})
	}
}

func TestDecidePropose(t *testing.T) {
	tests := map[string]struct {
		given policy.Bundle
		when  policy.Propose
		fails error
	}{
		"simulated":     {bundle(stored), policy.Propose{Simulation: "s1", Known: true, InForce: 4}, nil},
		"anew":          {bundle(stored, proposed), policy.Propose{Simulation: "s2", Known: true, InForce: 4}, nil},
		"not simulated": {bundle(stored), policy.Propose{Simulation: "s1", InForce: 4}, policy.ErrNotSimulated},
		"no digest":     {bundle(stored), policy.Propose{Known: true, InForce: 4}, policy.ErrNotSimulated},
		"not stored":    {bundle(), policy.Propose{Simulation: "s1", Known: true}, policy.ErrNotStored},
		"in force":      {bundle(stored, proposed, activated), policy.Propose{Simulation: "s1", Known: true, InForce: 5}, policy.ErrOlder},
		"overtaken":     {bundle(stored), policy.Propose{Simulation: "s1", Known: true, InForce: 6}, policy.ErrOlder},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			fact, err := policy.DecidePropose(tt.given, tt.when)
			if !errors.Is(err, tt.fails) || err == nil && (fact.Revision != 5 || fact.Digest != "d5" || fact.Simulation != tt.when.Simulation) {
				t.Errorf("got %v, %v", fact, err)
			}
		})
	}
}

func TestDecideApprove(t *testing.T) {
	yes := policy.Approve{Simulation: "s1", By: ada, InForce: 4}
	with := func(change func(*policy.Approve)) policy.Approve { a := yes; change(&a); return a }
	tests := map[string]struct {
		given policy.Bundle
		when  policy.Approve
		fails error
	}{
		"by another":            {bundle(stored, proposed), yes, nil},
		"by the proposer":       {bundle(stored, proposed), with(func(a *policy.Approve) { a.By = grace }), policy.ErrSamePerson},
		"by nobody":             {bundle(stored, proposed), with(func(a *policy.Approve) { a.By = personal.Text{} }), policy.ErrSamePerson},
		"of another simulation": {bundle(stored, proposed), with(func(a *policy.Approve) { a.Simulation = "s0" }), policy.ErrOtherProposal},
		"of an older proposal":  {bundle(stored, proposed, policy.ActivationProposed{Revision: 5, Simulation: "s2"}), yes, policy.ErrOtherProposal},
		"not proposed":          {bundle(stored), yes, policy.ErrNotProposed},
		"proposer erased":       {bundleBy(personal.Erased, stored, proposed), yes, policy.ErrNotProposed},
		"proposed by nobody":    {bundleBy(personal.Text{}, stored, proposed), yes, policy.ErrNotProposed},
		"not stored":            {bundle(), yes, policy.ErrNotStored},
		"twice":                 {bundle(stored, proposed, activated), yes, policy.ErrOlder},
		"overtaken":             {bundle(stored, proposed), with(func(a *policy.Approve) { a.InForce = 5 }), policy.ErrOlder},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			fact, err := policy.DecideApprove(tt.given, tt.when)
			if !errors.Is(err, tt.fails) || err == nil && fact != activated {
				t.Errorf("got %v, %v", fact, err)
			}
		})
	}
}

func TestDecideRelease(t *testing.T) {
	if fact, err := policy.DecideRelease(bundle(stored), 0); err != nil || fact.Revision != 5 || fact.Simulation != "" || !fact.Proposer.IsEmpty() {
		t.Errorf("got %v, %v", fact, err)
	}
	for name, tt := range map[string]struct {
		given   policy.Bundle
		inForce int64
		fails   error
	}{
		"not stored": {bundle(), 0, policy.ErrNotStored},
		"older":      {bundle(stored), 6, policy.ErrOlder},
		"in force":   {bundle(stored, activated), 5, policy.ErrOlder},
	} {
		if _, err := policy.DecideRelease(tt.given, tt.inForce); !errors.Is(err, tt.fails) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
