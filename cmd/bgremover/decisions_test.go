package main

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/opa"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/policy"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/usecase"
	"github.com/bgremover/bgremover/policies"
)

// However different a busy minute's photos and visitors are, the decisions that let them in are few facts, because
// rules are asked in steps.
func TestABusyMinuteIsAHandfulOfFacts(t *testing.T) {
	t.Parallel()
	const uploads, visitors, most = 1000, 100, 8
	rules, err := opa.New(t.Context(), opa.Config{Bundle: policies.Bundle, ImagePeriod: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	now := func() time.Time { return noon }
	vault := fake.NewVault()
	record, requests := fake.NewRecord(vault), 0
	told := &usecase.DecisionLog{Record: record, Now: now, NewRequest: func() id.Request {
		requests++
		return id.Request(fmt.Sprint(requests))
	}}
	gate := fake.NewGate(rules, told, record, vault, now)
	random := rand.New(rand.NewPCG(1, 2)) // the same photos each time
	taken := 0
	for range uploads {
		network := netip.AddrFrom4([4]byte{198, 51, byte(random.IntN(visitors / 2)), byte(1 + random.IntN(2))})
		photo := usecase.Load{
			Type:   []string{"gif", "jpeg", "png", "webp"}[random.IntN(4)],
			Bytes:  1 + random.Int64N(25<<20),
			Pixels: 1 + random.Int64N(50_000_000),
		}
		if random.IntN(10) > 0 { // most photos come from cameras of a few kinds
			photo.Type, photo.Pixels = "jpeg", []int64{2_073_600, 8_000_000, 12_192_768, 24_000_000, 48_000_000}[random.IntN(5)]
			photo.Bytes = 1 + random.Int64N(photo.Pixels/3)
		}
		if admitted, err := gate.Enter(t.Context(), usecase.NewClient(network, "curl"), photo); err == nil {
			admitted.Use()
			taken++
		}
	}
	if err := told.Flush(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	allowed, facts, questions := map[string]int64{}, 0, 0
	for _, env := range record.All() {
		if f, is := env.Fact.(policy.DecisionsCounted); is {
			facts++
			questions += len(f.Inputs)
			for _, in := range f.Inputs {
				allowed[f.Rule] += in.Count
			}
		}
	}
	t.Logf("%d of %d uploads were taken in: %d facts, %d different questions", taken, uploads, facts, questions)
	if taken < uploads/2 || facts == 0 || facts > most {
		t.Errorf("%d uploads make %d facts, and %d are the most", taken, facts, most)
	}
	if n := int64(taken); allowed["upload.accept"] != n || allowed["upload.rate"] != 2*n {
		t.Errorf("%d uploads were taken in, and the record counts %v", n, allowed)
	}
}
