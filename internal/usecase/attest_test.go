package usecase_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/usecase"
)

// signers lets officers sign who have a name, as the rule does.
type signers struct{}

func (signers) Act(_ context.Context, action, role string, named, _ bool) (bool, event.Decision, error) {
	d := event.Decision{Rule: "access.act", Promises: []string{"staff.least"}, Revision: 1, Outcome: "allow", Input: []byte(`{}`)}
	return action == "attest" && role == "officer" && named, d, nil
}

var signable = policy.Catalogue{
	{ID: "image.purpose", Kind: policy.Enforced},
	{ID: "secure.firewall", Kind: policy.Attested, SignedBy: "officer", HoldsDays: 180, Statement: "The firewall is up."},
	{ID: "share.processors", Kind: policy.Attested, SignedBy: "officer", HoldsDays: 365, Statement: "The list is whole."},
}

func digestOf(words string) string { return system.Statement{Words: words}.Digest() }

// signatures is where officers sign.
type signatures struct {
	usecase.Attest
	record *fake.Record
	vault  *fake.Vault
	at     time.Time
}

func newSignatures() *signatures {
	d := &signatures{vault: fake.NewVault(), at: noon}
	d.record = fake.NewRecord(d.vault)
	d.Attest = usecase.Attest{Record: d.record, Vault: d.vault, Acts: signers{}, Promises: signable, Now: func() time.Time { return d.at }}
	return d
}

// state returns how a promise stands.
func (d *signatures) state(t *testing.T, promise string) usecase.Attested {
	t.Helper()
	all, err := d.List(t.Context())
	if err != nil || len(all) != 2 {
		t.Fatal(all, err)
	}
	for _, one := range all {
		if one.Promise == promise {
			return one
		}
	}
	t.Fatalf("%s is not listed", promise)
	return usecase.Attested{}
}

var officerGrace = usecase.Officer{Name: grace, Role: event.Officer}

func TestSigningHoldsForItsTime(t *testing.T) {
	d := newSignatures()
	if d.state(t, "secure.firewall").Holds(noon) {
		t.Error("it holds before anybody signed")
	}
	if err := d.Sign(t.Context(), officerGrace, "secure.firewall", digestOf("The firewall is up."), true, "all hosts"); err != nil {
		t.Fatal(err)
	}
	env := d.record.All()[0]
	fact := env.Fact.(system.AttestationMade)
	if env.Actor != officerGrace.Actor() || env.Decision == nil || env.Decision.Rule != "access.act" || fact.Note != personal.Of("all hosts") || !fact.Until.Equal(noon.AddDate(0, 0, 180)) {
		t.Errorf("recorded: %+v", env)
	}
	if _, err := d.vault.Key(t.Context(), system.AttestationKey("secure.firewall", noon)); err != nil {
		t.Errorf("who signed is sealed under no key: %v", err)
	}
	steps := []struct {
		days  int
		holds bool
		soon  bool
		left  int
	}{{0, true, false, 180}, {149, true, false, 31}, {150, true, true, 30}, {179, true, true, 1}, {180, false, false, 0}}
	for _, s := range steps {
		now := noon.AddDate(0, 0, s.days)
		d.at = now
		if a := d.state(t, "secure.firewall"); a.Holds(now) != s.holds || a.Soon(now) != s.soon || a.Days(now) != s.left {
			t.Errorf("after %d days: holds %v, soon over %v, %d days left", s.days, a.Holds(now), a.Soon(now), a.Days(now))
		}
	}
	if d.state(t, "share.processors").Holds(noon) {
		t.Error("another promise holds by it")
	}
}

func TestWhoMaySignWhat(t *testing.T) {
	words := digestOf("The firewall is up.")
	for name, tt := range map[string]struct {
		who     usecase.Officer
		promise policy.ID
		seen    string
		looked  bool
		want    error
	}{
		"a responder":          {usecase.Officer{Name: ada, Role: event.Responder}, "secure.firewall", words, true, system.ErrSigner},
		"nobody":               {usecase.Officer{Role: event.Officer}, "secure.firewall", words, true, system.ErrSigner},
		"what rules enforce":   {officerGrace, "image.purpose", words, true, system.ErrNothingToSign},
		"what is not promised": {officerGrace, "image.dance", words, true, system.ErrNothingToSign},
		"without looking":      {officerGrace, "secure.firewall", words, false, system.ErrNotLooked},
		"other words":          {officerGrace, "secure.firewall", digestOf("The list is whole."), true, system.ErrOtherWords},
	} {
		d := newSignatures()
		if err := d.Sign(t.Context(), tt.who, tt.promise, tt.seen, tt.looked, ""); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
		if len(d.record.All()) != 0 {
			t.Errorf("%s left something in the record", name)
		}
	}
}

func TestWithdrawing(t *testing.T) {
	d := newSignatures()
	if err := d.Withdraw(t.Context(), officerGrace, "secure.firewall", ""); !errors.Is(err, system.ErrNotSigned) {
		t.Errorf("before anybody signed: %v", err)
	}
	if err := d.Sign(t.Context(), officerGrace, "secure.firewall", digestOf("The firewall is up."), true, ""); err != nil {
		t.Fatal(err)
	}
	if err := d.Withdraw(t.Context(), officerGrace, "secure.firewall", "a host was missing"); err != nil {
		t.Fatal(err)
	}
	if a := d.state(t, "secure.firewall"); a.Holds(noon) || a.Last.Withdrawn.IsZero() {
		t.Errorf("it holds on: %+v", a)
	}
}

// Words that were changed are not the words that somebody signed.
func TestChangedWordsHaveToBeSignedAgain(t *testing.T) {
	d := newSignatures()
	if err := d.Sign(t.Context(), officerGrace, "secure.firewall", digestOf("The firewall is up."), true, ""); err != nil {
		t.Fatal(err)
	}
	d.Promises = policy.Catalogue{signable[0], signable[1], signable[2]}
	d.Promises[1].Statement = "The firewall is up, and tested."
	if a := d.state(t, "secure.firewall"); a.Holds(noon) || !a.Last.Holds(noon) {
		t.Errorf("got %+v", a)
	}
}

// Over the years each signature lands in a stream whose key lives on, and what was signed last year counts.
func TestSigningOverTheYears(t *testing.T) {
	d := newSignatures()
	for range 8 {
		if err := d.Sign(t.Context(), officerGrace, "share.processors", digestOf("The list is whole."), true, ""); err != nil {
			t.Fatal(err)
		}
		if !d.state(t, "share.processors").Holds(d.at.AddDate(0, 0, 364)) {
			t.Errorf("what was signed on %s does not hold a year", d.at)
		}
		d.at = d.at.AddDate(0, 0, 200)
		if !d.state(t, "share.processors").Holds(d.at) {
			t.Errorf("on %s nothing holds any more", d.at)
		}
	}
	streams := map[event.Stream]bool{}
	for _, env := range d.record.All() {
		streams[env.Stream] = true
	}
	if len(streams) < 4 {
		t.Errorf("all that was signed in years stands in %d streams", len(streams))
	}
}

func TestSigningLosesARace(t *testing.T) {
	d := newSignatures()
	raced := false
	d.record.Refuse = func(event.Append) error {
		if raced {
			return nil
		}
		raced = true
		return event.ErrConflict
	}
	if err := d.Sign(t.Context(), officerGrace, "secure.firewall", digestOf("The firewall is up."), true, ""); err != nil || len(d.record.All()) != 1 {
		t.Errorf("%v, %d facts", err, len(d.record.All()))
	}
}
