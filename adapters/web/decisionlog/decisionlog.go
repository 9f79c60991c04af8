// Package decisionlog writes the decisions of the record as Open Policy Agent writes its decision
// logs, one JSON object a line, so that an officer's own tools can read them.
//
// https://www.openpolicyagent.org/docs/management-decision-logs names the members. What OPA has no member for stands
// in "custom". Nothing personal is in it: who asked is not told, and an attribute of the input that says something about
// one person is masked as long as its key lives (its value is null), and erased with it.
package decisionlog

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/policy"
)

// ContentType is that of the export.
const ContentType = "application/x-ndjson"

// Event is one line.
type Event struct {
	Labels     map[string]string `json:"labels"`
	DecisionID string            `json:"decision_id"` // the fact's id; for those of a counted fact with a number
	Bundles    map[string]Bundle `json:"bundles"`
	Path       string            `json:"path"` // "retention/deadline"
	Input      json.RawMessage   `json:"input,omitempty"`
	Result     Result            `json:"result"`
	Erased     []string          `json:"erased,omitempty"` // "/input" where the record never held the question; "/input/gpc" …
	Masked     []string          `json:"masked,omitempty"` // "/input/gpc" …
	Timestamp  time.Time         `json:"timestamp"`
	Custom     Custom            `json:"custom"`
}

// Bundle is the bundle that decided.
type Bundle struct {
	Revision string `json:"revision"`
}

// Result is what the record holds of an answer.
type Result struct {
	Allow bool `json:"allow"`
}

// Custom is what only this service says.
type Custom struct {
	Seq      int64        `json:"seq"` // of the fact, in the record
	Type     event.Name   `json:"type"`
	Subject  event.Stream `json:"subject"`
	Promises []string     `json:"promises"`
	// Count is how often it was decided from From to Until; 1, and no times, where the fact is of one decision.
	Count int64      `json:"count"`
	From  *time.Time `json:"from,omitempty"`
	Until *time.Time `json:"until,omitempty"`
}

// labels say who logs. OPA puts its instance's there.
var labels = map[string]string{"app": "bgremover"}

// Of returns the events of a fact, none if it carries no decision.
func Of(env event.Envelope) (all []Event) {
	if d := env.Decision; d != nil {
		all = append(all, one(env, *d))
	}
	switch f := env.Fact.(type) {
	case policy.DecisionRefused:
		d := event.Decision{Rule: f.Rule, Promises: f.Promises, Revision: f.Revision, Outcome: "deny"}
		inputs := f.Inputs
		if f.More > 0 {
			inputs = append(inputs[:len(inputs):len(inputs)], policy.CountedInput{Count: f.More})
		}
		all = append(all, counted(env, d, inputs, f.Minute, f.Minute.Add(time.Minute))...)
	case policy.DecisionsCounted:
		d := event.Decision{Rule: f.Rule, Promises: f.Promises, Revision: f.Revision, Outcome: "allow"}
		all = append(all, counted(env, d, f.Inputs, f.From, f.Until)...)
	}
	return all
}

func one(env event.Envelope, d event.Decision) Event {
	e := Event{
		Labels: labels, DecisionID: string(env.ID), Bundles: map[string]Bundle{"bgremover": {Revision: strconv.FormatInt(d.Revision, 10)}},
		Path: strings.ReplaceAll(d.Rule, ".", "/"), Input: d.Input, Result: Result{Allow: d.Outcome == "allow"}, Timestamp: env.At.UTC(),
		Custom: Custom{Seq: env.Seq, Type: env.Fact.EventName(), Subject: env.Stream, Promises: d.Promises, Count: 1},
	}
	if e.Custom.Promises == nil {
		e.Custom.Promises = []string{}
	}
	e.hide(d)
	return e
}

// hide says what of the question is not told. Personal attributes are named whether it was asked with them or not: that
// would tell something as well.
func (e *Event) hide(d event.Decision) {
	if d.LeftOut() {
		e.Input, e.Erased = nil, []string{"/input"}
		return
	}
	pointers := make([]string, len(d.Personal))
	for i, name := range d.Personal {
		pointers[i] = "/input/" + escaped.Replace(name)
	}
	if d.Sealed.IsErased() {
		e.Erased = pointers
		return
	}
	e.Masked = pointers
	if len(pointers) > 0 {
		e.Input = masked(d)
	}
}

// masked is the open part of a question, with null for each personal attribute.
func masked(d event.Decision) json.RawMessage {
	shown := map[string]json.RawMessage{}
	if json.Unmarshal(d.Input, &shown) != nil {
		return nil // it is no question
	}
	for _, name := range d.Personal {
		shown[name] = json.RawMessage("null")
	}
	input, _ := json.Marshal(shown) // it was JSON before
	return input
}

// escaped is how a name stands in a JSON pointer (RFC 6901).
var escaped = strings.NewReplacer("~", "~0", "/", "~1")

func counted(env event.Envelope, d event.Decision, inputs []policy.CountedInput, from, until time.Time) (all []Event) {
	for i, in := range inputs {
		d.Input = in.Input
		e := one(env, d)
		e.DecisionID = fmt.Sprintf("%s-%d", env.ID, i+1)
		e.Custom.Count, e.Custom.From, e.Custom.Until = in.Count, &from, &until
		all = append(all, e)
	}
	return all
}

// Write writes the lines of a fact.
func Write(w io.Writer, env event.Envelope) error {
	for _, e := range Of(env) {
		line, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("write the decision of fact %d: %w", env.Seq, err)
		}
		if _, err := w.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	return nil
}
