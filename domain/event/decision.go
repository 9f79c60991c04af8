package event

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/bgremover/bgremover/domain/personal"
)

// Decision is the answer of a policy rule, as it stands in the record: enough to ask the
// same question of another revision, years later.
//
// What it was asked is in two parts, because what says something about one person ends with that person's
// key: whoever prints or counts a decision takes Input, and only who asks again takes [Decision.Question].
type Decision struct {
	Rule     string          `json:"rule"`     // "retention.image"
	Promises []string        `json:"promises"` // "image.delete-24h"
	Revision int64           `json:"revision"` // of the policy bundle
	Outcome  string          `json:"outcome"`  // "allow" or "deny"
	Input    json.RawMessage `json:"input"`    // exact and canonical, without the attributes of Personal; empty: left out

	// Personal are the attributes of the question that say something about one person, sorted, and Sealed
	// those that were asked with, as one canonical object: sealed in the record under the key of the fact's stream, and
	// erased with it. Where there are none, both are empty.
	Personal []string      `json:"personal,omitempty"`
	Sealed   personal.Text `json:"-"`
}

// errQuestion says that a question cannot be taken apart and put together again as the same bytes.
var errQuestion = errors.New("event: the question of a decision is not one canonical JSON object, or not in its parts")

// Ask sets what a decision was asked: the whole question in its canonical form (RFC 8785), of which the
// named attributes are personal. They MUST be sorted.
func (d *Decision) Ask(question json.RawMessage, attributes []string) error {
	if len(attributes) == 0 {
		d.Input, d.Personal, d.Sealed = question, nil, personal.Text{}
		return nil
	}
	open, err := attributesOf(question)
	if err != nil {
		return err
	}
	closed := map[string]json.RawMessage{}
	for _, name := range attributes {
		if value, there := open[name]; there {
			closed[name] = value
			delete(open, name)
		}
	}
	asked := Decision{Input: objectOf(open), Personal: slices.Clone(attributes), Sealed: personal.Of(string(objectOf(closed)))}
	// Only what comes out as it went in can be asked again.
	if again, whole := asked.Question(); !whole || string(again) != string(question) {
		return errQuestion
	}
	d.Input, d.Personal, d.Sealed = asked.Input, asked.Personal, asked.Sealed
	return nil
}

// Question returns the exact bytes that a rule was asked with. whole is false where they are not to be had: the
// question was left out, its personal part is erased, or it was not opened.
func (d Decision) Question() (question json.RawMessage, whole bool) {
	if len(d.Personal) == 0 {
		return d.Input, !d.LeftOut()
	}
	plain, known := d.Sealed.Reveal()
	if !known || d.check() != nil {
		return nil, false
	}
	all, err := attributesOf(d.Input)
	closed, failed := attributesOf([]byte(plain))
	if err != nil || failed != nil {
		return nil, false
	}
	for name := range closed {
		if _, listed := slices.BinarySearch(d.Personal, name); !listed {
			return nil, false
		}
	}
	maps.Copy(all, closed)
	return objectOf(all), true
}

// LeftOut says that there is no question, because no rule answered one or because only its number was kept.
func (d Decision) LeftOut() bool { return len(d.Input) == 0 || string(d.Input) == "null" }

// Check says whether a decision is in its parts as [Decision.Ask] leaves it: of a sealed or an erased one, as far as
// can be seen.
func (d Decision) Check() error {
	if len(d.Personal) == 0 {
		if !d.Sealed.IsEmpty() {
			return errQuestion
		}
		return nil
	}
	if err := d.check(); err != nil || d.Sealed.IsSealed() || d.Sealed.IsErased() {
		return err
	}
	question, whole := d.Question()
	if !whole {
		return errQuestion
	}
	var again Decision
	if err := again.Ask(question, d.Personal); err != nil || string(again.Input) != string(d.Input) || again.Sealed != d.Sealed {
		return errQuestion
	}
	return nil
}

// check looks at what is open.
func (d Decision) check() error {
	open, err := attributesOf(d.Input)
	if err != nil || d.Sealed.IsEmpty() {
		return errQuestion
	}
	for i, name := range d.Personal {
		_, there := open[name]
		if there || !plainName(name) || i > 0 && d.Personal[i-1] >= name {
			return errQuestion
		}
	}
	return nil
}

// attributesOf takes an object apart.
func attributesOf(object json.RawMessage) (map[string]json.RawMessage, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(object, &all); err != nil || all == nil {
		return nil, errQuestion // and not what the bytes are
	}
	for name := range all {
		if !plainName(name) {
			return nil, errQuestion
		}
	}
	return all, nil
}

// objectOf puts an object together, its attributes sorted and their values as they are.
func objectOf(attributes map[string]json.RawMessage) json.RawMessage {
	object := []byte{'{'}
	for i, name := range slices.Sorted(maps.Keys(attributes)) {
		if i > 0 {
			object = append(object, ',')
		}
		object = append(append(append(object, '"'), name...), `":`...)
		object = append(object, attributes[name]...)
	}
	return append(object, '}')
}

// plainName says whether a name stands in JSON as it is.
func plainName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c > '~' || c == '"' || c == '\\' })
}
