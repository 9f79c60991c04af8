package main

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/adapters/opa"
	"github.com/bgremover/bgremover/internal/clock"
	"github.com/bgremover/bgremover/internal/config"
	"github.com/bgremover/bgremover/internal/ledger/ledgertest"
	"github.com/bgremover/bgremover/policies"
)

var recordFacts = flag.Int("record.facts", 1_000_000, "how many facts the record of BenchmarkLargeRecord has")

// A record of a million facts: how long it takes to be ready with it, what memory that
// needs, also after a kill, and what rebuilding and verifying all of it takes.
func BenchmarkLargeRecord(b *testing.B) {
	data := dataFolder(b)
	facts := float64(*recordFacts / ledgertest.FactsPerPicture * ledgertest.FactsPerPicture)
	for b.Loop() {
		filled := timed(b, func() error { return fillRecord(b, data, *recordFacts/ledgertest.FactsPerPicture) })
		b.ReportMetric(facts/filled.Seconds(), "fill-facts/s")
	}

	// The first start compares the vault with all of the record, and builds the views from nothing.
	began := time.Now()
	s := serve(b, data)
	b.ReportMetric(time.Since(began).Seconds(), "first-start-s")
	for !viewsHave(b, data, int64(facts)) {
		<-time.After(time.Second)
	}
	b.ReportMetric(facts/time.Since(began).Seconds(), "first-views-facts/s")
	s.stop()

	for _, kind := range []string{"start", "start-after-kill"} {
		began := time.Now()
		s := serve(b, data)
		if res := s.ask(http.MethodGet, "/readyz", ""); res.code != http.StatusOK {
			b.Fatal(res)
		}
		b.ReportMetric(time.Since(began).Seconds(), kind+"-s")
		b.ReportMetric(s.residentMiB(b), kind+"-MiB")
		if kind == "start" {
			s.kill()
			continue
		}
		checked := timed(b, func() error { b.Log(says(b, 0, "identical", "rebuild", "--check", "--data", data)); return nil })
		b.ReportMetric(facts/checked.Seconds(), "rebuild-check-facts/s")
		verified := timed(b, func() error { b.Log(says(b, 0, "", "log", "verify", "--data", data)); return nil })
		b.ReportMetric(facts/verified.Seconds(), "verify-facts/s")
		s.stop()
	}
	b.ReportMetric(0, "ns/op")
}

// fillRecord fills the record of a data folder that no service runs on.
func fillRecord(b *testing.B, data string, pictures int) (err error) {
	s := &service{log: slog.New(slog.DiscardHandler), cfg: config.Serve{
		Ground: config.Ground{Folder: config.Folder{Data: data}}, Heads: config.Heads{Every: time.Minute},
	}}
	if s.clock, err = clock.Open(filepath.Join(data, "clock-offset"), nil); err != nil {
		return err
	}
	if s.ground, err = openGround(b.Context(), s.cfg.Ground, s.log); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(), s.ground.close()) }()
	if err := s.makeTables(b.Context()); err != nil {
		return err
	}
	policy, err := opa.New(b.Context(), opa.Config{Bundle: policies.Bundle, ImagePeriod: 24 * time.Hour})
	if err != nil {
		return err
	}
	if s.vault, err = openVault(b.Context(), s.ground, data, policy, time.Now); err != nil {
		return err
	}
	all, err := pgxpool.New(b.Context(), s.ground.access.DSN) // the superuser, who may copy into the vault
	if err != nil {
		return err
	}
	defer all.Close()
	until := time.Now().Add(-time.Hour)
	if err := ledgertest.Queue(b.Context(), all, s.vault.New, pictures, until.AddDate(0, 0, -20), until); err != nil {
		return err
	}
	if err := s.openLedger(b.Context()); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error, 2)
	go func() { ended <- s.ledger.Run(ctx) }()
	go func() { ended <- s.sequencer.Run(ctx) }()
	want := int64(pictures * ledgertest.FactsPerPicture)
	published, err := s.ledger.Published(ctx)
	for ; err == nil && published < want; published, err = s.ledger.Published(ctx) {
		<-time.After(100 * time.Millisecond)
	}
	stop()
	return errors.Join(err, <-ended, <-ended)
}

// viewsHave says whether every view has come so far.
func viewsHave(b *testing.B, data string, seq int64) bool {
	b.Helper()
	open, err := openTools(b.Context(), config.Ground{Folder: config.Folder{Data: data}}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := open.close(); err != nil {
			b.Error(err)
		}
	}()
	var least int64
	err = open.pool.QueryRow(b.Context(), "select least((select seq from images.checkpoint), (select seq from analytics.checkpoint))").Scan(&least)
	if err != nil {
		b.Fatal(err)
	}
	return least >= seq
}
