package usecase_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"filippo.io/age"

	sealer "github.com/bgremover/bgremover/adapters/age"
	"github.com/bgremover/bgremover/adapters/opa"
	"github.com/bgremover/bgremover/domain/disclosure"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/staff"
	"github.com/bgremover/bgremover/domain/visit"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/policies"
)

// desk is a desk for disclosures with the real rules and the real cipher.
type desk struct {
	usecase.DisclosureDesk
	t         *testing.T
	record    *fake.Record
	decisions *fake.Decisions
	theirs    *age.X25519Identity // whose key exports are sealed for
	now       time.Time
	grace     usecase.Officer // registers
	ada, jean usecase.Officer // approve
	visits    []visit.Began
	more      int64 // visits that are counted besides
}

// Count implements usecase.VisitorDays.
func (d *desk) Count(_ context.Context, first, last string) (n int64, err error) {
	for _, b := range d.visits {
		if b.Day >= first && b.Day <= last {
			n++
		}
	}
	return n + d.more, nil
}

// Began implements usecase.VisitorDays.
func (d *desk) Began(_ context.Context, first, last string, each func(visit.Began) error) error {
	for _, b := range d.visits {
		if b.Day < first || b.Day > last {
			continue
		}
		if err := each(b); err != nil {
			return err
		}
	}
	return nil
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	rules, err := opa.New(t.Context(), opa.Config{Bundle: policies.Bundle, ImagePeriod: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	vault := fake.NewVault()
	d := &desk{t: t, record: fake.NewRecord(vault), decisions: &fake.Decisions{}, theirs: theirs, now: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)}
	made := 0
	d.DisclosureDesk = usecase.DisclosureDesk{
		Record: d.record, Vault: vault, Sharing: rules, Access: rules, Decisions: d.decisions, Visits: d, Sealer: sealer.Sealer{},
		Now: func() time.Time { return d.now },
		NewDisclosure: func() id.Disclosure {
			made++
			return id.Disclosure(fmt.Sprintf("03900000-0000-7000-8000-%012d", made))
		},
	}
	d.grace, d.ada, d.jean = d.member(1, "Grace", event.Officer), d.member(2, "Ada", event.Officer), d.member(3, "Jean", event.Officer)
	return d
}

func (d *desk) member(n int, name string, role event.Role) usecase.Officer {
	d.t.Helper()
	m := id.Member(fmt.Sprintf("02900000-0000-7000-8000-%012d", n))
	key, err := d.Vault.New(staff.Key(m))
	d.must(err)
	_, err = d.record.Append(d.t.Context(), event.Append{
		Make: []personal.Key{key}, Parts: []event.Part{{Stream: staff.Stream(m), Facts: []event.Pending{{Fact: staff.Invited{Role: role, Name: personal.Of(name)}}}}},
	})
	d.must(err)
	return usecase.Officer{Member: m, Name: personal.Of(name), Role: role}
}

func (d *desk) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// order is what a prosecutor asks for.
func (d *desk) order() usecase.Registration {
	return usecase.Registration{PublicKey: d.theirs.Recipient().String(), Request: disclosure.Request{
		From: disclosure.Authority, Country: "DE", Category: disclosure.Technical, Basis: disclosure.Order, Purpose: "order",
		Fields: []string{"address", "access_time"}, Expires: d.now.Add(24 * time.Hour), Reference: "12 Js 34/26", Text: "Who was it?",
		Sender: "Staatsanwaltschaft", Address: "192.0.2.7", FirstDay: "2025-10-01", LastDay: "2026-03-02",
	}}
}

func (d *desk) register(change func(*usecase.Registration)) id.Disclosure {
	d.t.Helper()
	r := d.order()
	change(&r)
	which, err := d.Register(d.t.Context(), d.grace, r)
	d.must(err)
	return which
}

// permit has a request approved by two, and decided.
func (d *desk) permit(which id.Disclosure) {
	d.t.Helper()
	d.must(d.Approve(d.t.Context(), d.ada, which))
	d.must(d.Approve(d.t.Context(), d.jean, which))
	d.must(d.Decide(d.t.Context(), d.grace, which))
}

func (d *desk) story(which id.Disclosure) (names []string, last event.Envelope) {
	d.t.Helper()
	facts, err := d.record.Load(d.t.Context(), disclosure.Stream(which))
	d.must(err)
	for _, env := range facts {
		names = append(names, string(env.Fact.EventName()))
		last = env
	}
	return names, last
}

func TestDisclosureFromOrderToExport(t *testing.T) {
	d := newDesk(t)
	d.visits = []visit.Began{
		{Day: "2025-10-01", Address: personal.Of("192.0.2.7"), Agent: personal.Of("Firefox"), At: personal.Of("2025-10-01T10:00:00Z")}, // by longer periods
		{Day: "2026-03-01", Address: personal.Of("192.0.2.7"), Agent: personal.Of("Firefox"), At: personal.Of("2026-03-01T10:00:00Z")},
		{Day: "2026-03-01", Address: personal.Of("192.0.2.8"), Agent: personal.Of("Firefox"), At: personal.Of("2026-03-01T11:00:00Z")},
		{Day: "2026-03-02", Address: personal.Erased, Agent: personal.Erased, At: personal.Erased},
		{Day: "2026-03-02", Address: personal.Of("192.0.2.7"), Agent: personal.Of("Firefox"), At: personal.Of("2026-03-02T09:00:00Z")},
	}
	which := d.register(func(*usecase.Registration) {})
	if _, err := d.Make(t.Context(), d.grace, which); !errors.Is(err, disclosure.ErrNotPermitted) {
		t.Errorf("made before it was allowed: %v", err)
	}
	if err := d.Approve(t.Context(), d.grace, which); !errors.Is(err, disclosure.ErrOwn) {
		t.Errorf("approved by the registrar: %v", err)
	}
	d.must(d.Approve(t.Context(), d.ada, which))
	if err := d.Approve(t.Context(), d.ada, which); !errors.Is(err, disclosure.ErrTwice) {
		t.Errorf("approved twice: %v", err)
	}
	if err := d.Decide(t.Context(), d.grace, which); !errors.Is(err, disclosure.ErrApprovals) {
		t.Errorf("decided with one approval: %v", err)
	}
	if refused, _ := d.decisions.Told(); len(refused) != 1 || refused[0].Rule != "sharing.disclose" {
		t.Errorf("what was refused for now is told as %+v", refused)
	}
	d.must(d.Approve(t.Context(), d.jean, which))
	d.must(d.Decide(t.Context(), d.grace, which))
	sealed, err := d.Make(t.Context(), d.grace, which)
	d.must(err)
	if names, last := d.story(which); !slices.Equal(names, []string{
		"disclosure.requested.v1", "disclosure.scoped.v1", "disclosure.approved.v1", "disclosure.approved.v1", "disclosure.permitted.v1", "disclosure.made.v1",
	}) || last.Decision == nil || last.Decision.Outcome != "allow" || last.Decision.Rule != "sharing.disclose" {
		t.Errorf("%v, %+v", names, last)
	} else if made := last.Fact.(disclosure.Made); made.Count != 3 || made.Digest != digest(sealed) || made.Recipient != personal.Of("Staatsanwaltschaft") {
		t.Errorf("made %+v", made)
	}
	opened, err := age.Decrypt(bytes.NewReader(sealed), d.theirs)
	d.must(err)
	plain, err := io.ReadAll(opened)
	d.must(err)
	var given struct{ Records []map[string]string }
	d.must(json.Unmarshal(plain, &given))
	want := []map[string]string{
		{"address": "192.0.2.7", "access_time": "2025-10-01T10:00:00Z"},
		{"address": "192.0.2.7", "access_time": "2026-03-01T10:00:00Z"},
		{"address": "192.0.2.7", "access_time": "2026-03-02T09:00:00Z"},
	}
	if fmt.Sprint(given.Records) != fmt.Sprint(want) || bytes.Contains(plain, []byte("Firefox")) {
		t.Errorf("given %s", plain)
	}
	if _, err := d.Make(t.Context(), d.grace, which); !errors.Is(err, disclosure.ErrMade) {
		t.Errorf("made twice: %v", err)
	}
	if err := d.Tell(t.Context(), d.grace, which); !errors.Is(err, disclosure.ErrNoContact) {
		t.Errorf("told: %v", err)
	}
	d.must(d.Defer(t.Context(), d.grace, which, d.now.Add(time.Hour)))
	if err := d.Unreachable(t.Context(), d.grace, which); !errors.Is(err, disclosure.ErrForbidden) {
		t.Errorf("too early: %v", err)
	}
	d.now = d.now.Add(time.Hour)
	d.must(d.Unreachable(t.Context(), d.grace, which))
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// What is never given is refused whatever else is right, for good, by a rule that stands in the record.
func TestDisclosureRefusesWhatIsNeverGiven(t *testing.T) {
	tests := map[string]struct {
		change func(*usecase.Registration)
		rule   string
		why    []string
	}{
		"pictures, for an authority": {func(r *usecase.Registration) { r.Category, r.Fields = "image", []string{"blob"} }, "sharing.disclose", []string{"undecided"}},
		"pictures, for a partner":    {partner("introduction", "image"), "sharing.share", []string{"undecided"}},
		"training":                   {partner("training", "account"), "sharing.share", []string{"never"}},
		"training, on pictures":      {partner("training", "image"), "sharing.share", []string{"undecided"}},
		"a sale":                     {partner("sale", "account"), "sharing.share", []string{"never"}},
		"advertising":                {partner("advertising", "account"), "sharing.share", []string{"never"}},
		"a partner, for more than granted": {func(r *usecase.Registration) {
			partner("introduction", "account")(r)
			r.Fields = []string{"password"}
		}, "sharing.share", []string{"approvals", "fields"}},
		"who trains models":              {func(r *usecase.Registration) { partner("introduction", "account")(r); r.From = "model_trainer" }, "sharing.share", []string{"never"}},
		"a data broker":                  {func(r *usecase.Registration) { partner("introduction", "account")(r); r.From = "data_broker" }, "sharing.share", []string{"never"}},
		"no document":                    {func(r *usecase.Registration) { r.Basis = disclosure.NoDocument }, "sharing.disclose", []string{"approvals", "document"}},
		"a document without a reference": {func(r *usecase.Registration) { r.Reference = "" }, "sharing.disclose", []string{"approvals", "document"}},
		"an order from elsewhere":        {func(r *usecase.Registration) { r.Country = "US" }, "sharing.disclose", []string{"approvals", "treaty"}},
		"more than can be given":         {func(r *usecase.Registration) { r.Fields = []string{"address", "agent"} }, "sharing.disclose", []string{"approvals", "fields"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			which := d.register(tt.change)
			d.must(d.Decide(t.Context(), d.ada, which))
			_, last := d.story(which)
			refused, ok := last.Fact.(disclosure.Refused)
			if !ok || !slices.Equal(refused.Reasons, tt.why) {
				t.Fatalf("got %+v", last.Fact)
			}
			if last.Decision == nil || last.Decision.Rule != tt.rule || last.Decision.Outcome != "deny" || len(last.Decision.Input) == 0 {
				t.Errorf("decided by %+v", last.Decision)
			}
			if _, err := d.Make(t.Context(), d.ada, which); !errors.Is(err, disclosure.ErrDecided) {
				t.Errorf("made: %v", err)
			}
		})
	}
}

// partner makes a request one of a partner, on explicit consent.
func partner(purpose, category string) func(*usecase.Registration) {
	return func(r *usecase.Registration) {
		r.From, r.Purpose, r.Category, r.Basis, r.Fields = "partner", purpose, category, "explicit_consent", []string{"email"}
	}
}

// A partner's request waits for two approvals, as an authority's does, and stays open until then; who works for
// us under a contract needs none.
func TestDisclosureToAPartnerTakesTwoApprovals(t *testing.T) {
	d := newDesk(t)
	which := d.register(partner("introduction", "account"))
	for _, approve := range []usecase.Officer{d.ada, d.jean} {
		if err := d.Decide(t.Context(), d.grace, which); !errors.Is(err, disclosure.ErrApprovals) {
			t.Errorf("decided too early: %v", err)
		}
		d.must(d.Approve(t.Context(), approve, which))
	}
	d.must(d.Decide(t.Context(), d.grace, which))
	if names, last := d.story(which); names[len(names)-1] != "disclosure.permitted.v1" || last.Decision == nil || last.Decision.Rule != "sharing.share" {
		t.Errorf("%v, %+v", names, last.Decision)
	}
	processor := d.register(func(r *usecase.Registration) {
		r.From, r.Purpose, r.Category, r.Basis, r.Fields = "payment_processor", "payment", "billing", "contract", []string{"email"}
	})
	d.must(d.Decide(t.Context(), d.grace, processor))
	if names, _ := d.story(processor); names[len(names)-1] != "disclosure.permitted.v1" {
		t.Errorf("for a processor: %v", names)
	}
}

// What the service does not hold is answered with nothing, and that is in the record.
func TestDisclosureOfWhatIsNotHeld(t *testing.T) {
	d := newDesk(t)
	which := d.register(partner("introduction", "account"))
	d.permit(which)
	sealed, err := d.Make(t.Context(), d.ada, which)
	if !errors.Is(err, disclosure.ErrNoData) || sealed != nil {
		t.Errorf("made %d bytes, %v", len(sealed), err)
	}
	if _, last := d.story(which); fmt.Sprint(last.Fact) != fmt.Sprint(disclosure.Refused{Reasons: []string{disclosure.ReasonNoData}}) {
		t.Errorf("recorded as %+v", last.Fact)
	} else if last.Decision == nil || last.Decision.Rule != "sharing.share" || last.Decision.Outcome != "allow" || len(last.Decision.Input) == 0 {
		t.Errorf("what the rules said stands there as %+v", last.Decision)
	}
}

// An export without a record is handed out, and then there is nobody to tell.
func TestDisclosureOfNothingTellsNobody(t *testing.T) {
	d := newDesk(t)
	which := d.register(func(*usecase.Registration) {})
	d.permit(which)
	sealed, err := d.Make(t.Context(), d.grace, which)
	d.must(err)
	if _, last := d.story(which); len(sealed) == 0 || last.Fact.(disclosure.Made).Count != 0 {
		t.Errorf("%d bytes, recorded as %+v", len(sealed), last.Fact)
	}
	if err := d.Unreachable(t.Context(), d.grace, which); !errors.Is(err, disclosure.ErrNothingGiven) {
		t.Errorf("nobody was told: %v", err)
	}
}

// What would take too long is refused before anything is opened, and nothing is recorded: a narrower request can follow.
func TestDisclosureOfTooManyVisits(t *testing.T) {
	d := newDesk(t)
	d.visits, d.more = []visit.Began{{Day: "2026-03-01", Address: personal.Of("192.0.2.7")}, {Day: "2026-03-03"}}, 999_999
	which := d.register(func(*usecase.Registration) {})
	d.permit(which)
	if n, err := d.Effort(t.Context(), which); n != 1_000_000 || err != nil {
		t.Errorf("it takes %d visits, %v", n, err)
	}
	before, _ := d.story(which)
	d.more++
	if sealed, err := d.Make(t.Context(), d.grace, which); !errors.Is(err, usecase.ErrTooManyVisits) || sealed != nil {
		t.Errorf("made %d bytes, %v", len(sealed), err)
	}
	if after, _ := d.story(which); len(after) != len(before) {
		t.Errorf("recorded: %v", after)
	}
	d.more--
	if _, err := d.Make(t.Context(), d.grace, which); err != nil {
		t.Errorf("a million: %v", err)
	}
	account := d.register(partner("introduction", "account"))
	if n, err := d.Effort(t.Context(), account); n != 0 || err != nil {
		t.Errorf("of accounts, %d visits are opened, %v", n, err)
	}
}

// What no single case can be about is not given, however lawful.
func TestDisclosureOfTooManyRecords(t *testing.T) {
	d := newDesk(t)
	d.visits = slices.Repeat([]visit.Began{{Day: "2026-03-01", Address: personal.Of("192.0.2.7")}}, 100_001)
	which := d.register(func(*usecase.Registration) {})
	d.permit(which)
	if sealed, err := d.Make(t.Context(), d.grace, which); !errors.Is(err, usecase.ErrTooMuch) || sealed != nil {
		t.Errorf("made %d bytes, %v", len(sealed), err)
	}
}

// A request of an earlier release may name no days: then all that there is is looked through, until today.
func TestDisclosureWithoutDays(t *testing.T) {
	d := newDesk(t)
	d.visits = []visit.Began{{Day: "2025-12-01", Address: personal.Of("192.0.2.7")}, {Day: "2026-03-02", Address: personal.Of("192.0.2.7")}}
	which := d.register(func(*usecase.Registration) {})
	key, err := d.Vault.New(disclosure.Key("03900000-0000-7000-8000-000000000099"))
	d.must(err)
	facts, err := d.record.Load(t.Context(), disclosure.Stream(which))
	d.must(err)
	scoped := facts[1].Fact.(disclosure.Scoped)
	scoped.FirstDay, scoped.LastDay = "", ""
	old := id.Disclosure("03900000-0000-7000-8000-000000000099")
	_, err = d.record.Append(t.Context(), event.Append{
		At: d.now, Actor: d.grace.Actor(), Make: []personal.Key{key},
		Parts: []event.Part{{Stream: disclosure.Stream(old), Facts: []event.Pending{{Fact: facts[0].Fact}, {Fact: scoped}}}},
	})
	d.must(err)
	d.permit(old)
	if _, err := d.Make(t.Context(), d.grace, old); err != nil {
		t.Fatal(err)
	}
	if _, last := d.story(old); last.Fact.(disclosure.Made).Count != 2 {
		t.Errorf("recorded as %+v", last.Fact)
	}
}

// An order that ends between the decision and the export ends the export, too.
func TestDisclosureIsDecidedAgainWhenMade(t *testing.T) {
	d := newDesk(t)
	which := d.register(func(*usecase.Registration) {})
	d.permit(which)
	d.now = d.now.Add(25 * time.Hour)
	if _, err := d.Make(t.Context(), d.ada, which); !errors.Is(err, disclosure.ErrDecided) {
		t.Errorf("made: %v", err)
	}
	if _, last := d.story(which); fmt.Sprint(last.Fact) != fmt.Sprint(disclosure.Refused{Reasons: []string{"expired"}}) {
		t.Errorf("recorded as %+v", last.Fact)
	}
}

// Staff can say no where the rules would not; nobody can say yes where they do not.
func TestDisclosureRefusedByStaff(t *testing.T) {
	d := newDesk(t)
	which := d.register(func(*usecase.Registration) {})
	d.must(d.Refuse(t.Context(), d.ada, which))
	if err := d.Refuse(t.Context(), d.ada, which); !errors.Is(err, disclosure.ErrDecided) {
		t.Errorf("refused twice: %v", err)
	}
}

// Only officers under their name work at the desk.
func TestDisclosureDeskIsForOfficers(t *testing.T) {
	d := newDesk(t)
	which := d.register(func(*usecase.Registration) {})
	before := len(d.record.All())
	for name, o := range map[string]usecase.Officer{
		"a responder": d.member(9, "Radia", event.Responder), "nobody": {Role: event.Officer}, "an erased one": {Role: event.Officer, Name: personal.Erased},
	} {
		tries := map[string]error{
			"approve": d.Approve(t.Context(), o, which), "decide": d.Decide(t.Context(), o, which), "refuse": d.Refuse(t.Context(), o, which),
			"tell": d.Tell(t.Context(), o, which),
		}
		_, tries["make"] = d.Make(t.Context(), o, which)
		_, tries["register"] = d.Register(t.Context(), o, d.order())
		for what, err := range tries {
			if !errors.Is(err, usecase.ErrNotAtDesk) {
				t.Errorf("%s: %s: %v", name, what, err)
			}
		}
	}
	radia := usecase.Officer{Member: "02900000-0000-7000-8000-000000000009", Name: personal.Of("Radia"), Role: event.Responder}
	if _, err := d.Read(t.Context(), radia, which, "curious"); !errors.Is(err, usecase.ErrNotAtDesk) {
		t.Errorf("read: %v", err)
	}
	if after := len(d.record.All()); after != before+1 { // Radia was invited
		t.Errorf("%d facts followed", after-before-1)
	}
	if refused, _ := d.decisions.Told(); len(refused) < 19 {
		t.Errorf("%d refusals are told of", len(refused))
	}
}

// A data protection officer approves, and does nothing else at the desk.
func TestDisclosureApprovedByWhomTheRulesName(t *testing.T) {
	d := newDesk(t)
	which := d.register(func(*usecase.Registration) {})
	dpo := d.member(8, "Barbara", "dpo")
	if _, err := d.Read(t.Context(), dpo, which, "to approve it"); err != nil {
		t.Errorf("read: %v", err)
	}
	if all := d.record.All(); all[len(all)-1].Fact.(staff.DataRead).Purpose != "audit" {
		t.Errorf("the look is recorded as %+v", all[len(all)-1].Fact)
	}
	d.must(d.Approve(t.Context(), dpo, which))
	if err := d.Decide(t.Context(), dpo, which); !errors.Is(err, usecase.ErrNotAtDesk) {
		t.Errorf("decided: %v", err)
	}
}

// Who looks at what is sealed is in the record before they see it.
func TestDisclosureLooksAreRecorded(t *testing.T) {
	d := newDesk(t)
	which := d.register(func(*usecase.Registration) {})
	if _, err := d.Read(t.Context(), d.ada, which, " "); !errors.Is(err, staff.ErrReason) {
		t.Errorf("without a reason: %v", err)
	}
	opened, err := d.Read(t.Context(), d.ada, which, "to approve it")
	d.must(err)
	if opened.Request.Text != personal.Of("Who was it?") || opened.Scope.Address != personal.Of("192.0.2.7") {
		t.Error("it is not what was asked")
	}
	facts, err := d.record.Load(t.Context(), staff.Stream(d.ada.Member))
	d.must(err)
	last := facts[len(facts)-1]
	want := staff.DataRead{Category: "disclosure", Purpose: "disclosure", Subject: personal.Of(string(disclosure.Stream(which))), Reason: personal.Of("to approve it")}
	if last.Fact != want || last.Actor.Who != personal.Of("Ada") || last.Decision == nil || last.Decision.Rule != "access.personal" {
		t.Errorf("recorded as %+v", last)
	}
	d.record.Refuse = func(event.Append) error { return event.ErrUnavailable }
	if _, err := d.Read(t.Context(), d.ada, which, "to approve it"); !errors.Is(err, event.ErrUnavailable) {
		t.Errorf("shown without a record: %v", err)
	}
	if _, err := d.Read(t.Context(), d.ada, "03900000-0000-7000-8000-000000000099", "to approve it"); !errors.Is(err, disclosure.ErrUnknown) {
		t.Errorf("of nothing: %v", err)
	}
}

// leaving is somebody who goes while the rules are asked about them.
type leaving struct {
	usecase.DeskAccess
	leave func()
}

func (l leaving) AtDesk(ctx context.Context, _ usecase.DeskMember) (event.Decision, error) {
	l.leave()
	return event.Decision{Rule: "access.personal", Outcome: "deny"}, ctx.Err()
}

func (l leaving) ApproveDisclosure(ctx context.Context, m usecase.DeskMember, _ bool) (event.Decision, error) {
	return l.AtDesk(ctx, m)
}

// Whoever has gone was refused nothing: the record says no such thing.
func TestNobodyIsRefusedAtTheDeskWhoHasGone(t *testing.T) {
	d := newDesk(t)
	which := d.register(func(*usecase.Registration) {})
	for name, act := range map[string]func(context.Context) error{
		"deciding":  func(ctx context.Context) error { return d.Decide(ctx, d.grace, which) },
		"approving": func(ctx context.Context) error { return d.Approve(ctx, d.ada, which) },
	} {
		ctx, leave := context.WithCancel(t.Context())
		d.Access = leaving{d.Access, leave}
		err := act(ctx)
		if refused, _ := d.decisions.Told(); !errors.Is(err, context.Canceled) || len(refused) > 0 {
			t.Errorf("%s: %v, refused %v", name, err, refused)
		}
	}
}
