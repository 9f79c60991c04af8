package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/merkle"
)

// rotationPoll is how often whoever rotates looks whether the rotation is public.
const rotationPoll = 50 * time.Millisecond

// RotateLogKey goes over to a new key, and returns its verifier once the rotation is public
// and a fact of the record. When it is interrupted, [Ledger.RecordRotations] does the rest.
func (l *Ledger) RotateLogKey(ctx context.Context, keys *LogKeys, at time.Time) (verifier string, err error) {
	ctx, cancel := l.patient(ctx)
	defer cancel()
	if err := keys.Rotate(ctx, at); err != nil {
		return "", err
	}
	all, err := readKeys(ctx, l.pool) // one that was rotated to before may not be public yet, either
	if err != nil {
		return "", err
	}
	tick := time.NewTicker(rotationPoll)
	defer tick.Stop()
	for {
		now, _, err := l.publicKeys(ctx)
		if err != nil {
			return "", err
		}
		if len(now.Verifiers()) >= len(all.Verifiers()) {
			return all.Newest(), l.RecordRotations(ctx, at)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return "", l.unavailable(errors.New("ledger: the key is rotated, and becomes public as soon as Kafka has it"))
		}
	}
}

func (l *Ledger) publicKeys(ctx context.Context) (merkle.Keys, [][]byte, error) {
	first, rotations, err := NewTree(l.pool).Keys(ctx)
	if err != nil {
		return merkle.Keys{}, nil, err
	}
	keys, err := merkle.FollowKeys(first, rotations)
	return keys, rotations, err
}

// RecordRotations adds the facts of public rotations of the log's key that have none yet.
func (l *Ledger) RecordRotations(ctx context.Context, at time.Time) error {
	keys, rotations, err := l.publicKeys(ctx)
	if errors.Is(err, ErrNoCheckpoint) || err == nil && len(rotations) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	stream := system.LogStream(keys.Verifiers()[0])
	recorded, err := l.Load(ctx, stream)
	if err != nil {
		return err
	}
	for i := len(recorded); i < len(rotations); i++ {
		r, err := merkle.OpenRotation(rotations[i], keys.Verifiers()[i])
		if err != nil {
			return fmt.Errorf("ledger: record a rotation: %w", err)
		}
		_, err = l.Append(ctx, event.Append{
			At: at, Actor: event.Actor{Role: event.Operator},
			Parts: []event.Part{{Stream: stream, Expected: int64(i), Facts: []event.Pending{{
				Fact: system.LogKeyRotated{Old: verifierHash(keys.Verifiers()[i]), New: verifierHash(r.Verifier), From: r.From},
			}}}},
		})
		if errors.Is(err, event.ErrConflict) {
			return nil // another process records them
		}
		if err != nil {
			return fmt.Errorf("ledger: record a rotation: %w", err)
		}
	}
	return nil
}

func verifierHash(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return hex.EncodeToString(sum[:])
}
