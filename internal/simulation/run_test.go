package simulation_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/adapters/opa"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/internal/simulation"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// table is a bundle of which a test says what it answers.
type table struct {
	revision int64
	answer   func(rule string, input map[string]any) (allow bool, more string, err error)
	read     []string
	required []string
	personal []string
	asked    atomic.Int64
	mu       sync.Mutex
	inputs   map[string]int
}

func (t *table) Evaluate(_ context.Context, rule string, input json.RawMessage) (event.Decision, json.RawMessage, error) {
	t.asked.Add(1)
	t.mu.Lock()
	if t.inputs == nil {
		t.inputs = map[string]int{}
	}
	t.inputs[string(input)]++
	t.mu.Unlock()
	d := event.Decision{Rule: rule, Promises: []string{"image.delete-24h"}, Revision: t.revision, Outcome: "deny"}
	if err := d.Ask(input, t.personal); err != nil {
		return d, nil, err
	}
	var members map[string]any
	if err := json.Unmarshal(input, &members); err != nil {
		return d, nil, err
	}
	allow, more, err := t.answer(rule, members)
	if err != nil {
		return d, nil, err
	}
	if allow {
		d.Outcome = "allow"
	}
	return d, json.RawMessage(fmt.Sprintf(`{"allow":%v%s}`, allow, more)), nil
}

func (t *table) Reads(string) (read, required []string) { return t.read, t.required }

func yes(string, map[string]any) (bool, string, error) { return true, "", nil }

// facts number what they are given.
func facts(all ...event.Envelope) []event.Envelope {
	for i := range all {
		all[i].Seq = int64(i + 1)
	}
	return all
}

func decided(rule, outcome, input string) event.Envelope {
	return event.Envelope{Fact: event.Unknown{Name: "test.happened.v1"}, Decision: &event.Decision{
		Rule: rule, Promises: []string{"image.delete-24h"}, Revision: 4, Outcome: outcome, Input: json.RawMessage(input),
	}}
}

// over makes a configuration over facts.
func over(all []event.Envelope, own, candidate simulation.Rules) simulation.Config {
	return simulation.Config{
		Candidate: candidate, Revision: 5, Digest: strings.Repeat("5d", 32), From: 1, To: int64(len(all)),
		Own: func(_ context.Context, revision int64) (simulation.Rules, error) {
			if release, is := own.(*opa.Rules); revision == 4 || is && revision == release.Revision() {
				return own, nil
			}
			return nil, simulation.ErrNoBundle
		},
		Record: func(_ context.Context, from, to int64, each func(event.Envelope) error) error {
			for _, env := range all {
				if env.Seq < from || env.Seq > to {
					continue
				}
				if err := each(env); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func run(t *testing.T, c simulation.Config) simulation.Report {
	t.Helper()
	report, err := simulation.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestEveryDecisionIsCountedOnce(t *testing.T) {
	all := facts(
		decided("a.x", "allow", `{"n":1}`),
		decided("a.x", "allow", `{"n":2}`),
		decided("a.x", "deny", `{"n":3}`),
		decided("a.x", "allow", `{"n":1}`),
		decided("a.y", "allow", ``),
		decided("a.y", "allow", `null`),
		event.Envelope{Fact: event.Unknown{Name: "test.happened.v1"}},
		event.Envelope{Fact: policy.DecisionRefused{
			Rule: "a.x", Promises: []string{"image.delete-24h"}, Revision: 4, Count: 10, More: 3,
			Inputs: []policy.CountedInput{{Input: json.RawMessage(`{"n":3}`), Count: 7}},
		}},
		event.Envelope{Fact: policy.DecisionsCounted{
			Rule: "a.x", Promises: []string{"image.delete-24h"}, Revision: 4,
			Inputs: []policy.CountedInput{{Input: json.RawMessage(`{"n":1}`), Count: 4}, {Input: json.RawMessage(`{"n":2}`), Count: 6}},
		}},
		event.Envelope{Fact: policy.DecisionsCounted{Rule: "a.z", Revision: 4, Inputs: []policy.CountedInput{{Count: 6}, {Input: json.RawMessage(`null`), Count: 1}}}},
		event.Envelope{Fact: policy.DecisionsCounted{Rule: "access.z", Revision: 4, Inputs: []policy.CountedInput{{Input: json.RawMessage(`{}`), Count: 5}}}},
	)
	old := decided("a.x", "allow", `{"n":1}`)
	old.Decision.Revision = 2
	all = facts(append(all, old)...)
	own := &table{revision: 4, answer: func(_ string, in map[string]any) (bool, string, error) { return in["n"] != 3.0, "", nil }}
	candidate := &table{revision: 5, answer: func(_ string, in map[string]any) (bool, string, error) { return in["n"] != 2.0, "", nil }}

	got := run(t, over(all, own, candidate))
	want := simulation.Counts{Same: 2 + 4, Different: 1 + 1 + 7 + 6, WithoutBundle: 1}
	if got.Total != want || got.Facts != 12 {
		t.Errorf("counted %+v of %d facts, want %+v", got.Total, got.Facts, want)
	}
	x := got.Rules[0]
	if x.Rule != "a.x" || x.NowDenied != 7 || x.NowAllowed != 8 || len(x.Examples) != 5 {
		t.Errorf("a.x: %+v", x)
	}
	if !slices.Equal(got.Excluded, []simulation.Excluded{{Rule: "a.x", More: 3}, {Rule: "a.y", More: 2}, {Rule: "a.z", More: 7}, {Rule: "access.z", Reads: 5}}) {
		t.Errorf("excluded %+v", got.Excluded)
	}
	// Each of the three questions was asked once of each bundle.
	for name, b := range map[string]*table{"own": own, "candidate": candidate} {
		if b.asked.Load() != 3 {
			t.Errorf("%s was asked %d times: %v", name, b.asked.Load(), b.inputs)
		}
	}
}

func TestWhatIsNotMadeAgainEndsIt(t *testing.T) {
	uploaded := func(due time.Time) event.Envelope {
		env := decided("retention.deadline", "allow", `{"n":1}`)
		env.Fact = image.Uploaded{Due: due}
		return env
	}
	dueAtNoon := func(string, map[string]any) (bool, string, error) {
		return true, `,"due":"` + noon.Format(time.RFC3339Nano) + `"`, nil
	}
	other := decided("a.x", "allow", `{"n":1}`)
	other.Decision.Promises = []string{"another.promise"}
	for name, tt := range map[string]struct {
		fact   event.Envelope
		answer func(string, map[string]any) (bool, string, error)
		fails  bool
	}{
		"another outcome":      {decided("a.x", "deny", `{"n":1}`), yes, true},
		"other promises":       {other, yes, true},
		"the fact's due":       {uploaded(noon), dueAtNoon, false},
		"another due":          {uploaded(noon.Add(time.Nanosecond)), dueAtNoon, true},
		"a no by no answer":    {decided("a.x", "deny", `{"n":1}`), func(string, map[string]any) (bool, string, error) { return false, "", errors.New("two values") }, false},
		"a yes that is no yes": {decided("a.x", "allow", `{"n":1}`), func(string, map[string]any) (bool, string, error) { return false, "", errors.New("two values") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			all := facts(decided("a.x", "allow", `{"n":0}`), tt.fact)
			own := &table{revision: 4, answer: func(rule string, in map[string]any) (bool, string, error) {
				if in["n"] == 0.0 {
					return true, "", nil
				}
				return tt.answer(rule, in)
			}}
			_, err := simulation.Run(t.Context(), over(all, own, &table{revision: 5, answer: yes}))
			var mismatch *simulation.Mismatch
			if errors.As(err, &mismatch) != tt.fails || !tt.fails && err != nil {
				t.Fatalf("got %v", err)
			}
			if tt.fails && (mismatch.Seq != 2 || !strings.Contains(err.Error(), "fact 2")) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestWhatTheCandidateReadsMustBeRecorded(t *testing.T) {
	all := facts(decided("a.x", "allow", `{"n":1}`), decided("a.x", "allow", `{"m":1,"n":1}`))
	for name, tt := range map[string]struct {
		ownReads, reads, required []string
		unrecorded                int64
		unread                    []string
	}{
		"the same":                       {[]string{"n"}, []string{"n"}, nil, 0, nil},
		"a new member":                   {[]string{"n"}, []string{"m", "n"}, nil, 1, []string{"m"}},
		"it always read it":              {[]string{"m", "n"}, []string{"m", "n"}, nil, 0, nil},
		"it read it, and now demands it": {[]string{"m", "n"}, []string{"m", "n"}, []string{"m"}, 1, []string{"m"}},
		"it reads something":             {[]string{"n"}, []string{"*", "n"}, nil, 2, []string{"*"}},
		"fewer":                          {[]string{"m", "n"}, []string{"n"}, nil, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			own := &table{revision: 4, answer: yes, read: tt.ownReads}
			got := run(t, over(all, own, &table{revision: 5, answer: yes, read: tt.reads, required: tt.required}))
			if got.Total.Unrecorded != tt.unrecorded || got.Total.Same != 2-tt.unrecorded || !slices.Equal(got.Rules[0].Unread, slices.Concat([]string{}, tt.unread)) {
				t.Errorf("counted %+v, unread %v", got.Total, got.Rules[0].Unread)
			}
		})
	}
}

func TestTimesAreCompared(t *testing.T) {
	var all []event.Envelope
	for i := range 10 {
		all = append(all, decided("retention.limit", "allow", fmt.Sprintf(`{"n":%d}`, i)))
	}
	due := func(shift func(n float64) time.Duration) func(string, map[string]any) (bool, string, error) {
		return func(_ string, in map[string]any) (bool, string, error) {
			return true, `,"due":"` + noon.Add(shift(in["n"].(float64))).Format(time.RFC3339Nano) + `"`, nil
		}
	}
	own := &table{revision: 4, answer: due(func(float64) time.Duration { return 0 })}
	got := run(t, over(facts(all...), own, &table{revision: 5, answer: due(func(n float64) time.Duration {
		return time.Duration(n-4) * time.Hour
	})}))
	r := got.Rules[0]
	if r.Same != 1 || r.Longer != 5 || r.Shorter != 4 || r.LongestS != 5*3600 || r.ShortestS != -4*3600 {
		t.Errorf("got %+v", r)
	}
	if len(r.Examples) != 9 || r.Examples[0] != (simulation.Example{Seq: 1, What: "shorter", ShiftS: -4 * 3600}) {
		t.Errorf("examples %+v", r.Examples)
	}
}

func TestDeletionsAreComparedByTheirOutcome(t *testing.T) {
	all := facts(decided("retention.due", "allow", `{"n":1}`), decided("retention.due", "deny", `{"n":2}`))
	own := &table{revision: 4, answer: func(_ string, in map[string]any) (bool, string, error) { return in["n"] == 1.0, "", nil }}
	got := run(t, over(all, own, &table{revision: 5, answer: func(_ string, in map[string]any) (bool, string, error) {
		return in["n"] == 2.0, "", nil
	}})).Rules[0]
	if got.KeptLonger != 1 || got.DeletedEarlier != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestACandidateThatDecidesNothing(t *testing.T) {
	all := facts(decided("a.x", "allow", `{"n":1}`), decided("a.x", "deny", `{"n":2}`))
	own := &table{revision: 4, answer: func(_ string, in map[string]any) (bool, string, error) { return in["n"] == 1.0, "", nil }}
	got := run(t, over(all, own, &table{revision: 5, answer: func(string, map[string]any) (bool, string, error) {
		return false, "", errors.New("a.rego:7: two\nvalues é")
	}})).Rules[0]
	if got.Different != 2 || got.Undecided != 2 || got.NowDenied != 1 || got.Other != 1 || got.Why != "a.rego:7: two values  " {
		t.Errorf("got %+v", got)
	}
}

// Rules that break the engine end their simulation, and nothing else.
func TestACandidateThatPanics(t *testing.T) {
	all := facts(decided("retention.due", "allow", `{"n":1}`), decided("retention.due", "allow", `{"n":2}`))
	breaks := func(string, map[string]any) (bool, string, error) { panic("Grace Hopper") }
	_, err := simulation.Run(t.Context(), over(all, &table{revision: 4, answer: yes}, &table{revision: 5, answer: breaks}))
	if err == nil || !strings.Contains(err.Error(), "fact 1: asking retention.due made the policy engine panic") || strings.Contains(err.Error(), "Grace") {
		t.Errorf("got %v", err)
	}
}

// The same record gives the same report, whatever the cores do, and its counts add up.
func TestReportsAreReproducible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []event.Envelope
		var total int64
		for range rapid.IntRange(1, 60).Draw(t, "facts") {
			rule := rapid.SampledFrom([]string{"a.x", "a.y"}).Draw(t, "rule")
			n := rapid.IntRange(0, 9).Draw(t, "n")
			if rapid.Bool().Draw(t, "refused") {
				count := rapid.Int64Range(1, 5).Draw(t, "count")
				all = append(all, event.Envelope{Fact: policy.DecisionRefused{
					Rule: rule, Promises: []string{"image.delete-24h"}, Revision: 4, Count: count,
					Inputs: []policy.CountedInput{{Input: json.RawMessage(`{"n":-1}`), Count: count}},
				}})
				total += count
				continue
			}
			all = append(all, decided(rule, "allow", fmt.Sprintf(`{"n":%d}`, n)))
			total++
		}
		all = facts(all...)
		report := func(workers int) (simulation.Report, string) {
			c := over(all,
				&table{revision: 4, answer: func(_ string, in map[string]any) (bool, string, error) { return in["n"] != -1.0, "", nil }},
				&table{revision: 5, answer: func(_ string, in map[string]any) (bool, string, error) { return in["n"].(float64) > 3, "", nil }})
			c.Workers = workers
			r, err := simulation.Run(context.Background(), c)
			if err != nil {
				t.Fatal(err)
			}
			digest, err := r.Digest()
			if err != nil {
				t.Fatal(err)
			}
			return r, digest
		}
		one, first := report(1)
		if _, second := report(4); first != second {
			t.Fatal("two reports of the same differ")
		}
		sum := one.Total.Same + one.Total.Different + one.Total.Erased + one.Total.Unrecorded + one.Total.WithoutBundle
		if sum != total {
			t.Fatalf("%d decisions, counted %+v", total, one.Total)
		}
	})
}

// A question that comes again late is asked again: memory has an end.
func TestQuestionsAreForgotten(t *testing.T) {
	var all []event.Envelope
	for range 2 {
		for i := range 10_000 {
			all = append(all, decided("a.x", "allow", fmt.Sprintf(`{"n":%d}`, i)))
		}
	}
	own := &table{revision: 4, answer: yes}
	got := run(t, over(facts(all...), own, &table{revision: 5, answer: yes}))
	if got.Total.Same != 20_000 || own.asked.Load() != 20_000 {
		t.Errorf("counted %+v, asked %d times", got.Total, own.asked.Load())
	}
}

func TestEndsWithItsContextAndWithTheRecord(t *testing.T) {
	var all []event.Envelope
	for i := range 5000 {
		all = append(all, decided("a.x", "allow", fmt.Sprintf(`{"n":%d}`, i)))
	}
	all = facts(all...)
	ctx, stop := context.WithCancel(t.Context())
	c := over(all, &table{revision: 4, answer: func(string, map[string]any) (bool, string, error) { stop(); return true, "", nil }}, &table{revision: 5, answer: yes})
	if _, err := simulation.Run(ctx, c); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	c = over(all, &table{revision: 4, answer: yes}, &table{revision: 5, answer: yes})
	broken := errors.New("the record is away")
	c.Record = func(context.Context, int64, int64, func(event.Envelope) error) error { return broken }
	if _, err := simulation.Run(t.Context(), c); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	var last, told int64
	c = over(all, &table{revision: 4, answer: yes}, &table{revision: 5, answer: yes})
	c.Progress = func(seq, _ int64) { last = seq; told++ }
	run(t, c)
	if last != 5000 || told != 6 {
		t.Errorf("progress was told %d times, up to %d", told, last)
	}
}

// personalOf is a decision whose attribute "said" is personal, in one of the states in which the record can be read.
func personalOf(t *testing.T, input string, sealed personal.Text) event.Envelope {
	t.Helper()
	env := decided("a.p", "allow", "")
	if err := env.Decision.Ask(json.RawMessage(input), []string{"said"}); err != nil {
		t.Fatal(err)
	}
	if !sealed.IsEmpty() {
		env.Decision.Sealed = sealed
	}
	return env
}

// What is sealed is asked again whole, what is erased is counted as that, and what was not opened is neither.
func TestPersonalQuestions(t *testing.T) {
	const no, maybe = `{"n":1,"said":false}`, `{"n":1,"said":true}`
	own := &table{revision: 4, answer: yes, personal: []string{"said"}}
	candidate := &table{revision: 5, personal: []string{"n", "said"}, answer: func(_ string, in map[string]any) (bool, string, error) {
		return in["said"] == false, "", nil
	}}
	all := facts(personalOf(t, no, personal.Text{}), personalOf(t, maybe, personal.Text{}), personalOf(t, maybe, personal.Text{}), personalOf(t, maybe, personal.Erased))
	got := run(t, over(all, own, candidate))
	if want := (simulation.Counts{Same: 1, Different: 2, Erased: 1}); got.Total != want {
		t.Errorf("counted %+v, want %+v", got.Total, want)
	}
	if own.inputs[no] != 1 || own.inputs[maybe] != 1 || len(own.inputs) != 2 {
		t.Errorf("asked %v", own.inputs)
	}

	unopened := over(facts(personalOf(t, no, personal.Sealed)), own, candidate)
	if report, err := simulation.Run(t.Context(), unopened); err == nil || strings.Contains(err.Error(), "said") {
		t.Errorf("counted what was not opened: %+v, %v", report.Total, err)
	}
}

// A decision that was sealed otherwise than its rule says is not the one that the rule makes.
func TestWhatIsPersonalIsPartOfTheDecision(t *testing.T) {
	all := facts(personalOf(t, `{"n":1,"said":false}`, personal.Text{}))
	for name, marked := range map[string][]string{"nothing": nil, "another": {"n"}, "more": {"n", "said"}} {
		own := &table{revision: 4, answer: yes, personal: marked}
		_, err := simulation.Run(t.Context(), over(all, own, &table{revision: 5, answer: yes}))
		if _, mismatch := errors.AsType[*simulation.Mismatch](err); !mismatch {
			t.Errorf("%s is personal by the rule, and the simulation says %v", name, err)
		}
	}
}
