package main

import (
	"context"
	"log/slog"
	"time"
)

// chore is something that is done again and again, the first time at once.
type chore struct {
	name  string
	every time.Duration
	do    func(context.Context) error
}

// keepHouse does one chore until the context ends. A failure is logged and is no reason to stop.
func keepHouse(ctx context.Context, c chore, log *slog.Logger) {
	tick := time.NewTicker(c.every)
	defer tick.Stop()
	for {
		if err := c.do(ctx); err != nil && ctx.Err() == nil {
			log.ErrorContext(ctx, "a chore failed and is tried again", "chore", c.name, "in", c.every, "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
