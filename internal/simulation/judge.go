package simulation

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/bgremover/bgremover/domain/event"
)

// Rules are the rules of a bundle. They are safe for concurrent use.
type Rules interface {
	// Evaluate puts a question to a rule. The decision is as the record would hold it, and complete also with
	// an error, which says why the rule decided nothing: then it denies. result is the rule's
	// whole answer in its one form.
	Evaluate(ctx context.Context, rule string, input json.RawMessage) (d event.Decision, result json.RawMessage, err error)
	// Reads says which members of its input a rule refers to, and which its schema requires;
	// "*" stands for those that cannot be told by looking at it.
	Reads(rule string) (read, required []string)
}

// verdict is one question under two bundles.
type verdict struct {
	own        event.Decision
	ownDue     time.Time
	unrecorded []string // members that the candidate reads and the record does not hold
	same       bool
	was, is    string // outcomes
	undecided  string // why the candidate decided nothing; "" if it did
	shift      time.Duration
	moved      bool // both allow, and the time that they name differs by shift
}

// deletes are the rules whose yes deletes something. What the candidate refuses there is kept for longer, by
// nobody knows how much.
var deletes = []string{"keys.due", "keys.retired", "retention.deletion", "retention.downloaded", "retention.due", "retention.requested"}

// judge asks both bundles.
func judge(ctx context.Context, own, candidate Rules, rule string, input json.RawMessage) (v verdict, err error) {
	d, before, err := own.Evaluate(ctx, rule, input)
	if ctx.Err() != nil {
		return v, ctx.Err()
	}
	// Why it decided nothing is no matter: the record holds a no then, and so does d.
	v.own, v.was = d, d.Outcome
	if err == nil {
		v.ownDue = dueIn(before)
	}
	if v.unrecorded, err = missing(own, candidate, rule, input); err != nil || len(v.unrecorded) > 0 {
		return v, err
	}
	d, after, err := candidate.Evaluate(ctx, rule, input)
	if ctx.Err() != nil {
		return v, ctx.Err()
	}
	v.is = d.Outcome
	if err != nil {
		v.undecided = err.Error()
	}
	v.same = v.was == v.is && bytes.Equal(before, after)
	if v.same || v.was != allow || v.is != allow {
		return v, nil
	}
	if due := dueIn(after); !v.ownDue.IsZero() && !due.IsZero() && !due.Equal(v.ownDue) {
		v.moved, v.shift = true, due.Sub(v.ownDue)
	}
	return v, nil
}

// dueIn is the time by which something must be gone, if an answer names one.
func dueIn(result json.RawMessage) time.Time {
	if !bytes.Contains(result, []byte(`"due":`)) {
		return time.Time{}
	}
	var answer struct {
		Due time.Time `json:"due"`
	}
	if json.Unmarshal(result, &answer) != nil {
		return time.Time{}
	}
	return answer.Due
}

// missing names what the candidate's rule would look at and the question does not hold. What the rule of
// its time read as well is no new question: it may be left out.
func missing(own, candidate Rules, rule string, input json.RawMessage) (names []string, err error) {
	before, _ := own.Reads(rule)
	read, required := candidate.Reads(rule)
	held, err := membersOf(input)
	if err != nil {
		return nil, fmt.Errorf("a question of %s is no JSON object", rule)
	}
	for _, name := range read {
		if _, is := held[name]; !is && !slices.Contains(before, name) {
			names = append(names, name)
		}
	}
	for _, name := range required {
		if _, is := held[name]; !is && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}
