package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bgremover/bgremover/adapters/kafka"
	"github.com/bgremover/bgremover/adapters/opa"
	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/simulation"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/policies"
)

// errSimulating refuses a second simulation: one takes every core there is.
var errSimulating = refusal.New(refusal.Conflict, "policy.simulating",
	"A simulation is running already.", "Wait until it is over.")

// errRange refuses a part of the record that is not there.
var errRange = refusal.New(refusal.Invalid, "policy.range",
	"The record does not hold these facts.", "Give --from and --to, in this order, within what bgremover log show prints.")

// simulations tries rules on the record, one bundle at a time.
type simulations struct {
	s     *service
	alone chan struct{} // holds one while a simulation runs
	wants chan int64    // revisions that were asked for on a page

	mu   sync.Mutex
	now  simulatingNow
	last []tried // the newest first
}

// simulatingNow is what the page shows of a simulation that is not over.
type simulatingNow struct {
	revision int64 // 0: none runs
	began    time.Time
	seq, of  int64
}

// tried is a simulation that is over.
type tried struct {
	revision int64
	ended    time.Time
	report   simulation.Report
	digest   string
	err      error
}

// keptReports is how many reports are kept whole, for as long as this process lives.
const keptReports = 5

func newSimulations(s *service) *simulations {
	return &simulations{s: s, alone: make(chan struct{}, 1), wants: make(chan int64, 1)}
}

// try implements operator.Simulate.
func (d *simulations) try(ctx context.Context, asked operator.SimulationRequest, progress func(seq, of int64)) (operator.Simulation, error) {
	done, recorded, err := d.run(ctx, asked, event.Operator, progress)
	if err != nil {
		return operator.Simulation{}, err
	}
	var text strings.Builder
	err = done.report.WriteText(&text)
	canonical, failed := done.report.Canonical()
	return operator.Simulation{Digest: done.digest, Recorded: recorded, Report: canonical, Text: text.String()}, errors.Join(err, failed)
}

// run simulates, and records that it did if it was over the whole record.
func (d *simulations) run(ctx context.Context, asked operator.SimulationRequest, by event.Role, progress func(seq, of int64)) (done tried, recorded bool, err error) {
	select {
	case d.alone <- struct{}{}:
	default:
		return done, false, errSimulating
	}
	defer func() { <-d.alone }()
	candidate, err := d.candidate(ctx, asked)
	if err != nil {
		return done, false, err
	}
	rules, err := opa.OpenCandidate(ctx, candidate.Files())
	if err != nil {
		return done, false, err
	}
	through, err := d.s.ledger.Published(ctx)
	if err != nil {
		return done, false, err
	}
	from, to := max(asked.From, 1), asked.To
	if to == 0 {
		to = through
	}
	if from > to || to > through {
		return done, false, errRange
	}
	d.begin(candidate.Revision(), to)
	report, err := simulation.Run(ctx, simulation.Config{
		Candidate: rules, Revision: candidate.Revision(), Digest: candidate.Digest(), Own: d.own, Record: d.s.between, From: from, To: to,
		Progress: func(seq, _ int64) { d.at(seq); progress(seq, to) },
	})
	done = tried{revision: candidate.Revision(), ended: d.s.clock.Now(), report: report, err: explained(err)}
	if err == nil {
		done.digest, done.err = report.Digest()
	}
	if done.err == nil && from == 1 && to == through {
		done.err = usecase.SimulationReports{Record: d.s.ledger, Now: d.s.milliseconds}.Keep(ctx, factOf(done), by)
		recorded = done.err == nil
	}
	d.end(done)
	return done, recorded, done.err
}

// explained makes what a person is to read of an error that says that history does not come out as it is recorded.
func explained(err error) error {
	mismatch, ok := errors.AsType[*simulation.Mismatch](err)
	if !ok {
		return err
	}
	return refusal.New(refusal.Conflict, "policy.not_made_again", "The simulation ended: "+mismatch.Error()+".",
		"Look at that fact and at the bundle of its revision; bgremover log verify says whether the record holds.")
}

func factOf(done tried) policy.Simulated {
	t := done.report.Total
	return policy.Simulated{
		Revision: done.report.Revision, Digest: done.report.Bundle, Report: done.digest, From: done.report.From, To: done.report.To,
		Same: t.Same, Different: t.Different, Uncompared: t.Erased + t.Unrecorded + t.WithoutBundle,
	}
}

// candidate is the bundle that is asked for.
func (d *simulations) candidate(ctx context.Context, asked operator.SimulationRequest) (opa.Bundle, error) {
	if len(asked.Archive) > 0 {
		return opa.ReadArchive(asked.Archive)
	}
	stored, err := d.stored(ctx, asked.Revision)
	if err == nil && stored == nil {
		err = policy.ErrNotStored
	}
	if err != nil {
		return opa.Bundle{}, err
	}
	return opa.ReadArchive(stored.Archive)
}

// stored returns the bundle of a revision as the record has it; nil if it does not.
func (d *simulations) stored(ctx context.Context, revision int64) (*policy.BundleStored, error) {
	history, err := d.s.ledger.Load(ctx, policy.BundleStream(policy.RevisionName(revision)))
	if err != nil {
		return nil, fmt.Errorf("load the rules of revision %d: %w", revision, err)
	}
	for _, env := range history {
		if f, ok := env.Fact.(policy.BundleStored); ok {
			return &f, nil
		}
	}
	return nil, nil
}

// own returns the rules that decided once. A record that is older than the first stored
// bundle was decided by those of this release, if they have that revision.
func (d *simulations) own(ctx context.Context, revision int64) (simulation.Rules, error) {
	files := fs.FS(policies.Bundle)
	stored, err := d.stored(ctx, revision)
	if err != nil {
		return nil, err
	}
	if stored != nil {
		b, err := opa.ReadArchive(stored.Archive)
		if err != nil {
			return nil, err
		}
		files = b.Files()
	}
	rules, err := opa.OpenRules(files)
	if err != nil {
		return nil, err
	}
	if rules.Revision() != revision {
		return nil, simulation.ErrNoBundle
	}
	return rules, nil
}

// withQuestions decodes facts with what their decisions were asked about one person, which takes the keys. Those
// of other facts are not asked for.
func (s *service) withQuestions() decoding {
	sealed, opened := sealedCodec(), ledger.NewCodec("", ledger.Facts(), s.vault)
	return func(ctx context.Context, seq int64, body []byte) (event.Envelope, error) {
		env, err := sealed.Decode(ctx, seq, body)
		if err != nil || env.Decision == nil || !env.Decision.Sealed.IsSealed() {
			return env, err
		}
		return opened.Decode(ctx, seq, body)
	}
}

// between reads a part of the record, with the questions that were asked about one person.
func (s *service) between(ctx context.Context, from, to int64, each func(event.Envelope) error) error {
	source := kafka.NewSource(s.ground.kafka)
	err := showFrom(ctx, source, from, s.withQuestions(), func(env event.Envelope) error {
		if env.Seq > to {
			return errEnough
		}
		if err := each(env); err != nil || env.Seq < to {
			return err
		}
		return errEnough
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return errors.Join(err, source.Close())
}

func (d *simulations) begin(revision, of int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = simulatingNow{revision: revision, began: d.s.clock.Now(), of: of}
}

func (d *simulations) at(seq int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now.seq = seq
}

func (d *simulations) end(done tried) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = simulatingNow{}
	d.last = slices.Insert(d.last, 0, done)
	d.last = d.last[:min(len(d.last), keptReports)]
}
