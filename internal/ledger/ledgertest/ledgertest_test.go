package ledgertest_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/adapters/kafka"
	"github.com/bgremover/bgremover/adapters/opa"
	"github.com/bgremover/bgremover/adapters/postgres"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/internal/embedded/embeddedtest"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/ledger/ledgertest"
	"github.com/bgremover/bgremover/policies"
)

// What was copied is a record like any other: it is numbered and published, streams go on
// where it ends, and what it sealed is erased.
func TestQueueIsARecord(t *testing.T) {
	const pictures = 30
	dsn := embeddedtest.NewDatabase(t)
	all, err := pgxpool.New(t.Context(), dsn) // a superuser, who may copy into the vault
	must(t, err)
	defer all.Close()
	database, err := postgres.Connect(t.Context(), postgres.Access{DSN: dsn})
	must(t, err)
	defer database.Close()
	pool := database.App
	broker := embeddedtest.NewKafka(t)
	cfg := kafka.Config{Brokers: broker.Brokers(), User: broker.Username(), Password: broker.Password()}
	must(t, kafka.EnsureTopics(t.Context(), cfg))
	must(t, ledger.Migrate(t.Context(), pool))
	must(t, postgres.Migrate(t.Context(), database))
	policy, err := opa.New(t.Context(), opa.Config{Bundle: policies.Bundle, ImagePeriod: time.Hour})
	must(t, err)
	vault, err := postgres.OpenVault(t.Context(), database, postgres.VaultConfig{
		Keyset: postgres.KeysetFile{Path: t.TempDir() + "/keyset"}, Policy: policy, Now: time.Now, Wall: time.Now,
	})
	must(t, err)
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

	must(t, ledgertest.Queue(t.Context(), all, vault.New, pictures, noon, noon.Add(time.Hour)))

	l := ledger.New(pool, vault, ledger.Options{NewID: func() string { return uuid.Must(uuid.NewV7()).String() }})
	publisher, source := kafka.NewPublisher(cfg), newSource(t, cfg)
	defer publisher.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 2)
	go func() { ended <- l.Run(ctx) }()
	go func() {
		ended <- ledger.NewSequencer(l, ledger.SequencerConfig{Publisher: publisher, Record: source}).Run(ctx)
	}()

	reader := ledger.NewReader(newSource(t, cfg), ledger.Position{}, ledger.ReaderOptions{})
	var facts []event.Envelope
	codec := ledger.NewCodec("test", ledger.Facts(), vault)
	for len(facts) < pictures*ledgertest.FactsPerPicture {
		entries, err := reader.Next(t.Context())
		must(t, err)
		for _, e := range entries {
			env, err := codec.Decode(t.Context(), e.Seq, e.Body)
			must(t, err)
			facts = append(facts, env)
		}
	}
	up, ok := facts[0].Fact.(image.Uploaded)
	if !ok || up.FileName != personal.Erased || facts[0].Decision == nil {
		t.Errorf("the first fact is %+v", facts[0])
	}
	lives, err := l.Load(t.Context(), facts[0].Stream)
	must(t, err)
	if len(lives) != 4 {
		t.Errorf("the first picture has %d facts", len(lives))
	}
	_, err = l.Append(t.Context(), event.Append{
		At: noon, Actor: event.Actor{Role: event.Visitor},
		Parts: []event.Part{{Stream: facts[0].Stream, Expected: 4, Facts: []event.Pending{{Fact: image.Downloaded{}}}}},
	})
	must(t, err)
	stop()
	for range 2 {
		must(t, <-ended)
	}
}

func newSource(t *testing.T, cfg kafka.Config) *kafka.Source {
	s := kafka.NewSource(cfg)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
