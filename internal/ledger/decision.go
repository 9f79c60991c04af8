package ledger

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
)

// A decision stands in the record member by member as [event.Decision] names them. One whose question has personal
// attributes has two more: personal, their names, and sealed, one canonical object of them, so that neither which were
// asked with nor what they were can be told without the key.

// sealedAs is the place that the personal part of a question is sealed for.
const sealedAs = "decision.sealed"

// appendDecision writes the decision's input byte for byte: it is what another revision
// of the policy will be asked.
func appendDecision(to []byte, d event.Decision, seal func(to []byte, path string, t personal.Text) ([]byte, error)) ([]byte, error) {
	var compact bytes.Buffer
	if err := json.Compact(&compact, d.Input); err != nil || !bytes.Equal(compact.Bytes(), d.Input) {
		return nil, fmt.Errorf("the input of the decision %s is not canonical JSON", d.Rule)
	}
	if err := d.Check(); err != nil {
		return nil, fmt.Errorf("the decision %s: %w", d.Rule, err)
	}
	if d.Promises == nil {
		d.Promises = []string{}
	}
	to, err := appendJSON(to, d)
	if err != nil || len(d.Personal) == 0 {
		return to, err
	}
	to, err = seal(append(bytes.TrimSuffix(to, []byte("}")), `,"sealed":`...), sealedAs, d.Sealed)
	return append(to, '}'), err
}

func readDecision(data *members, open *opener) (*event.Decision, error) {
	raw, there := data.get("decision")
	if !there {
		return nil, nil
	}
	m, err := readObject(raw)
	if err != nil {
		return nil, err
	}
	if err := m.only("rule", "promises", "revision", "outcome", "input", "personal", "sealed"); err != nil {
		return nil, err
	}
	var stored struct {
		event.Decision

		Sealed json.RawMessage `json:"sealed"`
	}
	if err := readStrict(raw, &stored); err != nil {
		return nil, malformed("the decision is not written as it should be")
	}
	d, parts := stored.Decision, 5
	if part, sealed := m.get("sealed"); sealed {
		parts = 7
		if d.Sealed, err = open.text(part, sealedAs); err != nil {
			return nil, err
		}
	}
	input, _ := m.get("input")
	d.Input = slices.Clone(input)
	if len(m.names) != parts || len(d.Personal) > 0 != (parts == 7) || d.Check() != nil {
		return nil, malformed("the decision is not written as it should be")
	}
	return &d, nil
}
