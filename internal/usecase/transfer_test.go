package usecase_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/opa"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/policies"
)

// Data goes to another region only under a safeguard, encrypted, and that is in the record once for
// each change of what was asked.
func TestTransfersAreDecidedAndRecorded(t *testing.T) {
	rules, err := opa.New(t.Context(), opa.Config{Bundle: policies.Bundle, ImagePeriod: 24 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	record := fake.NewRecord(nil)
	declare := usecase.DeclareTransfer{Record: record, Now: func() time.Time { return noon }}
	ask := func(change func(*usecase.TransferQuestion)) (string, int) {
		t.Helper()
		q := usecase.TransferQuestion{
			Recipient: "hosting", From: "DE", To: "US", Safeguard: "scc", Expires: noon.AddDate(1, 0, 0), Assessed: true, Encrypted: true, Now: noon,
		}
		change(&q)
		a, err := rules.Move(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if err := declare.Do(t.Context(), q, a, 1); err != nil {
			t.Fatal(err)
		}
		facts, err := record.Load(t.Context(), system.TransferStream(q.From, q.To))
		if err != nil {
			t.Fatal(err)
		}
		last := facts[len(facts)-1]
		if last.Fact.(system.TransferDecided).Allowed != a.Allow || last.Decision == nil || last.Decision.Rule != "transfer.move" {
			t.Errorf("recorded as %+v", last)
		}
		return fmt.Sprint(a.Allow, a.RefusedBy), len(facts)
	}
	for _, step := range []struct {
		name   string
		change func(*usecase.TransferQuestion)
		then   string
		facts  int
	}{
		{"with a safeguard", func(*usecase.TransferQuestion) {}, "true []", 1},
		{"the same at the next start", func(q *usecase.TransferQuestion) { q.Now = noon.Add(time.Hour) }, "true []", 1},
		{"without a safeguard", func(q *usecase.TransferQuestion) { q.Safeguard = "none" }, "false [safeguard]", 2},
		{"in clear", func(q *usecase.TransferQuestion) { q.Encrypted = false }, "false [encryption]", 3},
		{"not assessed", func(q *usecase.TransferQuestion) { q.Assessed = false }, "false [assessment]", 4},
		{"a safeguard that has ended", func(q *usecase.TransferQuestion) { q.Expires = noon }, "false [expired]", 5},
		{"another recipient", func(q *usecase.TransferQuestion) { q.Recipient = "mail" }, "true []", 6},
		{"as at first", func(*usecase.TransferQuestion) {}, "true []", 7},
		{"to where no rule reaches", func(q *usecase.TransferQuestion) { q.To = "XX" }, "false [undecided]", 1},
		{"within the Union", func(q *usecase.TransferQuestion) { q.To, q.Safeguard = "FR", "none" }, "true []", 1},
	} {
		if got, facts := ask(step.change); got != step.then || facts != step.facts {
			t.Errorf("%s: %s, %d facts; want %s, %d", step.name, got, facts, step.then, step.facts)
		}
	}
	streams := map[string]bool{}
	for _, env := range record.All() {
		streams[string(env.Stream)] = true
	}
	if len(streams) != 3 {
		t.Errorf("%d pairs", len(streams))
	}
}

// Two providers of one category in one country are asked about in turn, and neither is news to the other.
func TestTransfersToProvidersAlikeAreRecordedOnce(t *testing.T) {
	record := fake.NewRecord(nil)
	declare := usecase.DeclareTransfer{Record: record, Now: func() time.Time { return noon }}
	hourly := func(safeguards ...string) int {
		t.Helper()
		for range 3 {
			for _, safeguard := range safeguards {
				q := usecase.TransferQuestion{Recipient: "hosting", From: "DE", To: "US", Safeguard: safeguard}
				a := usecase.TransferAnswer{Allow: true, Decision: event.Decision{Rule: "transfer.move", Input: json.RawMessage(`{"safeguard":"` + safeguard + `"}`)}}
				if err := declare.Do(t.Context(), q, a, len(safeguards)); err != nil {
					t.Fatal(err)
				}
			}
		}
		return len(record.All())
	}
	for _, step := range []struct {
		safeguards []string
		facts      int
	}{
		{[]string{"scc", "bcr"}, 2},
		{[]string{"bcr", "scc"}, 2},
		{[]string{"scc", "scc"}, 2},
		{[]string{"bcr"}, 2},
		{[]string{"scc"}, 3},
		{[]string{"bcr"}, 4},
	} {
		if got := hourly(step.safeguards...); got != step.facts {
			t.Errorf("%v: %d facts, want %d", step.safeguards, got, step.facts)
		}
	}
}
