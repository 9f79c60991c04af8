package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Config says how to run a private PostgreSQL.
type Config struct {
	Bin      string            // folder of the programs postgres and initdb: Runtime.PostgresBin
	Dir      string            // everything it keeps is below this folder
	Log      *slog.Logger      // gets its messages at debug level; nil: nobody does
	Settings map[string]string // postgresql.conf settings that differ from ours; fsync=off only for tests
}

// Postgres is a running private PostgreSQL: reached over a unix socket only,
// with a password, and ended with this process.
type Postgres struct {
	dsn    string
	dir    string
	socket string // its folder
	lock   *Lock
	server *server
}

// Start makes the cluster if there is none, deals with what a killed
// predecessor left, and returns when the server accepts connections. ctx bounds
// the start only. A folder that another process uses is ErrInUse.
//
// The caller MUST call Stop, also after Done.
func Start(ctx context.Context, cfg Config) (_ *Postgres, err error) {
	if cfg.Dir, err = filepath.Abs(cfg.Dir); err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	lock, err := LockDir(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	p := &Postgres{lock: lock, dir: cfg.Dir}
	if err := p.start(ctx, cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("start postgres: %w", err), lock.Unlock())
	}
	return p, nil
}

func (p *Postgres) start(ctx context.Context, cfg Config) error {
	c, err := openCluster(ctx, cfg)
	if err != nil {
		return err
	}
	p.socket = c.socket
	if p.dsn, err = c.dsn(); err != nil {
		return err
	}
	if err := c.endPredecessor(ctx); err != nil {
		return err
	}
	// The children of a postmaster that was killed need a moment to notice.
	patience := time.After(10 * time.Second)
	for {
		p.server, err = c.launch(ctx, cfg)
		var failed *startError
		if !errors.As(err, &failed) || !failed.waitable() {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, context.Cause(ctx))
		case <-patience:
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// DSN is the connection string (a postgres:// URL) of the cluster's superuser.
// It holds the password: it MUST NOT be logged.
func (p *Postgres) DSN() string { return p.dsn }

// Done is closed when the server has ended, by itself or by Stop.
func (p *Postgres) Done() <-chan struct{} { return p.server.done }

// Err says, after Done, how the server ended; nil means in order.
func (p *Postgres) Err() error {
	select {
	case <-p.server.done:
	default:
		return nil
	}
	if p.server.err == nil {
		return nil
	}
	return fmt.Errorf("postgres ended: %w\n%s", p.server.err, p.server.lastWords())
}

// Stop ends the server in order (open connections are closed, a checkpoint is
// written) and lets go of the folder. It may be called more than once.
func (p *Postgres) Stop() error {
	err := p.server.stop(syscall.SIGINT)
	if !strings.HasPrefix(p.socket, p.dir) { // a short name for a long path
		err = errors.Join(err, os.RemoveAll(p.socket))
	}
	return errors.Join(err, p.lock.Unlock())
}
