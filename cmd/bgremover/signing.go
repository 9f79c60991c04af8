package main

import (
	"context"
	"fmt"

	"github.com/bgremover/bgremover/adapters/kafka"
	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/adapters/witness"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/merkle"
)

// openSigning opens what the record's heads are signed with, and for whom. The key is made
// with the first start.
func (s *service) openSigning(ctx context.Context) (*ledger.Signing, error) {
	var witnesses []ledger.Witness
	for _, address := range s.cfg.Heads.Witnesses {
		w, err := witness.Parse(address)
		if err != nil {
			return nil, fmt.Errorf("--witness: %w", err)
		}
		witnesses = append(witnesses, w)
	}
	var err error
	if s.logKeys, err = ledger.OpenLogKeys(ctx, s.ground.pool, s.vault, s.cfg.Heads.Origin); err != nil {
		return nil, err
	}
	s.tree = ledger.NewTree(s.ground.pool)
	topic := kafka.NewSourceOf(s.ground.kafka, ledger.TopicCheckpoints)
	s.onClose(topic.Close)
	return &ledger.Signing{
		Keys: s.logKeys, Topic: topic, Every: s.cfg.Heads.Every, Witnesses: witnesses, Now: s.clock.Now,
	}, nil
}

// heads is what the operator's socket answers about the key that signs.
func (s *service) heads() operator.Heads {
	return operator.Heads{
		Keys: func(ctx context.Context) ([]string, error) {
			first, rotations, err := s.tree.Keys(ctx)
			if err != nil {
				return nil, err
			}
			return merkle.Verifiers(first, rotations)
		},
		Rotate: func(ctx context.Context) (string, error) { return s.ledger.RotateLogKey(ctx, s.logKeys, s.clock.Now()) },
	}
}

// recordRotations adds the facts of rotations that were interrupted.
func (s *service) recordRotations(ctx context.Context) error {
	return s.ledger.RecordRotations(ctx, s.clock.Now())
}
