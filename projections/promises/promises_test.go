package promises_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/domain/disclosure"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/incident"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/domain/staff"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/domain/visit"
	"github.com/bgremover/bgremover/internal/projector"
	"github.com/bgremover/bgremover/internal/projector/projectortest"
	"github.com/bgremover/bgremover/projections/promises"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

var view = projector.View{Name: promises.Name, Schema: promises.Schema, Apply: promises.Apply, Purge: promises.Purge}

func open(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return projectortest.Open(t, view)
}

type fataler interface {
	Helper()
	Fatal(args ...any)
}

// apply applies facts as one batch.
func apply(t fataler, db *pgxpool.Pool, facts ...event.Envelope) {
	t.Helper()
	b := &pgx.Batch{}
	promises.Apply(b, facts)
	if err := db.SendBatch(context.Background(), b).Close(); err != nil {
		t.Fatal(err)
	}
}

// on puts facts into a stream at a time.
func on(stream event.Stream, at time.Time, facts ...event.Fact) (all []event.Envelope) {
	for _, fact := range facts {
		all = append(all, event.Envelope{Seq: 1, Stream: stream, At: at, Actor: event.Actor{Role: event.Visitor}, Fact: fact})
	}
	return all
}

// decided puts the decision of a rule into a fact's envelope.
func decided(env event.Envelope, rule, outcome, input string) event.Envelope {
	env.Decision = &event.Decision{Rule: rule, Outcome: outcome, Input: json.RawMessage(input)}
	return env
}

// life is a picture that is uploaded, downloaded after a minute, and gone some time after that.
func life(at time.Time, linger time.Duration) (all []event.Envelope) {
	img := id.Image(uuid.NewString())
	down := at.Add(time.Minute)
	return slices.Concat(
		on(image.Stream(img), at, image.Uploaded{SizeClass: image.UpTo1MiB, Due: at.Add(24 * time.Hour)}, image.Processed{Model: "u2net"}),
		on(image.Stream(img), down, image.Downloaded{Whole: true}),
		on(image.Stream(img), down.Add(linger), deletedAt(at, down.Add(linger))),
		on(system.VaultStream(image.Key(img)), down.Add(linger), system.KeyDestroyed{Key: image.Key(img)}))
}

func deletedAt(uploaded, at time.Time) image.Deleted {
	return image.Deleted{Why: image.BecauseDownloaded, Due: uploaded.Add(24 * time.Hour), Actual: at}
}

func read(t testing.TB, db *pgxpool.Pool, now time.Time) promises.State {
	t.Helper()
	s, err := promises.Read(t.Context(), db, now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// said is a figure as a line for each value.
func said(f policy.Figure) (lines []string) {
	for _, v := range f.Values {
		more := ""
		if v.AtLeast {
			more = "+"
		}
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s: %d%s %s", v.Label, v.Number, more, v.Unit)))
	}
	return lines
}

func repeat(n int, of func() []event.Envelope) (all []event.Envelope) {
	for range n {
		all = append(all, of()...)
	}
	return all
}

func reads(purpose, reader string, n int64) policy.DecisionsCounted {
	input := fmt.Sprintf(`{"own":true,"purpose":%q,"reader":%q}`, purpose, reader)
	return policy.DecisionsCounted{Rule: "access.blob", From: noon, Inputs: []policy.CountedInput{{Input: json.RawMessage(input), Count: n}}}
}

func sharing(recipient, purpose string) string {
	return fmt.Sprintf(`{"basis":"contract","category":"account","fields":["x"],"purpose":%q,"recipient":%q}`, purpose, recipient)
}

// nowhere: nobody is named to whom data goes.
var nowhere = promises.Outside{Providers: &promises.Providers{}}

// usage is what everybody is shown, in good order.
var usage = &promises.Usage{Rows: promises.Rows{Oldest: noon.AddDate(0, -11, 0)}, Smallest: 7, Limit: 5}

func TestFigures(t *testing.T) {
	img := image.Stream(id.Image(uuid.NewString()))
	key := image.Key(id.Image(strings.TrimPrefix(string(img), "image/")))
	day := visit.Stream(id.Visit(uuid.NewString()))
	desk := disclosure.Stream(id.Disclosure(uuid.NewString()))
	refusal := func(rule string, n int64, input string) policy.DecisionRefused {
		return policy.DecisionRefused{Rule: rule, Minute: noon, Count: n + 1, More: 1, Inputs: []policy.CountedInput{{Input: json.RawMessage(input), Count: n}}}
	}
	uploaded := image.Uploaded{SizeClass: image.UpTo1MiB, Due: noon.Add(24 * time.Hour)}
	tests := []struct {
		figure, name string
		facts        []event.Envelope
		outside      promises.Outside
		after        time.Duration // noon
		standing     policy.Standing
		then         []string // some of its values
	}{
		{figure: "image.deleted_in_time", name: "nothing yet", standing: policy.NotEstablished, then: []string{"deleted in time, ever: 0 photos"}},
		{
			figure: "image.deleted_in_time", name: "all in time", standing: policy.Kept, after: time.Hour,
			facts: repeat(12, func() []event.Envelope { return life(noon, 0) }),
			then:  []string{"deleted in time, last 30 days: 10+ photos", "deleted late, ever: 0 photos", "the slowest of 30 days, before its deadline: 1439 min"},
		},
		{
			figure: "image.deleted_in_time", name: "one was late", standing: policy.Broken, after: 26 * time.Hour,
			facts: slices.Concat(life(noon, 0), life(noon, 24*time.Hour)),
			then:  []string{"deleted late, last 30 days: 1 photos", "the latest of 30 days, after its deadline: 60 s"},
		},
		{
			figure: "image.deleted_in_time", name: "one was late, long ago", standing: policy.Kept, after: 32 * 24 * time.Hour,
			facts: slices.Concat(life(noon, 24*time.Hour), life(noon.AddDate(0, 0, 31), 0)),
			then:  []string{"deleted late, last 30 days: 0 photos", "deleted late, ever: 1 photos", "deleted in time, ever: 0+ photos"},
		},
		{
			figure: "image.deleted_in_time", name: "one is overdue", standing: policy.Broken, after: 24*time.Hour + 1*time.Second,
			facts: on(img, noon, uploaded), then: []string{"overdue now: 1 photos"},
		},
		{figure: "image.deleted_in_time", name: "due just now", standing: policy.NotEstablished, after: 24 * time.Hour, facts: on(img, noon, uploaded), then: []string{"overdue now: 0 photos"}},
		{
			figure: "image.deleted_in_time", name: "due sooner than was said", standing: policy.Broken, after: 2 * time.Hour,
			facts: on(img, noon, uploaded, image.DeletionDueChanged{Due: noon.Add(time.Hour)}), then: []string{"overdue now: 1 photos"},
		},

		{figure: "image.download_to_deletion", name: "nothing yet", standing: policy.NotEstablished},
		{
			figure: "image.download_to_deletion", name: "at once", standing: policy.Kept, after: time.Hour,
			facts: repeat(6, func() []event.Envelope { return life(noon, 0) }),
			then:  []string{"downloads with their deletion, last 30 days: 5+", "from download to deletion, half of them within: 0 ms", "the slowest of 30 days: 0 ms"},
		},
		{
			figure: "image.download_to_deletion", name: "within the minute", standing: policy.Kept, after: time.Hour,
			facts: slices.Concat(life(noon, 50*time.Millisecond), life(noon, 70*time.Millisecond), life(noon, time.Minute)),
			then:  []string{"from download to deletion, half of them within: 100 ms", "the slowest of 30 days: 60000 ms"},
		},
		{
			figure: "image.download_to_deletion", name: "too long", standing: policy.Broken, after: time.Hour, facts: life(noon, time.Minute+time.Millisecond),
			then: []string{"downloaded and not deleted within a minute, last 30 days: 1 photos", "of these, not deleted yet: 0 photos"},
		},
		{
			figure: "image.download_to_deletion", name: "never", standing: policy.Broken, after: 2 * time.Minute,
			facts: on(img, noon, uploaded, image.Downloaded{Whole: true}), then: []string{"of these, not deleted yet: 1 photos"},
		},
		{figure: "image.download_to_deletion", name: "broken off", standing: policy.NotEstablished, after: time.Hour, facts: on(img, noon, uploaded, image.Downloaded{})},

		{figure: "image.training_permits", name: "nothing yet", standing: policy.Kept, then: []string{"permits for training, ever: 0", "refusals, ever: 0"}},
		{
			figure: "image.training_permits", name: "refused", standing: policy.Kept, then: []string{"refusals, ever: 4"},
			facts: slices.Concat(on("policy/x", noon, refusal("sharing.share", 3, sharing("model_trainer", "introduction"))),
				[]event.Envelope{decided(on(img, noon, uploaded)[0], "sharing.share", "deny", sharing("partner", "training"))}),
		},
		{
			figure: "image.training_permits", name: "permitted", standing: policy.Broken, then: []string{"permits for training, ever: 1"},
			facts: []event.Envelope{decided(on(img, noon, uploaded)[0], "sharing.share", "allow", sharing("partner", "training"))},
		},

		{figure: "image.views", name: "nothing yet", standing: policy.Kept, then: []string{"views by staff, ever: 0"}},
		{figure: "image.views", name: "without a grant", standing: policy.Broken, facts: on("policy/x", noon, reads("support", "support", 1)), then: []string{"views without a grant, ever: 1"}},
		{
			figure: "image.views", name: "with a grant", standing: policy.Kept, then: []string{"views by staff, ever: 1", "views without a grant, ever: 0"},
			facts: slices.Concat([]event.Envelope{decided(on("support/x", noon, event.Unknown{})[0], "access.view", "allow", `{}`)}, on("policy/x", noon, reads("support", "support", 1))),
		},

		{figure: "image.reads_by_purpose", name: "nothing yet", standing: policy.NotEstablished},
		{
			figure: "image.reads_by_purpose", name: "for cutouts", standing: policy.Kept, facts: on("policy/x", noon, reads("cutout", "processor", 11), reads("cutout", "holder", 3)),
			then: []string{"read to make the cutout, last 30 days: 10+ times", "read for whoever holds the photo, last 30 days: 0+ times", "read for anything else, ever: 0 times"},
		},
		{figure: "image.reads_by_purpose", name: "for something else", standing: policy.Broken, facts: on("policy/x", noon, reads("curiosity", "processor", 1)), then: []string{"read for anything else, ever: 1 times"}},
		{figure: "image.reads_by_purpose", name: "for what nobody said", standing: policy.Broken, facts: on("policy/x", noon, reads("", "processor", 1))},
		{figure: "image.reads_by_purpose", name: "cut out without a read", standing: policy.NotEstablished, facts: life(noon, 0)},

		{figure: "image.keys_destroyed", name: "nothing yet", standing: policy.NotEstablished},
		{figure: "image.keys_destroyed", name: "all gone", standing: policy.Kept, facts: repeat(5, func() []event.Envelope { return life(noon, 0) }), then: []string{"deleted with their key, last 30 days: 5 photos", "deleted, and their key not destroyed: 0 photos"}},
		{
			figure: "image.keys_destroyed", name: "a key lives on", standing: policy.Broken, after: 2 * time.Minute,
			facts: on(img, noon, uploaded, deletedAt(noon, noon)), then: []string{"deleted, and their key not destroyed: 1 photos"},
		},
		{
			figure: "image.keys_destroyed", name: "in another order", standing: policy.Kept, after: 2 * time.Minute,
			facts: slices.Concat(on(img, noon, uploaded), on(system.VaultStream(key), noon, system.KeyDestroyed{Key: key}), on(img, noon, deletedAt(noon, noon))),
			then:  []string{"deleted, and their key not destroyed: 0 photos"},
		},
		{
			figure: "image.keys_destroyed", name: "a key came back", standing: policy.AtRisk, after: time.Hour, facts: slices.Concat(life(noon, 0), on("vault/x", noon, system.KeyResurrectionFound{Key: key})),
			then: []string{"keys that came back with a backup and were destroyed again, ever: 1"},
		},

		{figure: "model.passports", name: "nothing yet", standing: policy.NotEstablished},
		{figure: "model.passports", name: "established", standing: policy.Kept, facts: on("model/x", noon, system.ModelLoaded{Model: "a", Established: true}), then: []string{"models in service: 1"}},
		{
			figure: "model.passports", name: "signed for", standing: policy.Kept, after: 3 * time.Hour,
			facts: slices.Concat(on("model/x", noon, system.ModelLoaded{Model: "a", Established: true}), on("attestation/x", noon.Add(time.Hour), system.AttestationMade{Promise: "model.licensed"})),
		},
		{
			figure: "model.passports", name: "loaded after others were signed for", standing: policy.NotEstablished, after: 3 * time.Hour,
			facts: slices.Concat(on("attestation/x", noon, system.AttestationMade{Promise: "model.licensed"}), on("model/x", noon.Add(time.Hour), system.ModelLoaded{Model: "a", Established: true})),
		},
		{figure: "model.passports", name: "not established", standing: policy.NotEstablished, facts: on("model/x", noon, system.ModelLoaded{Model: "a"}), then: []string{"of these, trained on data whose licence nobody established: 1"}},
		{
			figure: "model.passports", name: "another one now", standing: policy.Kept, then: []string{"models in service: 1"}, after: 3 * time.Hour,
			facts: slices.Concat(on("model/x", noon, system.ModelLoaded{Model: "a"}), on("model/y", noon.Add(time.Hour), system.ModelLoaded{Model: "b", Established: true})),
		},
		{
			figure: "model.passports", name: "another one now, and the first still cuts", standing: policy.NotEstablished, then: []string{"models in service: 2"}, after: 3 * time.Hour,
			facts: slices.Concat(on("model/x", noon, system.ModelLoaded{Model: "a"}), on("model/y", noon.Add(time.Hour), system.ModelLoaded{Model: "b", Established: true}), on(img, noon, image.Processed{Model: "a"})),
		},

		{figure: "upload.without_account", name: "nothing yet", standing: policy.NotEstablished},
		{figure: "upload.without_account", name: "anonymous", standing: policy.Kept, facts: repeat(5, func() []event.Envelope { return life(noon, 0) }), then: []string{"uploads without an account, last 30 days: 5 photos", "share without an account: 100 %"}},
		{figure: "upload.without_account", name: "a few", standing: policy.Kept, facts: life(noon, 0), then: []string{"uploads without an account, last 30 days: 0+ photos"}},
		{figure: "upload.without_account", name: "long ago", standing: policy.NotEstablished, facts: life(noon, 0), after: 31 * 24 * time.Hour},

		{figure: "usage.smallest_group", name: "unknown", standing: policy.NotEstablished},
		{figure: "usage.smallest_group", name: "none", standing: policy.Kept, outside: promises.Outside{Usage: &promises.Usage{Limit: 5}}, then: []string{"the smallest that may be shown: 5"}},
		{figure: "usage.smallest_group", name: "large enough", standing: policy.Kept, outside: promises.Outside{Usage: usage}, then: []string{"smallest group shown, last 48 hours: 7"}},
		{figure: "usage.smallest_group", name: "too small", standing: policy.Broken, outside: promises.Outside{Usage: &promises.Usage{Smallest: 4, Limit: 5}}},

		{figure: "usage.oldest_hour", name: "unknown", standing: policy.NotEstablished},
		{figure: "usage.oldest_hour", name: "nothing", standing: policy.Kept, outside: promises.Outside{Usage: &promises.Usage{}}},
		{
			figure: "usage.oldest_hour", name: "young enough", standing: policy.Kept, outside: promises.Outside{Usage: usage}, then: []string{"the oldest is from: 334 days ago", "kept for at most: 365 days", "removals on record, last 30 days: 1"},
			facts: on("retention/x", noon, system.RetentionPurged{Kind: "analytics", Due: noon, Actual: noon, Count: 3}),
		},
		{figure: "usage.oldest_hour", name: "too old", standing: policy.Broken, outside: promises.Outside{Usage: &promises.Usage{Rows: promises.Rows{Oldest: noon.AddDate(-1, 0, 0).Add(-4 * time.Hour)}}}},
		{
			figure: "usage.oldest_hour", name: "late", standing: policy.AtRisk, outside: promises.Outside{Usage: usage},
			facts: on("retention/x", noon, system.RetentionStalled{Kind: "analytics", Due: noon, Waiting: 1}),
		},
		{
			figure: "usage.oldest_hour", name: "late no more", standing: policy.Kept, outside: promises.Outside{Usage: usage},
			facts: on("retention/x", noon, system.RetentionStalled{Kind: "analytics", Due: noon, Waiting: 1}, system.RetentionResumed{Kind: "analytics"}),
		},

		{figure: "tech.uses_by_purpose", name: "nothing yet", standing: policy.Kept},
		{figure: "tech.uses_by_purpose", name: "security", standing: policy.Kept, facts: []event.Envelope{decided(on("staff/x", noon, staff.DataRead{})[0], "access.personal", "allow", `{"category":"technical","purpose":"incident","role":"responder"}`)}, then: []string{"read by staff for security, ever: 1 times"}},
		{figure: "tech.uses_by_purpose", name: "a law", standing: policy.Kept, facts: []event.Envelope{
			decided(on(desk, noon, disclosure.Permitted{})[0], "sharing.disclose", "allow", `{"category":"technical"}`),
			decided(on(desk, noon, disclosure.Made{Count: 1})[0], "sharing.disclose", "allow", `{"category":"technical"}`),
		}, then: []string{"decisions to give it to an authority because a law demands it, ever: 2"}},
		{figure: "tech.uses_by_purpose", name: "something else", standing: policy.Broken, facts: []event.Envelope{decided(on("staff/x", noon, staff.DataRead{})[0], "access.personal", "allow", `{"category":"technical","purpose":"support","role":"support"}`)}, then: []string{"used for anything else, ever: 1 times"}},

		{figure: "tech.oldest_day", name: "nothing yet", standing: policy.Kept},
		{figure: "tech.oldest_day", name: "young enough", standing: policy.Kept, facts: on(day, noon, visit.Began{Day: "2026-03-02"}), after: 90*24*time.Hour + 14*time.Hour, then: []string{"the oldest is from: 91 days ago"}},
		{figure: "tech.oldest_day", name: "too old", standing: policy.Broken, facts: on(day, noon, visit.Began{Day: "2026-03-02"}), after: 92 * 24 * time.Hour},
		{figure: "tech.oldest_day", name: "gone", standing: policy.Kept, facts: append(on(day, noon, visit.Began{Day: "2026-03-02"}), on("vault/x", noon, system.KeyDestroyed{Key: personal.KeyID(day)})...), after: 92 * 24 * time.Hour},

		{figure: "apilog.oldest_day", name: "unknown", standing: policy.NotEstablished},
		{figure: "apilog.oldest_day", name: "young enough", standing: policy.Kept, outside: promises.Outside{Requests: &promises.Rows{Oldest: noon.AddDate(0, 0, -90)}}},
		{figure: "apilog.oldest_day", name: "too old", standing: policy.Broken, outside: promises.Outside{Requests: &promises.Rows{Oldest: noon.AddDate(0, 0, -92)}}},

		{figure: "abuse.held_up", name: "nothing yet", standing: policy.NotEstablished},
		{
			figure: "abuse.held_up", name: "the operator alone, who has no limits", standing: policy.NotEstablished,
			facts: on("policy/x", noon, policy.DecisionsCounted{Rule: "upload.accept", From: noon, Inputs: []policy.CountedInput{{Input: []byte(`{}`), Count: 7}}}),
		},
		{
			figure: "abuse.held_up", name: "nobody too often", standing: policy.Kept, after: time.Hour,
			facts: on("policy/x", noon,
				policy.DecisionsCounted{Rule: "upload.accept", From: noon, Inputs: []policy.CountedInput{{Input: []byte(`{}`), Count: 17}}},
				policy.DecisionsCounted{Rule: "upload.rate", From: noon, Inputs: []policy.CountedInput{{Input: []byte(`{"scope":"visitor"}`), Count: 17}}}),
			then: []string{"uploads let in, last 24 hours: 15+", "uploads refused as too many, last 24 hours: 0"},
		},
		{
			figure: "abuse.held_up", name: "too many", standing: policy.Kept, after: time.Hour,
			facts: slices.Concat(on("policy/x", noon, refusal("upload.rate", 20, `{"scope":"visitor"}`)), on(day, noon, visit.Blocked{Rule: "upload.rate"})),
			then:  []string{"uploads refused as too many, last 24 hours: 20+", "visitors held up, last 24 hours: 0+"},
		},

		{figure: "sharing.never_permits", name: "nothing yet", standing: policy.Kept},
		{figure: "sharing.never_permits", name: "refused", standing: policy.Kept, facts: []event.Envelope{decided(on(desk, noon, disclosure.Refused{})[0], "sharing.share", "deny", sharing("data_broker", "introduction"))}, then: []string{"refusals, ever: 1"}},
		{figure: "sharing.never_permits", name: "sold", standing: policy.Broken, facts: []event.Envelope{decided(on(desk, noon, disclosure.Permitted{})[0], "sharing.share", "allow", sharing("partner", "sale"))}},

		{figure: "sharing.disclosures", name: "nothing yet", standing: policy.Kept},
		{figure: "sharing.disclosures", name: "permitted", standing: policy.Kept, facts: on(desk, noon, disclosure.Requested{}, disclosure.Permitted{}, disclosure.Made{}), then: []string{"requests, ever: 1", "made, ever: 1", "made without a permit, ever: 0"}},
		{
			figure: "sharing.disclosures", name: "not held", standing: policy.Kept,
			facts: on(desk, noon, disclosure.Requested{}, disclosure.Permitted{}, disclosure.Refused{Reasons: []string{disclosure.ReasonNoData}}),
			then:  []string{"refused, ever: 0", "permitted, of what the service does not hold, ever: 1", "made, ever: 0"},
		},
		{figure: "sharing.disclosures", name: "refused, and made", standing: policy.Broken, facts: on(desk, noon, disclosure.Requested{}, disclosure.Refused{}, disclosure.Made{}), then: []string{"refused, ever: 1", "made, ever: 0", "made without a permit, ever: 1"}},
		{figure: "sharing.disclosures", name: "permitted too late", standing: policy.Broken, facts: on(desk, noon, disclosure.Made{}, disclosure.Permitted{})},
		{figure: "sharing.disclosures", name: "one permit, made twice", standing: policy.Broken, facts: on(desk, noon, disclosure.Permitted{}, disclosure.Made{}, disclosure.Made{})},

		{figure: "sharing.processors", name: "unknown", standing: policy.NotEstablished},
		{figure: "sharing.processors", name: "nobody", standing: policy.Kept, outside: nowhere, then: []string{"named as working for the operator: 0"}},
		{figure: "sharing.processors", name: "reviewed", standing: policy.Kept, outside: promises.Outside{Providers: &promises.Providers{Allowed: 2}}, then: []string{"named as working for the operator: 2"}},
		{figure: "sharing.processors", name: "one is overdue", standing: policy.NotEstablished, outside: promises.Outside{Providers: &promises.Providers{Allowed: 2, Overdue: 1}}, then: []string{"of these, with a review that is overdue: 1"}},

		{figure: "transfer.without_safeguard", name: "unknown", standing: policy.NotEstablished},
		{figure: "transfer.without_safeguard", name: "nothing yet", standing: policy.Kept, outside: nowhere, then: []string{"without a safeguard, ever: 0"}},
		{
			figure: "transfer.without_safeguard", name: "under clauses", standing: policy.Kept, outside: promises.Outside{Providers: &promises.Providers{Allowed: 1}},
			then:  []string{"allowed under scc, ever: 1", "providers that data goes to now: 1", "without a safeguard, ever: 0"},
			facts: []event.Envelope{decided(on("transfer/x", noon, system.TransferDecided{From: "DE", To: "US", Safeguard: "scc", Allowed: true})[0], "transfer.move", "allow", `{}`)},
		},
		{figure: "transfer.without_safeguard", name: "denied, and used no more", standing: policy.Kept, outside: nowhere, facts: on("transfer/x", noon, system.TransferDecided{Safeguard: "none"}), then: []string{"denied with none, ever: 1"}},
		{
			figure: "transfer.without_safeguard", name: "denied, and used", standing: policy.Broken, outside: promises.Outside{Providers: &promises.Providers{Allowed: 1, Denied: 1}},
			facts: on("transfer/x", noon, system.TransferDecided{Safeguard: "none"}), then: []string{"of these, denied by the rule: 1"},
		},
		{figure: "transfer.without_safeguard", name: "nobody asked", standing: policy.Broken, outside: nowhere, facts: on("transfer/x", noon, system.TransferDecided{Safeguard: "scc", Allowed: true}), then: []string{"without a safeguard, ever: 1"}},

		{figure: "basis.purposes", name: "unknown", standing: policy.NotEstablished},
		{figure: "basis.purposes", name: "each with its basis", standing: policy.Kept, outside: promises.Outside{Purposes: map[string]int{"contract": 2, "legal_obligation": 1}}, then: []string{"purposes on the basis of contract: 2", "purposes on the basis of legal obligation: 1", "purposes without a basis: 0"}},
		{figure: "basis.purposes", name: "one without", standing: policy.Broken, outside: promises.Outside{Purposes: map[string]int{"contract": 2, "": 1}}},

		{figure: "secure.audits", name: "nothing yet", standing: policy.NotEstablished},
		{
			figure: "secure.audits", name: "audited", standing: policy.Kept, after: time.Hour,
			facts: slices.Concat(on("audit/x", noon, system.AuditCompleted{Whole: true, Tables: 3, Findings: []system.Finding{{Code: "x", Count: 2}}}), on("incident/x", noon, incident.Suspected{Promise: "a.b"})),
			then:  []string{"audits, last 24 hours: 1", "tables compared in the last audit: 3", "things found that should not be, in the last audit: 2", "suspected incidents, last 30 days: 1"},
		},

		{figure: "staff.reads", name: "nothing yet", standing: policy.Kept},
		{figure: "staff.reads", name: "allowed", standing: policy.Kept, facts: []event.Envelope{decided(on("staff/x", noon, staff.DataRead{})[0], "access.personal", "allow", `{}`)}, then: []string{"looks at personal data, ever: 1"}},
		{figure: "staff.reads", name: "nobody asked", standing: policy.Broken, facts: slices.Concat(on("staff/x", noon, staff.SignedIn{}, staff.DataRead{})), then: []string{"sessions of staff, last 30 days: 1", "of these, without a rule's permission: 1"}},
		{figure: "staff.reads", name: "another rule allowed", standing: policy.Broken, facts: []event.Envelope{decided(on("staff/x", noon, staff.DataRead{})[0], "access.act", "allow", `{}`)}},
	}
	db := open(t)
	tried := map[string]bool{}
	for _, tt := range tests {
		t.Run(tt.figure+"/"+tt.name, func(t *testing.T) {
			wipe(t, db)
			apply(t, db, tt.facts...)
			f, ok := read(t, db, noon.Add(tt.after)).Figures(tt.outside)[tt.figure]
			if !ok {
				t.Fatal("there is no such figure")
			}
			got := said(f)
			if f.Standing != tt.standing || f.Why == "" || f.Name != tt.figure {
				t.Errorf("%s is %s because %q, not %s; %q", f.Name, f.Standing, f.Why, tt.standing, got)
			}
			for _, want := range tt.then {
				if !slices.Contains(got, want) {
					t.Errorf("it lacks %q in %q", want, got)
				}
			}
		})
		tried[tt.figure] = true
	}
	for _, name := range promises.Names() {
		if !tried[name] {
			t.Errorf("nothing tries %s", name)
		}
	}
}

var tables = []string{"tally", "total", "picture", "visit", "permit", "newest"}

func wipe(t fataler, db *pgxpool.Pool) {
	t.Helper()
	if _, err := db.Exec(context.Background(), "truncate "+strings.Join(tables, ", ")); err != nil {
		t.Fatal(err)
	}
}

// dump is everything that the view holds.
func dump(t fataler, db *pgxpool.Pool) (rows []string) {
	t.Helper()
	for _, table := range tables {
		found, err := db.Query(context.Background(), fmt.Sprintf(`select '%s ' || r::text from %s r order by 1`, table, table))
		if err != nil {
			t.Fatal(err)
		}
		all, err := pgx.CollectRows(found, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, all...)
	}
	return rows
}

// anyFact draws a fact about one of few things, in any order: also orders that never are.
func anyFact(t *rapid.T, at time.Time, seq int64) event.Envelope {
	thing := rapid.SampledFrom([]string{"00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"}).Draw(t, "thing")
	img, day, desk := id.Image(thing), id.Visit(thing), id.Disclosure(thing)
	due := noon.Add(time.Duration(rapid.IntRange(0, 300).Draw(t, "due")) * time.Minute)
	envelopes := []event.Envelope{
		{Stream: image.Stream(img), Fact: image.Downloaded{Whole: true}},
		{Stream: image.Stream(img), Fact: image.DeletionDueChanged{Due: due}},
		{Stream: image.Stream(img), Fact: image.Deleted{Due: due, Actual: at}},
		{Stream: system.VaultStream(image.Key(img)), Fact: system.KeyDestroyed{Key: image.Key(img)}},
		{Stream: visit.Stream(day), Fact: visit.Began{Day: "2026-03-02"}},
		{Stream: system.VaultStream(visit.Key(day)), Fact: system.KeyDestroyed{Key: visit.Key(day)}},
		{Stream: disclosure.Stream(desk), Fact: disclosure.Permitted{}},
		{Stream: disclosure.Stream(desk), Fact: disclosure.Made{}},
		{Stream: "audit/x", Fact: system.AttestationMade{Promise: thing, Until: due}},
		{Stream: "audit/x", Fact: system.AttestationWithdrawn{Promise: thing}},
		{Stream: "audit/x", Fact: system.AuditCheckFailed{Check: thing, Code: "x"}},
		{Stream: "audit/x", Fact: system.AuditCheckPassed{Check: thing, Promises: []string{"a.b"}}},
		{Stream: "retention/x", Fact: system.RetentionStalled{Kind: thing, Due: due}},
		{Stream: "retention/x", Fact: system.RetentionResumed{Kind: thing}},
		{Stream: "retention/x", Fact: system.RetentionPurged{Kind: thing, Due: due, Actual: at}},
		{Stream: "policy/x", Fact: reads("cutout", "holder", 3)},
		{Stream: "x/x", Fact: event.Unknown{Name: "x.happened.v1"}},
	}
	env := rapid.SampledFrom(envelopes).Draw(t, "fact")
	env.At, env.Seq = at, seq
	return env
}

// However the same facts are cut into batches, the view holds the same rows: also in orders that never are.
func TestRowsDoNotDependOnBatches(t *testing.T) {
	db := open(t)
	rapid.Check(t, func(t *rapid.T) {
		at := noon
		var facts []event.Envelope
		for i, thing := range []string{"00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"} {
			facts = append(facts, event.Envelope{At: at, Seq: int64(i + 1), Stream: image.Stream(id.Image(thing)), Fact: image.Uploaded{Due: noon.Add(time.Hour)}})
		}
		for range rapid.IntRange(1, 30).Draw(t, "facts") {
			at = at.Add(time.Duration(rapid.IntRange(0, 90_000).Draw(t, "after")) * time.Millisecond)
			facts = append(facts, anyFact(t, at, int64(len(facts)+1)))
		}
		wipe(t, db)
		for _, one := range facts {
			apply(t, db, one)
		}
		want := dump(t, db)
		wipe(t, db)
		for rest := facts; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "batch")
			apply(t, db, rest[:n]...)
			rest = rest[n:]
		}
		if got := dump(t, db); !slices.Equal(got, want) {
			t.Fatalf("in batches\n%s\none by one\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// Nothing of a picture or a visitor's day stays once it is gone.
func TestRowsGoWithWhatTheyAreAbout(t *testing.T) {
	db := open(t)
	day := id.Visit(uuid.NewString())
	apply(t, db, life(noon, time.Second)...)
	apply(t, db, on(visit.Stream(day), noon, visit.Began{Day: "2026-03-02"})...)
	apply(t, db, on("vault/x", noon, system.KeyDestroyed{Key: visit.Key(day)})...)
	for _, row := range dump(t, db) {
		if strings.HasPrefix(row, "picture") || strings.HasPrefix(row, "visit") || strings.Contains(row, string(day)) {
			t.Errorf("%s is still there", row)
		}
	}
}

func TestPurge(t *testing.T) {
	db := open(t)
	apply(t, db, life(noon, 0)...)
	tests := []struct {
		after time.Duration
		rows  bool
	}{{0, false}, {31*24*time.Hour + time.Hour - time.Second, false}, {31*24*time.Hour + time.Hour, true}, {100 * 24 * time.Hour, false}}
	for _, tt := range tests {
		err := pgx.BeginFunc(t.Context(), db, func(tx pgx.Tx) error {
			n, err := promises.Purge(t.Context(), tx, noon.Add(tt.after))
			if (n > 0) != tt.rows {
				t.Errorf("%s later: purged %d rows", tt.after, n)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	if got := said(read(t, db, noon.AddDate(1, 0, 0)).Figures(promises.Outside{})["image.deleted_in_time"]); !slices.Contains(got, "deleted in time, ever: 0+ photos") {
		t.Errorf("the total is gone: %q", got)
	}
}
