package ledger_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/internal/embedded/embeddedtest"
	"github.com/bgremover/bgremover/internal/ledger"
)

// activation puts a revision in force that was stored in the same append.
func activation(revision int64) event.Append {
	name := strconv.FormatInt(revision, 10)
	return event.Append{
		At:    noon,
		Actor: event.Actor{Role: event.Clock},
		Parts: []event.Part{{Stream: policy.BundleStream(name), Facts: []event.Pending{
			{Fact: policy.BundleStored{Revision: revision, Digest: name, SignedBy: "release", Archive: []byte(name)}},
			{Fact: policy.Activated{Revision: revision, Digest: name}},
		}}},
		Make: []personal.Key{newKey(policy.BundleKey(name))},
	}
}

// decided is an append whose one fact rests on a revision.
func decided(revision int64) event.Append {
	a := processed(newImage(), 0)
	a.Parts[0].Facts[0].Decision = &event.Decision{Rule: "a.rule", Revision: revision, Outcome: "allow", Input: []byte("{}")}
	return a
}

func TestDecisionsRestOnTheRulesInForce(t *testing.T) {
	w := newWorld(t)
	w.sequencer()
	followed := 0
	l := ledger.New(w.pool, w.vault, ledger.Options{NewID: newID, Follow: func(context.Context) error { followed++; return nil }})
	w.run(l.Run)
	add := func(a event.Append) error { _, err := l.Append(t.Context(), a); return err }

	must(t, add(decided(3))) // nothing was put in force yet
	must(t, add(activation(4)))
	must(t, add(decided(4)))
	must(t, add(processed(newImage(), 0)))
	for what, a := range map[string]event.Append{
		"older rules": decided(3), "rules of the future": decided(5), "an older revision": activation(3),
	} {
		err := add(a)
		if !errors.Is(err, event.ErrPolicyChanged) || !errors.Is(err, event.ErrConflict) {
			t.Errorf("%s: %v", what, err)
		}
		if r, ok := refusal.As(err); !ok || r.Code != "record.policy_changed" {
			t.Errorf("%s: refused by %v", what, r)
		}
	}
	if followed != 3 {
		t.Errorf("the rules were followed %d times", followed)
	}
	mixed := decided(4)
	mixed.Parts = append(mixed.Parts, decided(3).Parts...)
	if err := add(mixed); !errors.Is(err, event.ErrPolicyChanged) {
		t.Errorf("decisions by two revisions: %v", err)
	}
	if n, err := l.InForce(t.Context()); n != 4 || err != nil {
		t.Errorf("in force: %d, %v", n, err)
	}
	stored, err := l.Bundle(t.Context(), policy.BundleStream("4"))
	if err != nil || stored.Revision != 4 || string(stored.Archive) != "4" {
		t.Errorf("stored: %+v, %v", stored, err)
	}
	if _, err := l.Bundle(t.Context(), policy.BundleStream("5")); !errors.Is(err, ledger.ErrNoBundle) {
		t.Errorf("got %v", err)
	}
	w.record(5)
}

// Many append while revisions are put in force one after the other: in the record, each decision
// rests on the revision that was activated last, and what was refused as stale succeeds when asked anew.
func TestRulesChangeBetweenFacts(t *testing.T) {
	w := newWorld(t)
	w.sequencer()
	const revisions, workers = 12, 8
	add := func(a event.Append) error { _, err := w.ledger.Append(t.Context(), a); return err }
	must(t, add(activation(1)))
	var stop atomic.Bool
	var stale, facts atomic.Int64
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for !stop.Load() {
				revision, err := w.ledger.InForce(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				switch err := add(decided(revision)); {
				case errors.Is(err, event.ErrPolicyChanged):
					stale.Add(1)
				case err != nil:
					t.Error(err)
					return
				default:
					facts.Add(1)
				}
			}
		})
	}
	for n := int64(2); n <= revisions; n++ {
		from := facts.Load()
		eventually(t, "decisions are recorded", func() bool { return facts.Load() > from+2*workers || t.Failed() })
		must(t, add(activation(n)))
	}
	stop.Store(true)
	all.Wait()

	var inForce int64
	for _, env := range w.record(int(facts.Load()) + 2*revisions) {
		if d := env.Decision; d != nil && d.Revision != inForce {
			t.Errorf("fact %d rests on revision %d, and %d is in force", env.Seq, d.Revision, inForce)
		}
		if a, ok := env.Fact.(policy.Activated); ok {
			inForce = a.Revision
		}
	}
	t.Logf("%d decisions by %d revisions, %d refused as stale", facts.Load(), revisions, stale.Load())
}

// An empty Postgres learns from Kafka which rules are in force.
func TestRulesInForceAreAdopted(t *testing.T) {
	w := newWorld(t)
	_, stop := w.sequencer()
	for n := range int64(3) {
		_, err := w.ledger.Append(t.Context(), activation(n+1))
		must(t, err)
	}
	stop()

	again := worldOver(t, embeddedtest.NewDatabase(t), w.cfg)
	seq, _ := again.sequencer()
	eventually(t, "the record is adopted", func() bool { return seq.Health().Term > 0 })
	if n, err := again.ledger.InForce(t.Context()); n != 3 || err != nil {
		t.Errorf("in force: %d, %v", n, err)
	}
	if _, err := again.ledger.Append(t.Context(), decided(2)); !errors.Is(err, event.ErrPolicyChanged) {
		t.Errorf("a decision by older rules: %v", err)
	}
}

// What an empty Postgres took in by rules that were never in force is taken back once Kafka says which are.
func TestDecisionsByOtherRulesAreDisplaced(t *testing.T) {
	w := newWorld(t)
	_, stop := w.sequencer()
	_, err := w.ledger.Append(t.Context(), activation(3))
	must(t, err)
	stop()

	again := worldOver(t, embeddedtest.NewDatabase(t), w.cfg)
	for _, revision := range []int64{2, 4} {
		told := make(chan error, 1)
		go func() { _, err := again.ledger.Append(t.Context(), decided(revision)); told <- err }()
		defer func() {
			if err := <-told; !errors.Is(err, event.ErrPolicyChanged) {
				t.Errorf("a decision by revision %d: %v", revision, err)
			}
		}()
	}
	eventually(t, "both are queued", func() bool {
		var n int
		must(t, again.pool.QueryRow(t.Context(), "select count(*) from ledger.queue").Scan(&n))
		return n == 2
	})
	again.sequencer()
}
