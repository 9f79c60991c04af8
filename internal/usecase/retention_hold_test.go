package usecase_test

import (
	"context"
	"errors"
	"testing"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/usecase"
)

// holders says which role does what about holds.
type holders struct{ may map[string]event.Role }

func (h holders) Act(_ context.Context, action, role string, named, second bool) (bool, event.Decision, error) {
	d := event.Decision{Rule: "access.act", Promises: []string{"staff.least"}, Revision: 4, Outcome: "allow", Input: []byte(`{}`)}
	return named && second && string(h.may[action]) == role, d, nil
}

func newHoldDesk() (usecase.HoldDesk, *fake.Record) {
	vault := fake.NewVault()
	record := fake.NewRecord(vault)
	return usecase.HoldDesk{
		Record: record, Vault: vault, Rules: fake.Limits{Stops: map[string]bool{"technical": true}},
		Acts: holders{map[string]event.Role{"place_hold": event.Officer, "release_hold": event.DPO}},
		Now:  newWorld().now, NewHold: func() string { return "01900000-0000-7000-8000-00000000000a" },
	}, record
}

func TestHoldIsPlacedAndReleasedByTwo(t *testing.T) {
	grace := usecase.Officer{Name: personal.Of("Grace Hopper"), Role: event.Officer}
	ada := usecase.Officer{Name: personal.Of("Ada Lovelace"), Role: event.Officer}
	joan := usecase.Officer{Name: personal.Of("Joan Clarke"), Role: event.DPO}
	desk, record := newHoldDesk()
	ctx := t.Context()
	hold, err := desk.Propose(ctx, grace, "technical", []string{"address"}, "order 7")
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name string
		do   func() error
		then error
	}{
		{"placed by whoever proposed it", func() error { return desk.Place(ctx, grace, hold) }, system.ErrHoldSamePerson},
		{"placed by somebody of another role", func() error { return desk.Place(ctx, joan, hold) }, usecase.ErrNotYourHold},
		{"placed by nobody known", func() error { return desk.Place(ctx, usecase.Officer{Role: event.Officer}, hold) }, usecase.ErrNotYourHold},
		{"another hold", func() error { return desk.Place(ctx, ada, "01900000-0000-7000-8000-00000000000b") }, system.ErrNoHold},
		{"placed", func() error { return desk.Place(ctx, ada, hold) }, nil},
		{"released at once", func() error { return desk.Release(ctx, joan, hold) }, system.ErrHoldState},
		{"release proposed", func() error { return desk.ProposeRelease(ctx, grace, hold, "lifted") }, nil},
		{"released by an officer", func() error { return desk.Release(ctx, ada, hold) }, usecase.ErrNotYourHold},
		{"released", func() error { return desk.Release(ctx, joan, hold) }, nil},
		{"released twice", func() error { return desk.Release(ctx, joan, hold) }, system.ErrHoldState},
	} {
		if err := step.do(); !errors.Is(err, step.then) {
			t.Errorf("%s: %v, want %v", step.name, err, step.then)
		}
	}
	var names []event.Name
	for _, env := range record.All() {
		names = append(names, env.Fact.EventName())
		if env.Decision == nil || env.Actor.Who.IsEmpty() || env.Stream != system.HoldStream(hold) {
			t.Errorf("recorded %+v", env)
		}
	}
	if len(names) != 4 || names[1] != "retention.hold_placed.v1" || names[3] != "retention.hold_released.v1" {
		t.Errorf("recorded %v", names)
	}
}

// No hold ever lengthens the life of a photo, whoever asks.
func TestNoHoldForPhotos(t *testing.T) {
	desk, record := newHoldDesk()
	grace := usecase.Officer{Name: personal.Of("Grace Hopper"), Role: event.Officer}
	if _, err := desk.Propose(t.Context(), grace, "image", []string{"pixels"}, "order 7"); !errors.Is(err, usecase.ErrNeverHeld) {
		t.Errorf("got %v", err)
	}
	if _, err := desk.Propose(t.Context(), usecase.Officer{Name: grace.Name, Role: event.Responder}, "technical", []string{"address"}, "order 7"); !errors.Is(err, usecase.ErrNotYourHold) {
		t.Errorf("got %v", err)
	}
	if _, err := desk.Propose(t.Context(), grace, "technical", nil, "order 7"); !errors.Is(err, system.ErrHoldFields) {
		t.Errorf("got %v", err)
	}
	if n := len(record.All()); n > 0 {
		t.Errorf("%d facts followed", n)
	}
}
