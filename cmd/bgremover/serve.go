package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/bgremover/bgremover/internal/config"
	"github.com/bgremover/bgremover/internal/telemetry"
)

// serveCmd is `bgremover serve`.
type serveCmd struct{ config.Serve }

func (c *serveCmd) run(ctx context.Context, std streams) error {
	log, err := telemetry.NewLog(std.err, c.Log.Format, c.Log.Level)
	if err != nil {
		return err
	}
	s, err := openService(ctx, c.Serve, log)
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	return errors.Join(s.run(ctx, std.out), s.close())
}
