package main

import (
	"context"
	"time"

	"github.com/bgremover/bgremover/adapters/postgres"
	"github.com/bgremover/bgremover/internal/usecase"
)

const (
	callsEvery  = 5 * time.Second
	callsAtStop = 2 * time.Second
)

// apiLog is the log of requests: what collects, and where it is kept.
type apiLog struct {
	usecase.CallLog
	store *postgres.APILog
}

func (s *service) newAPILog() *apiLog {
	store := postgres.NewAPILog(s.ground.pool)
	return &apiLog{CallLog: usecase.CallLog{Store: store}, store: store}
}

// apiLogChores keep it: today's and the next days' partitions, and what was noted.
func (s *service) apiLogChores() []chore {
	var told int64
	return []chore{
		{"make room for the log of requests", purgeEvery, func(ctx context.Context) error {
			return s.apiLog.store.Prepare(ctx, s.clock.Now())
		}},
		{"store the log of requests", callsEvery, func(ctx context.Context) error {
			if n := s.apiLog.Dropped(); n > told {
				s.log.WarnContext(ctx, "rows of the log of requests found no room and were dropped", "n", n-told)
				told = n
			}
			return s.apiLog.Flush(ctx)
		}},
	}
}

// lastCalls stores what was noted until now. What cannot be stored is lost: it is a log of requests.
func (s *service) lastCalls(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, callsAtStop)
	defer cancel()
	if err := s.apiLog.Flush(ctx); err != nil {
		s.log.WarnContext(ctx, "the last rows of the log of requests are lost", "err", err)
	}
}
