package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/bgremover/bgremover/adapters/kafka"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/projector"
	"github.com/bgremover/bgremover/projections/abuse"
	"github.com/bgremover/bgremover/projections/analytics"
	"github.com/bgremover/bgremover/projections/custody"
	"github.com/bgremover/bgremover/projections/disclosures"
	"github.com/bgremover/bgremover/projections/images"
	"github.com/bgremover/bgremover/projections/promises"
	"github.com/bgremover/bgremover/projections/schedule"
	"github.com/bgremover/bgremover/projections/trail"
)

// views lists everything that pages, API and housekeeping read.
func views() []projector.View {
	return []projector.View{
		{Name: images.Name, Schema: images.Schema, Apply: images.Apply, Purge: purged("capability", images.Purge)},
		{Name: analytics.Name, Schema: analytics.Schema, Apply: analytics.Apply, Purge: purged("analytics", analytics.Purge)},
		{Name: schedule.Name, Schema: schedule.Schema, Apply: schedule.Apply},
		{Name: abuse.Name, Schema: abuse.Schema, Apply: abuse.Apply, Purge: purged("api_log", abuse.Purge)},
		{Name: disclosures.Name, Schema: disclosures.Schema, Apply: disclosures.Apply},
		{Name: trail.Name, Schema: trail.Schema, Apply: trail.Apply},
		{Name: custody.Name, Schema: custody.Schema, Apply: custody.Apply},
		{Name: promises.Name, Schema: promises.Schema, Apply: promises.Apply, Purge: promises.Purge},
	}
}

// readRecord gives every view a reader of its own: a source serves one call at a time.
func readRecord(broker kafka.Config, log *slog.Logger) projector.Record {
	return func(after projector.Checkpoint) projector.Reading {
		source := kafka.NewSource(broker)
		position := ledger.Position{Seq: after.Seq, Offset: after.Offset}
		return reading{ledger.NewReader(source, position, ledger.ReaderOptions{Log: log}), source}
	}
}

// reading is a reader and the connection that is its own.
type reading struct {
	reader *ledger.Reader
	source *kafka.Source
}

// Next implements projector.Reading.
func (r reading) Next(ctx context.Context) ([]projector.Entry, error) {
	found, err := r.reader.Next(ctx)
	if errors.Is(err, ledger.ErrLost) || errors.Is(err, ledger.ErrGap) {
		return nil, fmt.Errorf("%w: %w", projector.ErrLost, err)
	}
	if err != nil {
		return nil, err
	}
	entries := make([]projector.Entry, len(found))
	for i, e := range found {
		entries[i] = projector.Entry(e)
	}
	return entries, nil
}

// Close implements projector.Reading.
func (r reading) Close() error { return r.source.Close() }

// errEnough ends the reading of a record that is not to be followed.
var errEnough = errors.New("read up to the end")

// show reads the record for the operator: from a seq on, up to what is published now or for ever.
func (s *service) show(ctx context.Context, from int64, follow bool, each func(event.Envelope) error) error {
	through, err := s.ledger.Published(ctx)
	if err != nil || (!follow && through < from) {
		return err
	}
	source := kafka.NewSource(s.ground.kafka)
	err = showFrom(ctx, source, from, sealedCodec().Decode, func(env event.Envelope) error {
		if err := each(env); err != nil {
			return err
		}
		if !follow && env.Seq >= through {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return errors.Join(err, source.Close())
}

// decoding is how facts are read: [ledger.Codec.Decode] of a codec with keys, or without.
type decoding func(ctx context.Context, seq int64, body []byte) (event.Envelope, error)

func showFrom(ctx context.Context, source ledger.Source, from int64, decode decoding, each func(event.Envelope) error) error {
	reader := ledger.NewReader(source, ledger.Position{Seq: from - 1}, ledger.ReaderOptions{})
	for {
		entries, err := reader.Next(ctx)
		if err != nil {
			return err
		}
		for _, e := range entries {
			env, err := decode(ctx, e.Seq, e.Body)
			if err != nil {
				return err
			}
			if err := each(env); err != nil {
				return err
			}
		}
	}
}
