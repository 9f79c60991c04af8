package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/bgremover/bgremover/adapters/kafka"
	"github.com/bgremover/bgremover/adapters/postgres"
	"github.com/bgremover/bgremover/internal/config"
	"github.com/bgremover/bgremover/internal/embedded"
)

// ground is what everything stands on: Postgres and Kafka, our own or those that we were given.
type ground struct {
	access   postgres.Access
	db       *postgres.Database
	pool     *pgxpool.Pool // of db, for everything but keys
	vaultKey string        // URI of what seals the keyset; empty: it stands in clear
	kafka    kafka.Config

	fell   <-chan struct{} // closed when a part of our own died by itself
	closed []func() error  // in the order in which they were opened
}

// poolConns is how many connections requests share at least. The views, the sequencer, the
// janitor and those who listen have their own.
const poolConns = 24

// openGround starts or connects to both at once: the slower decides how long a start takes.
func openGround(ctx context.Context, cfg config.Ground, log *slog.Logger) (_ *ground, err error) {
	g := &ground{vaultKey: cfg.Vault.Key}
	var post, broker func() error
	defer func() {
		g.closed = slices.DeleteFunc([]func() error{post, broker}, func(f func() error) bool { return f == nil })
		if err != nil {
			err = errors.Join(err, g.close())
		}
	}()
	var start errgroup.Group // not its context: what has started is stopped in order, by close
	start.Go(func() (err error) { post, err = g.openPostgres(ctx, cfg, log); return err })
	start.Go(func() (err error) { broker, err = g.openKafka(ctx, cfg, log); return err })
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

func (g *ground) openPostgres(ctx context.Context, cfg config.Ground, log *slog.Logger) (stop func() error, err error) {
	server := func() error { return nil }
	g.access = postgres.Access{DSN: string(cfg.Postgres), VaultDSN: string(cfg.Vault.Postgres), Conns: poolConns}
	if g.access.DSN == "" {
		files, err := embedded.FindRuntime()
		if err != nil {
			return nil, err
		}
		own, err := embedded.Start(ctx, embedded.Config{Bin: files.PostgresBin, Dir: filepath.Join(cfg.Data, "postgres"), Log: log})
		if err != nil {
			return nil, err
		}
		g.access.DSN, g.access.Own, g.fell, server = own.DSN(), true, own.Done(), own.Stop
	}
	if err := g.connect(ctx); err != nil {
		return server, err
	}
	return func() error { g.db.Close(); return server() }, nil
}

// connect opens the database as g.access says.
func (g *ground) connect(ctx context.Context) (err error) {
	if g.db, err = postgres.Connect(ctx, g.access); err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	g.pool = g.db.App
	return nil
}

func (g *ground) openKafka(ctx context.Context, cfg config.Ground, log *slog.Logger) (stop func() error, err error) {
	if len(cfg.Kafka.Brokers) > 0 {
		g.kafka, err = kafkaConfig(cfg.Kafka)
		g.kafka.Log = log
		return nil, err
	}
	own, err := embedded.StartKafka(ctx, embedded.KafkaConfig{Dir: filepath.Join(cfg.Data, "kafka"), Log: log})
	if err != nil {
		return nil, err
	}
	g.kafka = kafka.Config{Brokers: own.Brokers(), User: own.Username(), Password: own.Password()}
	return own.Close, nil
}

func kafkaConfig(c config.Kafka) (kafka.Config, error) {
	secure, err := c.TLSConfig()
	return kafka.Config{
		Brokers: c.Brokers, User: c.User, Password: string(c.Password), Mechanism: kafka.Mechanism(c.SASL), TLS: secure,
	}, err
}
