package main

import (
	"context"
	"strings"
	"time"

	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/internal/cutout"
	"github.com/bgremover/bgremover/internal/usecase"
)

// visitsEvery is how long visits wait for others, among whom they are recorded.
const visitsEvery = time.Minute

// gate lets uploads in, as far as the rules allow.
func (s *service) gate() usecase.Gate {
	return usecase.Gate{
		Policy: s.policy, Decisions: s.decisions, Rates: usecase.NewRates(time.Now),
		Visits: usecase.NewVisits(s.ledger, s.vault, s.milliseconds, func() id.Visit { return id.Visit(newID()) }),
	}
}

// recordVisits is the chore that puts the visitors of the last minute into the record.
func (s *service) recordVisits() chore {
	var told int64
	return chore{"record visits", visitsEvery, func(ctx context.Context) error {
		visits := s.uses.upload.Gate.Visits
		s.uses.upload.Gate.Rates.Forget()
		_, err := visits.Record(ctx)
		if n := visits.Dropped(); n > told {
			s.log.WarnContext(ctx, "facts about visits found no room and were dropped", "n", n-told)
			told = n
		}
		return err
	}}
}

// lastVisits records who came until now. Nobody is served any more, and what cannot be recorded is lost.
func (s *service) lastVisits(ctx context.Context) {
	if s.vaultCompared() != nil {
		return // nobody was served at all
	}
	ctx, cancel := context.WithTimeout(ctx, decisionsAtStop)
	defer cancel()
	if _, err := s.uses.upload.Gate.Visits.Record(ctx); err != nil {
		s.log.WarnContext(ctx, "the last facts about visits are lost", "err", err)
	}
}

// inspect refuses what cannot be decoded before it is stored.
func inspect(picture []byte) (usecase.Head, error) {
	info, err := cutout.Inspect(picture, cutout.Limits{})
	return usecase.Head{Type: strings.ToLower(string(info.Format)), Pixels: int64(info.Width) * int64(info.Height)}, err
}
