package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/adapters/kafka"
	"github.com/bgremover/bgremover/internal/audit"
	"github.com/bgremover/bgremover/internal/config"
	"github.com/bgremover/bgremover/internal/ledger"
)

// logVerifyCmd is `bgremover log verify`. It needs Kafka and nothing else; what a running
// service or its Postgres add are hints.
type logVerifyCmd struct {
	Against string `type:"path" placeholder:"FILE" help:"A signed checkpoint that was kept elsewhere, of whatever time: then a record that was rolled back or forked since is found, too."`
	Key     string `placeholder:"VKEY" help:"The log's first verifier key, kept elsewhere: <origin>+<hash>+<key>. Without it the one is used that the log itself names."`
	Tiles   string `placeholder:"URL" help:"Where the log serves its tiles, such as https://bgremover.example.org/log, to name a changed fact exactly where Postgres is not at hand."`
	JSON    bool   `name:"json" help:"Print the report as one JSON object."`
	config.Tool
}

// errBroken ends `log verify` with exit code 1; what is wrong stands in the report.
var errBroken = errors.New("the record does not hold")

// verifyPatience is how long a fact is waited for that is being published meanwhile.
const verifyPatience = 20 * time.Second

func (c *logVerifyCmd) run(ctx context.Context, std streams) (err error) {
	o := audit.Options{Key: c.Key, Pinned: c.Key != "", Patience: verifyPatience}
	if c.Against != "" {
		if o.Against, err = os.ReadFile(c.Against); err != nil {
			return fmt.Errorf("read the checkpoint kept elsewhere: %w", err)
		}
	}
	t, err := c.open(ctx, &o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	if c.Tiles != "" {
		if o.Tiles, err = newWebTiles(c.Tiles); err != nil {
			return err
		}
	}
	bar := newProgress(std.err, "verify")
	o.Progress = func(p audit.Progress) { bar.at(p.Facts, expected(p)) }
	report, err := verifyRecord(ctx, t.kafka, o)
	bar.end()
	if err != nil {
		return fmt.Errorf("the record could not be verified: %w", err)
	}
	if err := c.print(std.out, report); err != nil {
		return err
	}
	if !report.Holds() {
		return errBroken
	}
	return nil
}

// open finds Kafka, and Postgres if that is at hand. Somebody else's Kafka alone is enough:
// then nothing on this machine is asked.
func (c *logVerifyCmd) open(ctx context.Context, o *audit.Options) (*tools, error) {
	if len(c.Kafka.Brokers) > 0 && c.Postgres == "" {
		where, err := askGround(ctx, c.Data)
		if err != nil || !slices.Equal(where.Brokers, c.Kafka.Brokers) {
			cfg, err := kafkaConfig(c.Kafka)
			return &tools{ground: &ground{kafka: cfg}}, err
		}
	}
	t, err := openTools(ctx, c.Ground, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	withLedger(o, t.pool)
	return t, nil
}

// withLedger lets a verification ask Postgres for what no checkpoint covers, and for hints.
func withLedger(o *audit.Options, pool *pgxpool.Pool) {
	tree := ledger.NewTree(pool)
	o.Tiles = tree
	o.Head = func(ctx context.Context) (audit.Head, error) {
		e, err := tree.Extent(ctx)
		return audit.Head{Published: e.Published, Size: e.Size, Root: e.Root, Signed: e.Signed}, err
	}
}

func verifyRecord(ctx context.Context, cfg kafka.Config, o audit.Options) (audit.Report, error) {
	record, checkpoints := kafka.NewSource(cfg), kafka.NewSourceOf(cfg, ledger.TopicCheckpoints)
	o.Record, o.Checkpoints = record, checkpoints
	report, err := audit.Verify(ctx, o)
	return report, errors.Join(err, record.Close(), checkpoints.Close())
}

// expected estimates how many facts there are from how far the topic was read.
func expected(p audit.Progress) int64 {
	if p.Offset <= 0 {
		return p.Facts
	}
	return max(p.Facts, int64(float64(p.Facts)/float64(p.Offset)*float64(p.End)))
}

func (c *logVerifyCmd) print(out io.Writer, r audit.Report) error {
	if c.JSON {
		return json.NewEncoder(out).Encode(r)
	}
	for _, note := range r.Notes() {
		if _, err := fmt.Fprintln(out, note); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(out, r.Summary())
	return err
}
