package usecase_test

import (
	"errors"
	"testing"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/usecase"
)

// stoppedAt are views by the facts that they are stopped at.
type stoppedAt map[string]int64

func (s stoppedAt) StoppedAt(view string) (int64, bool) {
	seq, known := s[view]
	return seq, known
}

func TestSkipFact(t *testing.T) {
	vault := fake.NewVault()
	record := fake.NewRecord(vault)
	at := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	skip := usecase.SkipFact{Record: record, Vault: vault, Views: stoppedAt{"images": 0, "trail": 7}, Now: func() time.Time { return at }}
	steps := []struct {
		name string
		cmd  usecase.SkipCommand
		then error
		fact event.Name
	}{
		{"no such view", usecase.SkipCommand{View: "trial", Seq: 7, Reason: "broken"}, usecase.ErrNoView, ""},
		{"a view that goes on", usecase.SkipCommand{View: "images", Seq: 7, Reason: "broken"}, system.ErrNotStopped, ""},
		{"another fact", usecase.SkipCommand{View: "trail", Seq: 8, Reason: "broken"}, system.ErrNotStopped, ""},
		{"nothing to withdraw", usecase.SkipCommand{View: "trail", Seq: 7, Reason: "mended", Withdraw: true}, system.ErrNotSkipped, ""},
		{"no reason", usecase.SkipCommand{View: "trail", Seq: 7}, system.ErrNoReason, ""},
		{"the fact", usecase.SkipCommand{View: "trail", Seq: 7, Reason: "broken", Who: personal.Of("root")}, nil, "projection.skipped.v1"},
		{"once more", usecase.SkipCommand{View: "trail", Seq: 7, Reason: "broken", Who: personal.Of("root")}, system.ErrSkippedBefore, ""},
		{"withdrawn", usecase.SkipCommand{View: "trail", Seq: 7, Reason: "mended", Who: personal.Of("root"), Withdraw: true}, nil, "projection.skip_withdrawn.v1"},
		{"skipped again", usecase.SkipCommand{View: "trail", Seq: 7, Reason: "still broken", Who: personal.Of("root")}, nil, "projection.skipped.v1"},
	}
	for _, step := range steps {
		before := len(record.All())
		if err := skip.Do(t.Context(), step.cmd); !errors.Is(err, step.then) {
			t.Fatalf("%s: got %v, want %v", step.name, err, step.then)
		}
		added := record.All()[before:]
		if step.then != nil {
			if len(added) > 0 {
				t.Errorf("%s: recorded %+v", step.name, added)
			}
			continue
		}
		if len(added) != 1 || added[0].Fact.EventName() != step.fact || added[0].Stream != system.ProjectionStream("trail", 7) || !added[0].At.Equal(at) {
			t.Fatalf("%s: recorded %+v", step.name, added)
		}
		if actor := added[0].Actor; actor.Role != event.Operator || actor.Who != personal.Of("root") {
			t.Errorf("%s: by %+v", step.name, actor)
		}
	}
	if _, err := vault.Key(t.Context(), system.ProjectionKey("trail", 7)); err != nil {
		t.Errorf("the key that seals who and why: %v", err)
	}
	record.Refuse = func(event.Append) error { return event.ErrConflict }
	err := skip.Do(t.Context(), usecase.SkipCommand{View: "trail", Seq: 7, Reason: "mended", Withdraw: true})
	if !errors.Is(err, event.ErrConflict) {
		t.Errorf("with somebody else at the same: %v", err)
	}
}

func TestCertifyView(t *testing.T) {
	record := fake.NewRecord(fake.NewVault())
	certify := usecase.CertifyView{Record: record, Now: time.Now}
	conflicts := 1
	record.Refuse = func(event.Append) error {
		if conflicts--; conflicts >= 0 {
			return event.ErrConflict
		}
		return nil
	}
	for range 2 {
		if err := certify.Do(t.Context(), system.ProjectionCertified{View: "images", Seq: 9, Digest: "00"}); err != nil {
			t.Fatal(err)
		}
	}
	all := record.All()
	if len(all) != 2 || all[1].Version != 2 || all[1].Stream != system.ProjectionStream("images", 0) || !all[1].Actor.Who.IsEmpty() {
		t.Errorf("recorded %+v", all)
	}
	conflicts = 1000
	if err := certify.Do(t.Context(), system.ProjectionCertified{View: "images"}); !errors.Is(err, event.ErrConflict) {
		t.Errorf("with somebody else always first: %v", err)
	}
}
