package opa

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/util"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/refusal"
)

// ErrDenied says that a rule does not allow what was asked, or that no rule decided it.
var ErrDenied = refusal.New(refusal.Forbidden, "policy.denied",
	"A rule of this service does not allow that.", "Ask us if you think that it should.")

// The outcomes of a decision.
const (
	allowed = "allow"
	denied  = "deny"
)

// errUndecided says that a rule gave no answer that counts.
var errUndecided = errors.New("the rule did not decide")

// answer is what a rule says.
type answer struct {
	allow bool
	more  map[string]any // the answer's further members
}

// ask puts an input to a rule. The decision is complete also when there is an error; then
// it denies. Its question is left out when the caller went before the rule had answered: the record
// holds no question beside a no that the rule never said.
func (q *question) ask(ctx context.Context, input map[string]any) (answer, event.Decision, error) {
	d := event.Decision{Rule: q.rule, Promises: slices.Clone(q.promises), Revision: q.revision, Outcome: denied}
	exact, err := canonical(input)
	if err != nil {
		return answer{}, d, err
	}
	if err := d.Ask(exact, q.personal); err != nil {
		return answer{}, d, err
	}
	a, err := q.evaluate(ctx, exact)
	if err != nil {
		if ctx.Err() != nil {
			d = overruled(d)
		}
		return answer{}, d, fmt.Errorf("ask %s: %w", q.rule, err)
	}
	if a.allow {
		d.Outcome = allowed
	}
	return a, d, nil
}

// overruled is a decision whose rule gave no answer, or one that cannot be used: it denies, and without its question,
// because whoever asks the rule again gets another outcome.
func overruled(d event.Decision) event.Decision {
	return event.Decision{Rule: d.Rule, Promises: d.Promises, Revision: d.Revision, Outcome: denied}
}

// evaluate asks with the very bytes that the record will hold.
func (q *question) evaluate(ctx context.Context, exact json.RawMessage) (answer, error) {
	var input any
	if err := util.UnmarshalJSON(exact, &input); err != nil {
		return answer{}, err
	}
	results, err := q.query.Eval(ctx, rego.EvalInput(input))
	if err != nil {
		return answer{}, withoutValues(err)
	}
	if len(results) != 1 || len(results[0].Expressions) != 1 {
		return answer{}, errUndecided
	}
	members, ok := results[0].Expressions[0].Value.(map[string]any)
	if !ok {
		return answer{}, errUndecided
	}
	decided, isBool := members["decided"].(bool)
	allow, isAnswer := members["allow"].(bool)
	if !isBool || !isAnswer || !decided {
		return answer{}, errUndecided
	}
	return answer{allow: allow, more: members}, nil
}

// withoutValues says what failed and where. The engine's own words may quote what was asked, and errors are logged and
// stand in reports of simulations.
func withoutValues(err error) error {
	of, ok := errors.AsType[*topdown.Error](err)
	switch {
	case !ok:
		return err
	case of.Location == nil:
		return errors.New(of.Code)
	}
	return fmt.Errorf("%s at %s:%d", of.Code, of.Location.File, of.Location.Row)
}

// refusedBy lists the reasons of a no, in order.
func (a answer) refusedBy() (reasons []string) {
	listed, _ := a.more["refused_by"].([]any)
	for _, one := range listed {
		if reason, ok := one.(string); ok {
			reasons = append(reasons, reason)
		}
	}
	slices.Sort(reasons)
	return reasons
}
