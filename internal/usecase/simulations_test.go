package usecase_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/usecase"
)

func TestSimulationsAreKnownByTheirReports(t *testing.T) {
	record := fake.NewRecord(nil)
	_, err := record.Append(t.Context(), event.Append{Parts: []event.Part{{
		Stream: policy.BundleStream("5"), Facts: []event.Pending{{Fact: policy.BundleStored{Revision: 5, Digest: "bundle"}}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	s := usecase.SimulationReports{Record: record, Now: newWorld().now}
	for _, fact := range []policy.Simulated{
		{Revision: 5, Digest: "bundle", Report: "whole", From: 1, To: 9},
		{Revision: 5, Digest: "bundle", Report: "whole", From: 1, To: 9}, // said again
		{Revision: 5, Digest: "bundle", Report: "the end", From: 5, To: 9},
		{Revision: 5, Digest: "another", Report: "of another", From: 1, To: 9},
		{Revision: 6, Digest: "bundle", Report: "not stored", From: 1, To: 9},
	} {
		if err := s.Keep(t.Context(), fact, event.Operator); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(record.All()); n != 5 {
		t.Errorf("%d facts", n)
	}
	for name, tt := range map[string]struct {
		digest   string
		revision int64
		known    bool
	}{
		"that report":               {"whole", 5, true},
		"no report":                 {"never", 5, false},
		"a part of the record":      {"the end", 5, false},
		"a bundle that is not this": {"of another", 5, false},
		"another revision":          {"whole", 6, false},
		"a bundle that is nowhere":  {"not stored", 6, false},
	} {
		known, err := s.Known(t.Context(), tt.digest, tt.revision)
		if known != tt.known || err != nil {
			t.Errorf("%s: %v, %v", name, known, err)
		}
	}
	away := errors.New("away")
	record.Refuse = func(event.Append) error { return away }
	if err := s.Keep(t.Context(), policy.Simulated{Revision: 7, Report: strings.Repeat("a", 64)}, event.Operator); !errors.Is(err, away) {
		t.Errorf("got %v", err)
	}
}
