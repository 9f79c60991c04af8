package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/bgremover/bgremover/adapters/kafka"
	"github.com/bgremover/bgremover/adapters/onnx"
	"github.com/bgremover/bgremover/internal/config"
	"github.com/bgremover/bgremover/internal/embedded"
)

// ground is what the service stands on: Postgres, Kafka and a loaded model, its own or
// those that it was given.
type ground struct {
	pool  *pgxpool.Pool
	kafka kafka.Config
	model *onnx.Model
	cores int // how many cutouts run at once

	fell   <-chan struct{} // closed when a part of our own died by itself
	closed []func() error  // in the order in which they were opened
}

// poolConns is how many connections requests share at least. The views, the sequencer, the
// janitor and those who listen have their own.
const poolConns = 24

// openGround starts or connects to all of it at once: the slowest decides how long a start takes.
func openGround(ctx context.Context, cfg config.Serve, log *slog.Logger) (_ *ground, err error) {
	g := &ground{cores: runtime.GOMAXPROCS(0)}
	var post, broker, model func() error
	defer func() {
		g.closed = slices.DeleteFunc([]func() error{post, broker, model}, func(f func() error) bool { return f == nil })
		if err != nil {
			err = errors.Join(err, g.close())
		}
	}()
	var start errgroup.Group // not its context: what has started is stopped in order, by close
	start.Go(func() (err error) { post, err = g.openPostgres(ctx, cfg, log); return err })
	start.Go(func() (err error) { broker, err = g.openKafka(ctx, cfg, log); return err })
	start.Go(func() (err error) {
		g.model, err = openModel(ctx, cfg.Model, g.cores, log)
		if err == nil {
			model = g.model.Close
		}
		return err
	})
	return g, start.Wait()
}

// close stops everything, the last opened first.
func (g *ground) close() error {
	var errs []error
	for _, stop := range slices.Backward(g.closed) {
		errs = append(errs, stop())
	}
	return errors.Join(errs...)
}

func (g *ground) openPostgres(ctx context.Context, cfg config.Serve, log *slog.Logger) (stop func() error, err error) {
	dsn, server := string(cfg.Postgres), func() error { return nil }
	if dsn == "" {
		files, err := embedded.FindRuntime()
		if err != nil {
			return nil, err
		}
		own, err := embedded.Start(ctx, embedded.Config{Bin: files.PostgresBin, Dir: filepath.Join(cfg.Data, "postgres"), Log: log})
		if err != nil {
			return nil, fmt.Errorf("start PostgreSQL: %w", err)
		}
		dsn, g.fell, server = own.DSN(), own.Done(), own.Stop
	}
	settings, err := pgxpool.ParseConfig(dsn)
	if err == nil {
		settings.MaxConns = max(settings.MaxConns, poolConns)
		g.pool, err = pgxpool.NewWithConfig(ctx, settings)
	}
	if err == nil {
		err = g.pool.Ping(ctx)
	}
	if err != nil {
		return server, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	return func() error { g.pool.Close(); return server() }, nil
}

func (g *ground) openKafka(ctx context.Context, cfg config.Serve, log *slog.Logger) (stop func() error, err error) {
	if len(cfg.Kafka.Brokers) > 0 {
		secure, err := cfg.Kafka.TLSConfig()
		g.kafka = kafka.Config{Brokers: cfg.Kafka.Brokers, User: cfg.Kafka.User, Password: string(cfg.Kafka.Password), TLS: secure}
		return nil, err
	}
	own, err := embedded.StartKafka(ctx, embedded.KafkaConfig{Dir: filepath.Join(cfg.Data, "kafka"), Log: log})
	if err != nil {
		return nil, err
	}
	g.kafka = kafka.Config{Brokers: own.Brokers(), User: own.Username(), Password: own.Password()}
	return own.Close, nil
}
