package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"github.com/bgremover/bgremover/adapters/kafka"
	"github.com/bgremover/bgremover/adapters/postgres"
	"github.com/bgremover/bgremover/adapters/web/operator"
	"github.com/bgremover/bgremover/internal/config"
	"github.com/bgremover/bgremover/internal/embedded"
)

// tools is what a command works with that reads or mends what a service keeps: the ground
// of the running service, or, when none runs, the same opened for the command alone.
type tools struct {
	*ground
	running bool // a service runs on it
}

// toolConns is how many connections a command shares. Those of a running service come on top.
const toolConns = 4

// openTools asks the service that runs on the data folder where everything is. When none
// runs, it takes the folder for itself, so that none can start meanwhile.
func openTools(ctx context.Context, cfg config.Ground, log *slog.Logger) (*tools, error) {
	where, err := askGround(ctx, cfg.Data)
	if errors.Is(err, errNotRunning) {
		return openStopped(ctx, cfg, log)
	}
	if err != nil {
		return nil, err
	}
	g := &ground{
		access:   postgres.Access{DSN: where.Postgres, VaultDSN: where.VaultPostgres, Own: where.Own, Conns: toolConns},
		vaultKey: where.VaultKey,
	}
	g.kafka, err = kafkaConfig(config.Kafka{
		Brokers: where.Brokers, User: where.User, Password: config.Secret(where.Password), SASL: where.SASL,
		TLS: where.TLS, CA: where.CA, Cert: where.Cert, Key: where.Key,
	})
	if err == nil {
		err = g.connect(ctx)
	}
	if err != nil {
		return nil, err
	}
	g.closed = append(g.closed, func() error { g.db.Close(); return nil })
	return &tools{ground: g, running: true}, nil
}

func openStopped(ctx context.Context, cfg config.Ground, log *slog.Logger) (*tools, error) {
	if _, err := os.Stat(cfg.Data); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no folder %s; name the service's with --data", cfg.Data)
	}
	lock, err := embedded.LockDir(cfg.Data)
	if errors.Is(err, embedded.ErrInUse) {
		return nil, fmt.Errorf("a service on %s is starting or stopping; try again when it has", cfg.Data)
	}
	if err != nil {
		return nil, fmt.Errorf("take the data folder: %w", err)
	}
	g, err := openGround(ctx, cfg, log)
	if err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	g.closed = append([]func() error{lock.Unlock}, g.closed...)
	if err := kafka.EnsureTopics(ctx, g.kafka); err != nil {
		return nil, errors.Join(err, g.close())
	}
	return &tools{ground: g}, nil
}

// askGround asks the running service. Only who may open its socket learns the passwords.
func askGround(ctx context.Context, data string) (where operator.Ground, err error) {
	body, err := askService(ctx, data, "/ground")
	if err != nil {
		return where, err
	}
	err = readAnswer(body, &where)
	return where, err
}

// where tells commands on this machine what the service stands on.
func (s *service) where() operator.Ground {
	k := s.cfg.Kafka
	return operator.Ground{
		Postgres: s.ground.access.DSN, VaultPostgres: s.ground.access.VaultDSN, Own: s.ground.access.Own,
		VaultKey: s.ground.vaultKey,
		Brokers:  s.ground.kafka.Brokers, User: s.ground.kafka.User, Password: s.ground.kafka.Password,
		SASL: k.SASL, TLS: k.TLS, CA: k.CA, Cert: k.Cert, Key: k.Key,
	}
}
