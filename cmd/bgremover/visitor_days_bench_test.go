package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/bgremover/bgremover/adapters/opa"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/visit"
	"github.com/bgremover/bgremover/internal/clock"
	"github.com/bgremover/bgremover/internal/config"
	"github.com/bgremover/bgremover/internal/projector"
	"github.com/bgremover/bgremover/policies"
)

var visitsOpened = flag.Int("visits.opened", 20_000, "how many visits BenchmarkVisitorDays opens")

// BenchmarkVisitorDays opens the visits of one day, as an export for a network address does: each has a key of its own, which is
// read from PostgreSQL and unwrapped.
func BenchmarkVisitorDays(b *testing.B) {
	days, stop := daysOf(b, *visitsOpened)
	defer stop()
	for b.Loop() {
		began := time.Now()
		n, err := days.Count(b.Context(), "2026-03-02", "2026-03-02")
		if err != nil || n != int64(*visitsOpened) {
			b.Fatal(n, err)
		}
		counted := time.Since(began)
		opened := 0
		if err := days.Began(b.Context(), "2026-03-02", "2026-03-02", func(v visit.Began) error {
			if !v.Address.IsEmpty() {
				opened++
			}
			return nil
		}); err != nil || opened != *visitsOpened {
			b.Fatal(opened, err)
		}
		b.ReportMetric(float64(opened)/(time.Since(began)-counted).Seconds(), "visits/s")
		b.ReportMetric(float64(counted.Microseconds())/1000, "count-ms")
	}
	b.ReportMetric(0, "ns/op")
}

// daysOf makes the visits of a day in the record of a data folder of its own, and returns what finds them.
func daysOf(b *testing.B, visits int) (days visitorDays, stop func()) {
	b.Helper()
	data, log := dataFolder(b), slog.New(slog.DiscardHandler)
	s := &service{log: log, cfg: config.Serve{Ground: config.Ground{Folder: config.Folder{Data: data}}, Heads: config.Heads{Every: time.Minute}}}
	do := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	var err error
	s.clock, err = clock.Open(filepath.Join(data, "clock-offset"), nil)
	do(err)
	s.ground, err = openGround(b.Context(), s.cfg.Ground, log)
	do(err)
	do(s.makeTables(b.Context()))
	s.policy, err = opa.New(b.Context(), opa.Config{Bundle: policies.Bundle, ImagePeriod: 24 * time.Hour})
	do(err)
	s.vault, err = openVault(b.Context(), s.ground, data, s.policy, time.Now)
	do(err)
	do(s.openLedger(b.Context()))
	s.views, err = projector.New(projector.Config{DB: s.ground.pool, Record: readRecord(s.ground.kafka, log), Decode: sealedCodec().Decode, Log: log}, views()...)
	do(err)
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 2)
	go func() { ended <- s.ledger.Run(ctx) }()
	go func() { ended <- s.sequencer.Run(ctx) }()
	shown := make(chan struct{})
	go func() { defer close(shown); s.views.Run(ctx) }()
	for begun := 0; begun < visits; begun += 500 {
		do(appendVisits(ctx, s, begun, min(500, visits-begun)))
	}
	return s.visitorDays(), func() {
		cancel()
		<-shown
		if err := errors.Join(<-ended, <-ended, s.close(), s.ground.close()); err != nil {
			b.Error(err)
		}
	}
}

func appendVisits(ctx context.Context, s *service, from, n int) error {
	a := event.Append{At: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC), Actor: event.Actor{Role: event.Visitor}}
	for i := from; i < from+n; i++ {
		v := id.Visit(newID())
		key, err := s.vault.New(visit.Key(v))
		if err != nil {
			return err
		}
		a.Make = append(a.Make, key)
		a.Parts = append(a.Parts, event.Part{Stream: visit.Stream(v), Facts: []event.Pending{{Fact: visit.Began{
			Day: "2026-03-02", Address: personal.Of(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)), Agent: personal.Of("Firefox"), At: personal.Of("2026-03-02T12:00:00Z"),
		}}}})
	}
	_, err := s.ledger.Append(ctx, a)
	return err
}
