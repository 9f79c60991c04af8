package ledger_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bgremover/bgremover/adapters/kafka"
	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/embedded/embeddedtest"
	"github.com/bgremover/bgremover/internal/ledger"
)

// noon is when everything in these tests happens.
var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// world is a ledger with everything around it: a database, a Kafka, a vault.
type world struct {
	t      testing.TB
	pool   *pgxpool.Pool
	cfg    kafka.Config
	vault  vault
	ledger *ledger.Ledger
	log    *slog.Logger
}

func newWorld(t testing.TB) *world {
	t.Helper()
	return worldOver(t, embeddedtest.NewDatabase(t), newCluster(t))
}

func worldOver(t testing.TB, dsn string, cfg kafka.Config) *world {
	t.Helper()
	w := &world{t: t, cfg: cfg, log: slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelInfo}))}
	w.pool = openPool(t, dsn)
	must(t, ledger.Migrate(t.Context(), w.pool))
	w.vault = newVault(t, w.pool)
	must(t, kafka.EnsureTopics(t.Context(), cfg))
	w.ledger = ledger.New(w.pool, w.vault, ledger.Options{NewID: newID, Log: w.log})
	w.run(w.ledger.Run)
	return w
}

func openPool(t testing.TB, dsn string) *pgxpool.Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(dsn)
	must(t, err)
	cfg.MaxConns = 8 // a few per core: the sequencer's own connection must get its turn
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	must(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// newCluster starts a Kafka of this test's own; real_test.go has real ones in its place.
var newCluster = func(t testing.TB) kafka.Config {
	t.Helper()
	k := embeddedtest.NewKafka(t)
	return kafka.Config{Brokers: k.Brokers(), User: k.Username(), Password: k.Password()}
}

// run runs something until the test ends, or stop is called.
func (w *world) run(f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := f(ctx); err != nil && !halts(err) {
			w.t.Error(err)
		}
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	w.t.Cleanup(stop)
	return stop
}

func halts(err error) bool { return errors.Is(err, ledger.ErrFork) || errors.Is(err, ledger.ErrCut) }

// sequencer starts one beside the world's ledger.
func (w *world) sequencer(changes ...func(*ledger.SequencerConfig)) (s *ledger.Sequencer, stop func()) {
	w.t.Helper()
	return w.sequencerOf(w.ledger, changes...)
}

func (w *world) sequencerOf(l *ledger.Ledger, changes ...func(*ledger.SequencerConfig)) (s *ledger.Sequencer, stop func()) {
	w.t.Helper()
	pub, src := kafka.NewPublisher(w.cfg), kafka.NewSource(w.cfg)
	c := ledger.SequencerConfig{Publisher: pub, Record: src, Log: w.log, Pause: 10 * time.Millisecond}
	for _, change := range changes {
		change(&c)
	}
	s = ledger.NewSequencer(l, c)
	end := w.run(s.Run)
	stop = sync.OnceFunc(func() {
		end()
		must(w.t, errors.Join(pub.Close(), src.Close()))
	})
	w.t.Cleanup(stop)
	return s, stop
}

// record reads n facts with a reader of its own, and checks that there are no more.
func (w *world) record(n int) []event.Envelope {
	w.t.Helper()
	src := kafka.NewSource(w.cfg)
	defer src.Close()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	codec := ledger.NewCodec("test", ledger.Facts(), nil)
	r := ledger.NewReader(src, ledger.Position{}, ledger.ReaderOptions{})
	var all []event.Envelope
	for len(all) < n {
		entries, err := r.Next(ctx)
		if err != nil {
			w.t.Fatalf("after %d facts: %v", len(all), err)
		}
		for _, e := range entries {
			env, err := codec.Decode(ctx, e.Seq, e.Body)
			must(w.t, err)
			all = append(all, env)
		}
	}
	if len(all) > n {
		w.t.Fatalf("the record has %d facts, expected %d", len(all), n)
	}
	return all
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	_, err := w.pool.Exec(w.t.Context(), sql, args...)
	must(w.t, err)
}

func (w *world) number(sql string) int64 {
	w.t.Helper()
	var n int64
	must(w.t, w.pool.QueryRow(w.t.Context(), sql).Scan(&n))
	return n
}

// eventually waits for something that another goroutine brings about.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for !is() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

func newImage() id.Image { return id.Image(newID()) }

// upload is the append that begins a picture, with a key of its own.
func (w *world) upload(img id.Image) event.Append {
	return event.Append{
		At:    noon,
		Actor: event.Actor{Role: event.Visitor},
		Parts: []event.Part{{Stream: image.Stream(img), Facts: []event.Pending{{Fact: image.Uploaded{
			SizeClass: image.UpTo1MiB, Due: noon.Add(time.Hour), Basis: "contract",
			Capability: image.HashCapability(string(img)), FileName: personal.Of("holiday.jpg"),
		}}}}},
		Make: []personal.Key{newKey(image.Key(img))},
	}
}

// processed is an append without keys, at a version.
func processed(img id.Image, expected int64) event.Append {
	return event.Append{
		At:    noon.Add(time.Minute),
		Actor: event.Actor{Role: event.Processor},
		Parts: []event.Part{{Stream: image.Stream(img), Expected: expected, Facts: []event.Pending{{
			Fact: image.Processed{Model: "u2netp", Dimensions: image.UpTo1MP, Stages: image.Stages{Total: 7}},
		}}}},
	}
}

// deleted is the append that ends a picture and destroys its key.
func deleted(img id.Image, expected int64) event.Append {
	key := image.Key(img)
	return event.Append{
		At:    noon.Add(2 * time.Minute),
		Actor: event.Actor{Role: event.Clock},
		Parts: []event.Part{
			{Stream: image.Stream(img), Expected: expected, Facts: []event.Pending{{
				Fact: image.Deleted{Why: image.BecauseDue, Due: noon, Actual: noon, Copies: image.Copies()},
			}}},
			{Stream: system.VaultStream(key), Facts: []event.Pending{{Fact: system.KeyDestroyed{Key: key, Why: "image.deleted"}}}},
		},
		Destroy: []personal.KeyID{key},
	}
}

// testLog passes a log on to the test's.
type testLog struct{ t testing.TB }

func (l testLog) Write(line []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(line)))
	return len(line), nil
}

// key seals with AES-256-GCM under a secret of its own.
type key struct {
	id     personal.KeyID
	secret [32]byte
	aead   cipher.AEAD
}

func newKey(name personal.KeyID) *key {
	var secret [32]byte
	copy(secret[:], uuid.NewString())
	return keyOf(name, secret)
}

func keyOf(name personal.KeyID, secret [32]byte) *key {
	block, err := aes.NewCipher(secret[:])
	if err != nil {
		panic(err) // the length is right
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // AES fits GCM
	}
	return &key{id: name, secret: secret, aead: aead}
}

func (k *key) ID() personal.KeyID { return k.id }

func (k *key) Seal(plain, context []byte) ([]byte, error) {
	return k.aead.Seal(nil, nil, plain, context), nil
}

func (k *key) Open(sealed, context []byte) ([]byte, error) {
	return k.aead.Open(nil, nil, sealed, context)
}

var errNoStreams = errors.New("the ledger seals no streams")

func (k *key) SealTo(io.Writer, []byte) (io.WriteCloser, error) { return nil, errNoStreams }
func (k *key) OpenFrom(io.Reader, []byte) (io.Reader, error)    { return nil, errNoStreams }
func (k *key) PlainSize(int64) int64                            { return 0 }

// vault keeps keys in a table; a key without a secret is a tombstone.
type vault struct{ pool *pgxpool.Pool }

func newVault(t testing.TB, pool *pgxpool.Pool) vault {
	t.Helper()
	_, err := pool.Exec(t.Context(), "create table if not exists testvault (key text primary key, secret bytea, why text)")
	must(t, err)
	return vault{pool}
}

func (v vault) Key(ctx context.Context, name personal.KeyID) (personal.Key, error) {
	var secret []byte
	err := v.pool.QueryRow(ctx, "select secret from testvault where key = $1", name).Scan(&secret)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, personal.ErrNoKey
	case err != nil:
		return nil, err
	case secret == nil:
		return nil, personal.ErrDestroyed
	}
	return keyOf(name, [32]byte(secret)), nil
}

func (v vault) Make(ctx context.Context, tx pgx.Tx, k personal.Key) error {
	secret := k.(*key).secret
	_, err := tx.Exec(ctx, "insert into testvault (key, secret) values ($1, $2)", k.ID(), secret[:])
	return err
}

func (v vault) Lock(ctx context.Context, tx pgx.Tx, keys []personal.KeyID) error {
	for _, name := range keys {
		var live bool
		err := tx.QueryRow(ctx, "select secret is not null from testvault where key = $1 for share", name).Scan(&live)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return personal.ErrNoKey
		case err != nil:
			return err
		case !live:
			return personal.ErrDestroyed
		}
	}
	return nil
}

func (v vault) Destroy(ctx context.Context, tx pgx.Tx, name personal.KeyID, why string) error {
	tag, err := tx.Exec(ctx, "update testvault set secret = null, why = $2 where key = $1 and secret is not null", name, why)
	if err == nil && tag.RowsAffected() != 1 {
		return fmt.Errorf("the key %s: %w", name, personal.ErrDestroyed)
	}
	return err
}

// publisher lets tests come between the sequencer and Kafka.
type publisher struct {
	message.Publisher
	publish func(next message.Publisher, topic string, messages []*message.Message) error
}

func (p publisher) Publish(topic string, messages ...*message.Message) error {
	return p.publish(p.Publisher, topic, messages)
}
