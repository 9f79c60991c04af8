package main

import (
	"context"
	"strings"
	"time"

	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/internal/usecase"
)

const (
	decisionsEvery  = time.Minute
	decisionsAtStop = 5 * time.Second // how long the last of them may take
)

// newDecisionLog makes what counts the decisions that no fact of their own carries.
func (s *service) newDecisionLog() *usecase.DecisionLog {
	return &usecase.DecisionLog{Record: s.ledger, Now: s.milliseconds, NewRequest: newRequest}
}

func newRequest() id.Request { return id.Request(strings.ReplaceAll(newID(), "-", "")) }

// reads asks for every picture that is opened, and has it counted.
func (s *service) reads() usecase.Reads {
	return usecase.Reads{Access: s.policy, Decisions: s.decisions}
}

// recordDecisions is the chore that puts counted decisions into the record.
func (s *service) recordDecisions() chore {
	return chore{"record decisions", decisionsEvery, func(ctx context.Context) error { return s.decisions.Flush(ctx, false) }}
}

// lastDecisions records what was decided until now. Nobody is asked any more.
func (s *service) lastDecisions(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, decisionsAtStop)
	defer cancel()
	if err := s.decisions.Flush(ctx, true); err != nil {
		s.log.ErrorContext(ctx, "the last counted decisions are lost", "err", err)
	}
}
