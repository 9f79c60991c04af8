package main

import (
	"context"
	"time"

	"github.com/bgremover/bgremover/adapters/web/officer"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/domain/visit"
	"github.com/bgremover/bgremover/projections/abuse"
)

// securityFigures wires the officers' page about security.
func (s *service) securityFigures() *officer.Security {
	pool := s.ground.pool
	return &officer.Security{
		CaughtUp: s.caughtUp(abuse.Name),
		Refusals: func(ctx context.Context, from time.Time, limit int) ([]abuse.Refused, error) {
			return abuse.Refusals(ctx, pool, from, limit)
		},
		Days:    func(ctx context.Context, from time.Time) ([]abuse.Day, error) { return abuse.Days(ctx, pool, from) },
		Answers: s.answersByHour,
		Kept:    s.technicalData,
		Now:     s.clock.Now,
	}
}

// answersByHour puts the counts of each hour of the log of requests into one row.
func (s *service) answersByHour(ctx context.Context, from time.Time) (hours []officer.Answers, err error) {
	counts, err := s.apiLog.store.ByStatus(ctx, from)
	if err != nil {
		return nil, err
	}
	for _, c := range counts {
		if len(hours) == 0 || !hours[len(hours)-1].Hour.Equal(c.Hour) {
			hours = append(hours, officer.Answers{Hour: c.Hour})
		}
		hours[len(hours)-1].N[c.Status] = c.N
	}
	return hours, nil
}

// technicalData says what there is of it, and since when.
func (s *service) technicalData(ctx context.Context) (kept officer.TechnicalData, err error) {
	log, err := s.apiLog.store.Oldest(ctx)
	if err != nil {
		return kept, err
	}
	kept.Requests = log.Oldest
	vault, err := s.vault.Status(ctx)
	if err != nil {
		return kept, err
	}
	for _, k := range vault.Kinds {
		if k.Kind == system.KeyKind(visit.Key("")) {
			kept.Visits, kept.EndsNext = k.Live, k.Due
		}
	}
	return kept, nil
}
