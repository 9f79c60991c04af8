package usecase_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/opa"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/domain/staff"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/policies"
)

// rulesWorld has the record with the rules of a release in force, and two officers.
type rulesWorld struct {
	t      *testing.T
	record *fake.Record
	vault  *fake.Vault
	rules  *opa.Policy

	archives  map[string]usecase.RuleBundle // what reading an archive gives
	simulated map[string]int64              // revisions by the digest of a report
	followed  int
	unfit     error
}

var (
	graceHopper = usecase.Officer{Name: personal.Of("Grace Hopper"), Role: event.Officer}
	adaLovelace = usecase.Officer{Name: personal.Of("Ada Lovelace"), Role: event.Officer}
	joanClarke  = usecase.Officer{Name: personal.Of("Joan Clarke"), Role: event.Responder}
)

func newRulesWorld(t *testing.T) *rulesWorld {
	t.Helper()
	rules, err := opa.New(t.Context(), opa.Config{Bundle: policies.Bundle, ImagePeriod: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	vault := fake.NewVault()
	return &rulesWorld{
		t: t, record: fake.NewRecord(vault), vault: vault, rules: rules,
		archives: map[string]usecase.RuleBundle{}, simulated: map[string]int64{},
	}
}

func (w *rulesWorld) now() time.Time { return time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC) }

// InForce implements usecase.RulesInForce by what the record says.
func (w *rulesWorld) InForce(context.Context) (revision int64, err error) {
	for _, env := range w.record.All() {
		if a, ok := env.Fact.(policy.Activated); ok {
			revision = a.Revision
		}
	}
	return revision, nil
}

// Follow implements usecase.RulesInForce.
func (w *rulesWorld) Follow(context.Context) error { w.followed++; return nil }

// Fit implements usecase.RulesInForce.
func (w *rulesWorld) Fit(context.Context, int64) error { return w.unfit }

// Read implements usecase.Bundles.
func (w *rulesWorld) Read(_ context.Context, archive []byte) (usecase.RuleBundle, error) {
	b, ok := w.archives[string(archive)]
	if !ok {
		return usecase.RuleBundle{}, opa.ErrUnsigned
	}
	return b, nil
}

// Known implements usecase.Simulations.
func (w *rulesWorld) Known(_ context.Context, digest string, revision int64) (bool, error) {
	return w.simulated[digest] == revision && revision != 0, nil
}

// Streams implements usecase.StoredRules.
func (w *rulesWorld) Streams(context.Context) (all []event.Stream, err error) {
	for _, env := range w.record.All() {
		if _, ok := env.Fact.(policy.BundleStored); ok {
			all = append(all, env.Stream)
		}
	}
	return all, nil
}

func (w *rulesWorld) storing() usecase.StoreBundle {
	return usecase.StoreBundle{Record: w.record, Vault: w.vault, Bundles: w, Rules: w, Now: w.now}
}

func (w *rulesWorld) store(name string, revision int64) error {
	w.archives[name] = usecase.RuleBundle{Revision: revision, Digest: name, SignedBy: "ours-1", Archive: []byte(name)}
	_, _, err := w.storing().Do(w.t.Context(), []byte(name), event.Operator)
	return err
}

func (w *rulesWorld) release(revision int64) error {
	bundle := usecase.RuleBundle{Revision: revision, Digest: "release", SignedBy: "release", Archive: []byte("release")}
	return usecase.ActivateRelease{StoreBundle: w.storing(), Release: bundle}.Do(w.t.Context())
}

func (w *rulesWorld) propose(o usecase.Officer, revision int64, simulation string) error {
	return usecase.ProposeActivation{Record: w.record, Simulations: w, Acts: w.rules, Rules: w, Now: w.now}.Do(w.t.Context(), o, revision, simulation)
}

func (w *rulesWorld) approve(o usecase.Officer, revision int64, simulation string) error {
	return usecase.ApproveActivation{Record: w.record, Simulations: w, Acts: w.rules, Rules: w, Now: w.now}.Do(w.t.Context(), o, revision, simulation)
}

func (w *rulesWorld) states() (states []usecase.RulesState) {
	all, err := usecase.ListRules{Record: w.record, Stored: w, Rules: w}.Do(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range all {
		states = append(states, r.State)
	}
	return states
}

// step does one thing and says which refusal it wants; nil for none.
func (w *rulesWorld) step(what string, got, want error) {
	w.t.Helper()
	if !errors.Is(got, want) {
		w.t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestLifeOfABundle(t *testing.T) {
	w := newRulesWorld(t)
	w.step("the release's rules", w.release(4), nil)
	w.step("again, at the next start", w.release(4), nil)
	w.step("a bundle that nobody signed", func() error {
		_, _, err := w.storing().Do(t.Context(), []byte("unsigned"), event.Operator)
		return err
	}(), opa.ErrUnsigned)
	w.step("rules as old as those in force", w.store("other four", 4), policy.ErrOlder)
	w.step("older rules", w.store("three", 3), policy.ErrOlder)
	w.step("newer rules", w.store("five", 5), nil)
	w.step("the same again", w.store("five", 5), nil)
	w.step("others under that revision", w.store("other five", 5), policy.ErrOtherBundle)
	w.step("still newer rules", w.store("six", 6), nil)

	w.step("proposing without a simulation", w.propose(graceHopper, 5, "s5"), policy.ErrNotSimulated)
	w.simulated["s5"], w.simulated["s6"] = 5, 6
	w.step("proposing with that of another revision", w.propose(graceHopper, 5, "s6"), policy.ErrNotSimulated)
	w.step("proposing what is not stored", w.propose(graceHopper, 7, "s5"), policy.ErrNotStored)
	w.step("proposing in another role", w.propose(joanClarke, 5, "s5"), usecase.ErrNotYours)
	w.step("approving before that", w.approve(adaLovelace, 5, "s5"), policy.ErrNotProposed)
	w.step("proposing", w.propose(graceHopper, 5, "s5"), nil)
	w.step("approving one's own proposal", w.approve(graceHopper, 5, "s5"), policy.ErrSamePerson)
	w.step("approving in another role", w.approve(joanClarke, 5, "s5"), usecase.ErrNotYours)
	w.step("approving another simulation", w.approve(adaLovelace, 5, "s6"), policy.ErrNotSimulated)
	if n, _ := w.InForce(t.Context()); n != 4 {
		t.Fatalf("revision %d is in force", n)
	}
	w.unfit = errors.New("a rule is missing that a newer release asks")
	w.step("approving what does not fit any more", w.approve(adaLovelace, 5, "s5"), w.unfit)
	if n, _ := w.InForce(t.Context()); n != 4 {
		t.Fatalf("revision %d is in force", n)
	}
	w.unfit = nil
	w.step("approving", w.approve(adaLovelace, 5, "s5"), nil)
	w.step("approving twice", w.approve(adaLovelace, 5, "s5"), policy.ErrOlder)
	w.step("the older release again", w.release(4), nil)

	last := w.record.All()[len(w.record.All())-1]
	want := policy.Activated{Revision: 5, Digest: "five", Simulation: "s5", Proposer: graceHopper.Name}
	if last.Fact != want || last.Actor != adaLovelace.Actor() {
		t.Errorf("the record ends with %+v by %v", last.Fact, last.Actor)
	}
	if d := last.Decision; d == nil || d.Rule != "access.act" || d.Outcome != "allow" || d.Revision != w.rules.Revision() {
		t.Errorf("decided by %+v", last.Decision)
	}
	if got := w.states(); len(got) != 3 || got[0] != usecase.RulesStored || got[1] != usecase.RulesInUse || got[2] != usecase.RulesReplaced {
		t.Errorf("states %q", got)
	}
	if w.followed == 0 {
		t.Error("nobody followed the rules in force")
	}
}

// A revision that another has overtaken is passed over for good.
func TestOvertakenRules(t *testing.T) {
	w := newRulesWorld(t)
	w.step("the release's rules", w.release(4), nil)
	w.step("five", w.store("five", 5), nil)
	w.step("six", w.store("six", 6), nil)
	w.simulated["s5"], w.simulated["s6"] = 5, 6
	w.step("five proposed", w.propose(graceHopper, 5, "s5"), nil)
	w.step("six proposed", w.propose(graceHopper, 6, "s6"), nil)
	w.step("six approved", w.approve(adaLovelace, 6, "s6"), nil)
	w.step("five approved", w.approve(adaLovelace, 5, "s5"), policy.ErrOlder)
	w.step("five proposed anew", w.propose(graceHopper, 5, "s5"), policy.ErrOlder)
	if got := w.states(); got[0] != usecase.RulesInUse || got[1] != usecase.RulesPassed || got[2] != usecase.RulesReplaced {
		t.Errorf("states %q", got)
	}
	all, err := usecase.ListRules{Record: w.record, Stored: w, Rules: w}.Do(t.Context())
	w.step("listing", err, nil)
	for _, r := range all { // all three states began with one fact
		if r.Seq != all[0].Seq || !r.Since.Equal(all[0].Since) {
			t.Errorf("revision %d is %s since fact %d, want %d", r.Revision, r.State, r.Seq, all[0].Seq)
		}
	}
	w.step("a release with five", w.release(5), policy.ErrOlder)
}

// A newer release brings its rules along, and leaves those in force until officers decide.
func TestNewerReleaseWaits(t *testing.T) {
	w := newRulesWorld(t)
	w.step("the first release", w.release(4), nil)
	next := usecase.ActivateRelease{StoreBundle: w.storing(), Release: usecase.RuleBundle{Revision: 5, Digest: "five", SignedBy: "release", Archive: []byte("five")}}
	for _, want := range []bool{true, false} {
		stored, err := next.Store(t.Context())
		w.step("storing", err, nil)
		if stored != want {
			t.Errorf("stored: %v, want %v", stored, want)
		}
	}
	if n, _ := w.InForce(t.Context()); n != 4 {
		t.Errorf("revision %d is in force", n)
	}
	if got := w.states(); got[0] != usecase.RulesStored || got[1] != usecase.RulesInUse {
		t.Errorf("states %q", got)
	}
	w.simulated["s5"] = 5
	w.step("proposed", w.propose(graceHopper, 5, "s5"), nil)
	w.step("approved", w.approve(adaLovelace, 5, "s5"), nil)
	w.step("the next start, by its own rules", next.Do(t.Context()), nil)
}

// Whoever runs the machine can propose in an officer's name, and only so.
func TestProposeFor(t *testing.T) {
	w := newRulesWorld(t)
	w.step("the release's rules", w.release(4), nil)
	w.step("five", w.store("five", 5), nil)
	w.simulated["s5"] = 5
	const member id.Member = "01900000-0000-7000-8000-000000000001"
	_, err := w.record.Append(t.Context(), event.Append{At: w.now(), Actor: event.Actor{Role: event.Operator}, Parts: []event.Part{{
		Stream: staff.Stream(member), Facts: []event.Pending{{Fact: staff.Invited{Role: graceHopper.Role, Name: graceHopper.Name}}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	propose := usecase.ProposeFor{
		ProposeActivation: usecase.ProposeActivation{Record: w.record, Simulations: w, Acts: w.rules, Rules: w, Now: w.now}, Staff: fake.Staff{Record: w.record},
	}
	w.step("for a stranger", propose.Do(t.Context(), personal.Of("Nobody"), 5, "s5"), usecase.ErrStranger)
	w.step("for an officer", propose.Do(t.Context(), graceHopper.Name, 5, "s5"), nil)
	last := w.record.All()[len(w.record.All())-1]
	if last.Actor != graceHopper.Actor() {
		t.Errorf("proposed by %v", last.Actor)
	}
	w.step("approved by the same", w.approve(graceHopper, 5, "s5"), policy.ErrSamePerson)
	w.step("approved by another", w.approve(adaLovelace, 5, "s5"), nil)
}
