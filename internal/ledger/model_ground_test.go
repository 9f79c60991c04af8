package ledger

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/internal/embedded/embeddedtest"
)

// modelGround is a database that schedules use one after the other.
type modelGround struct {
	pool   *pgxpool.Pool
	ledger *Ledger
	idle   []*pgx.Conn // for terms: making one takes as long as a schedule's tenth part
}

// modelTables are what a copy of the ledger consists of. head and published have one row for ever.
var modelTables = []string{"streams", "facts", "queue", "numbers", "requests", "activations", "tiles", "checkpoints", "head", "published"}

func newModelGround(t *testing.T) *modelGround {
	cfg, err := pgxpool.ParseConfig(embeddedtest.NewDatabase(t))
	check(t, err)
	cfg.MaxConns = 2
	cfg.ConnConfig.RuntimeParams["synchronous_commit"] = "off"
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	check(t, err)
	check(t, Migrate(t.Context(), pool))
	g := &modelGround{pool: pool, ledger: New(pool, openVault{}, Options{NewID: func() string { return uuid.Must(uuid.NewV7()).String() }})}
	t.Cleanup(func() {
		for _, conn := range g.idle {
			closeQuietly(conn)
		}
		pool.Close()
	})
	batch := &pgx.Batch{}
	batch.Queue("create schema saved")
	for _, table := range modelTables {
		batch.Queue(fmt.Sprintf("create unlogged table saved.%s (like ledger.%[1]s including defaults including storage)", table))
	}
	check(t, pool.SendBatch(t.Context(), batch).Close())
	return g
}

// reset makes the ledger as new.
func (g *modelGround) reset(ctx context.Context) error {
	batch := &pgx.Batch{}
	for _, table := range modelTables {
		batch.Queue("delete from ledger." + table)
	}
	batch.Queue("insert into ledger.head default values")
	batch.Queue("insert into ledger.published default values")
	return g.pool.SendBatch(ctx, batch).Close()
}

// copyTables makes the tables of one schema those of another, as a dump and its restoration do.
func (g *modelGround) copyTables(ctx context.Context, from, to string) error {
	batch := &pgx.Batch{}
	for _, table := range modelTables {
		batch.Queue(fmt.Sprintf("delete from %s.%s", to, table))
		batch.Queue(fmt.Sprintf("insert into %s.%s table %s.%[2]s", to, table, from))
	}
	return g.pool.SendBatch(ctx, batch).Close()
}

// connect returns a connection for a term.
func (g *modelGround) connect(ctx context.Context) (*pgx.Conn, error) {
	if last := len(g.idle) - 1; last >= 0 {
		conn := g.idle[last]
		g.idle = g.idle[:last]
		return conn, nil
	}
	return pgx.ConnectConfig(ctx, g.pool.Config().ConnConfig)
}

// giveBack takes the connection of a term that has ended. What that had begun is rolled
// back, as when a connection is lost.
func (g *modelGround) giveBack(conn *pgx.Conn) {
	if conn.IsClosed() {
		return
	}
	if conn.PgConn().TxStatus() != 'I' {
		if _, err := conn.Exec(context.Background(), "rollback"); err != nil {
			closeQuietly(conn)
			return
		}
	}
	g.idle = append(g.idle, conn)
}

// openVault has a key for everything, which seals nothing: the schedules are about order.
type openVault struct{}

func (openVault) Key(_ context.Context, id personal.KeyID) (personal.Key, error) {
	return glassKey{id: id}, nil
}
func (openVault) Make(context.Context, pgx.Tx, personal.Key) error              { return nil }
func (openVault) Lock(context.Context, pgx.Tx, []personal.KeyID) error          { return nil }
func (openVault) Destroy(context.Context, pgx.Tx, personal.KeyID, string) error { return nil }

type glassKey struct {
	personal.Key

	id personal.KeyID
}

func (k glassKey) ID() personal.KeyID                   { return k.id }
func (k glassKey) Seal(plain, _ []byte) ([]byte, error) { return plain, nil }
func (k glassKey) Open(seen, _ []byte) ([]byte, error)  { return seen, nil }
