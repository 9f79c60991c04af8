package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/bgremover/bgremover/adapters/kafka"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/embedded/embeddedtest"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/merkle"
)

// safe keeps secrets in memory.
type safe struct {
	mu      sync.Mutex
	secrets map[string][]byte
}

func newSafe() *safe { return &safe{secrets: map[string][]byte{}} }

func (s *safe) Secret(_ context.Context, name string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	secret, has := s.secrets[name]
	if !has {
		return nil, ledger.ErrNoSecret
	}
	return secret, nil
}

func (s *safe) PutSecret(_ context.Context, name string, secret []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, has := s.secrets[name]; has {
		return ledger.ErrSecretThere
	}
	s.secrets[name] = secret
	return nil
}

func (s *safe) Secrets(_ context.Context, prefix string) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for name := range s.secrets {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// often is an interval at which a test need not wait.
const often = 15 * time.Millisecond

// signing lets a sequencer sign.
func (w *world) signing(s ledger.Safe, changes ...func(*ledger.Signing)) func(*ledger.SequencerConfig) {
	w.t.Helper()
	keys, err := ledger.OpenLogKeys(w.t.Context(), w.pool, s, "")
	must(w.t, err)
	topic := kafka.NewSourceOf(w.cfg, ledger.TopicCheckpoints)
	w.t.Cleanup(func() { must(w.t, topic.Close()) })
	c := &ledger.Signing{Keys: keys, Topic: topic, Every: often}
	for _, change := range changes {
		change(c)
	}
	return func(sc *ledger.SequencerConfig) { sc.Signing = c }
}

// covered waits until a public checkpoint has a size, and returns it.
func (w *world) covered(size int64) ledger.Head {
	w.t.Helper()
	var h ledger.Head
	eventually(w.t, fmt.Sprintf("a checkpoint at %d is public", size), func() bool {
		var err error
		h, err = ledger.NewTree(w.pool).Head(w.t.Context())
		if err != nil && !errors.Is(err, ledger.ErrNoCheckpoint) {
			w.t.Fatal(err)
		}
		return err == nil && h.Size >= size
	})
	if h.Size != size {
		w.t.Fatalf("a checkpoint at %d is public, want %d", h.Size, size)
	}
	return h
}

// uploads appends n facts, at once, so that they are likely to get their numbers together.
func (w *world) uploads(n int) {
	w.t.Helper()
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			if _, err := w.ledger.Append(w.t.Context(), w.upload(newImage())); err != nil {
				w.t.Error(err)
			}
		})
	}
	all.Wait()
}

// topic reads everything that was signed, as it stands in Kafka.
func (w *world) topic() []ledger.Entry {
	w.t.Helper()
	src := kafka.NewSourceOf(w.cfg, ledger.TopicCheckpoints)
	defer src.Close()
	var all []ledger.Entry
	for offset, end := int64(0), int64(-1); end < 0 || offset < end; {
		f, err := src.Fetch(w.t.Context(), offset, 0)
		must(w.t, err)
		all, offset, end = append(all, f.Entries...), f.Next, f.End
	}
	return all
}

// audit checks all that was ever signed against the record, and returns the checkpoints.
func (w *world) audit() []merkle.Checkpoint {
	w.t.Helper()
	first, rotations, err := ledger.NewTree(w.pool).Keys(w.t.Context())
	must(w.t, err)
	keys, err := merkle.FollowKeys(first, rotations)
	must(w.t, err)
	tree := w.checkTree()
	stored := ledger.NewTree(w.pool)
	var all []merkle.Checkpoint
	seen := map[int64]string{}
	for i, e := range w.topic() {
		if before, read := seen[e.Seq]; read {
			if before != string(e.Body) {
				w.t.Errorf("entry %d stands there in two versions", e.Seq)
			}
			continue
		}
		seen[e.Seq] = string(e.Body)
		if e.Seq != int64(len(seen)) {
			w.t.Errorf("entry %d follows on %d", e.Seq, len(seen)-1)
		}
		if i == 0 {
			if string(e.Body) != first+"\n" {
				w.t.Errorf("the first entry is %q", e.Body)
			}
			continue
		}
		if slices.ContainsFunc(rotations, func(r []byte) bool { return string(r) == string(e.Body) }) {
			continue
		}
		c, err := keys.Open(e.Body)
		must(w.t, err)
		root, err := merkle.RootOf(w.t.Context(), stored, c.Size)
		if err != nil || root != c.Root {
			w.t.Errorf("the checkpoint at %d has root %s, the record %s (%v)", c.Size, c.Root, root, err)
		}
		if len(all) > 0 && c.Size < all[len(all)-1].Size || c.Size > tree.Size() {
			w.t.Errorf("a checkpoint at %d follows", c.Size)
		}
		all = append(all, c)
	}
	return all
}

func TestCheckpointsArePublic(t *testing.T) {
	w := newWorld(t)
	tree, vault := ledger.NewTree(w.pool), newSafe()
	_, stop := w.sequencer(w.signing(vault))
	if _, err := tree.Head(t.Context()); !errors.Is(err, ledger.ErrNoCheckpoint) {
		t.Errorf("before the first fact: %v", err)
	}
	w.fill(300, 50)
	w.published(300)
	h := w.covered(300)
	first, _, err := tree.Keys(t.Context())
	must(t, err)
	if c, err := merkle.OpenCheckpoint(h.Note, first); err != nil || c.Size != 300 || !strings.HasPrefix(c.Origin, "bgremover.localhost/") {
		t.Errorf("%+v, %v", c, err)
	}
	p, err := tree.Prove(t.Context(), 7)
	must(t, err)
	must(t, merkle.CheckInclusion(p.Path, p.Size, p.Root, 6, p.Leaf))
	if _, err := merkle.OpenCheckpoint(p.Note, p.Verifier); err != nil {
		t.Error(err)
	}
	stop()
	w.fill(1, 50)
	if _, err := tree.Prove(t.Context(), 301); !errors.Is(err, ledger.ErrNoFact) {
		t.Errorf("a fact that is not published: %v", err)
	}

	// After a restart the same key signs on.
	w.sequencer(w.signing(vault))
	w.published(301)
	if h := w.covered(301); !strings.Contains(string(h.Note), h.Origin) {
		t.Error(string(h.Note))
	}
	if again, _, err := tree.Keys(t.Context()); err != nil || again != first {
		t.Errorf("the key is %s (%v), and was %s", again, err, first)
	}
	if all := w.audit(); len(all) < 2 {
		t.Errorf("%d checkpoints", len(all))
	}
}

// A checkpoint is signed when something new is published, at most one an interval, and at
// an orderly end only when that has passed.
func TestCheckpointsAreRare(t *testing.T) {
	w := newWorld(t)
	var now atomic.Int64
	slow := func(c *ledger.Signing) {
		c.Every = time.Hour
		c.Now = func() time.Time { return noon.Add(time.Duration(now.Load())) }
	}
	vault := newSafe()
	s, stop := w.sequencer(w.signing(vault, slow))
	w.fill(3, 50)
	w.published(3)
	w.covered(3)
	w.fill(3, 50)
	w.published(6)
	stop()
	if n := s.Counters().Signed.Load(); n != 1 {
		t.Errorf("%d checkpoints within an hour", n)
	}
	s, stop = w.sequencer(w.signing(vault, slow))
	eventually(t, "a term begins", func() bool { return s.Health().Term > 0 })
	now.Store(int64(time.Hour))
	stop() // in good order: it signs before it ends
	if h := w.covered(6); !h.At.Equal(noon.Add(time.Hour)) {
		t.Errorf("signed at %v", h.At)
	}
	now.Store(int64(5 * time.Hour))
	s, stop = w.sequencer(w.signing(vault, slow))
	eventually(t, "a term begins", func() bool { return s.Health().Term > 0 })
	stop()
	if all := w.audit(); len(all) != 2 {
		t.Errorf("%d checkpoints of two sizes", len(all))
	}
}

// Whatever becomes of what is sent to Kafka, in the end it has all that was signed, once in
// effect, and nothing is public that it does not have.
func TestCheckpointsInDoubt(t *testing.T) {
	w := newWorld(t)
	var calls atomic.Int64
	flaky := func(c *ledger.SequencerConfig) {
		c.Publisher = publisher{c.Publisher, func(next message.Publisher, topic string, messages []*message.Message) error {
			if topic != ledger.TopicCheckpoints {
				return next.Publish(topic, messages...)
			}
			switch calls.Add(1) % 4 {
			case 1:
				return errors.New("not stored")
			case 2:
				return errors.Join(errors.New("stored, and the answer lost"), next.Publish(topic, messages...))
			}
			return next.Publish(topic, messages...)
		}}
	}
	vault := newSafe()
	_, stop := w.sequencer(flaky, w.signing(vault))
	for size := int64(40); size <= 200; size += 40 {
		w.fill(40, 50)
		w.published(size)
		w.covered(size)
	}
	stop()
	if all := w.audit(); len(all) < 5 {
		t.Errorf("%d checkpoints", len(all))
	}

	// A crash between Postgres and Kafka: signed, and not sent.
	w.exec(`update ledger.checkpoints set "offset" = null where n = (select max(n) from ledger.checkpoints)`)
	if h, err := ledger.NewTree(w.pool).Head(t.Context()); err != nil || h.Size == 200 {
		t.Errorf("what Kafka may not have is public: %+v, %v", h, err)
	}
	w.sequencer(w.signing(vault))
	w.covered(200)
	w.audit()
}

// A Postgres that was restored learns from Kafka what was signed since, and a Kafka that
// lost it gets it again.
func TestCheckpointsComeBack(t *testing.T) {
	w := newWorld(t)
	vault := newSafe()
	keys, err := ledger.OpenLogKeys(t.Context(), w.pool, vault, "")
	must(t, err)
	_, stop := w.sequencer(w.signing(vault))
	w.uploads(10)
	w.covered(10)
	must(t, keys.Rotate(t.Context(), noon))
	w.uploads(10)
	w.covered(20)
	stop()
	want := w.audit()

	t.Run("to an empty Postgres", func(t *testing.T) {
		again := worldOver(t, embeddedtest.NewDatabase(t), w.cfg)
		_, stop := again.sequencer(again.signing(vault))
		again.covered(20)
		stop()
		if got := again.audit(); !slices.Equal(got, want) {
			t.Errorf("it has %v, want %v", got, want)
		}
	})
	t.Run("to an empty Kafka", func(t *testing.T) {
		again := worldOver(t, w.pool.Config().ConnString(), newCluster(t))
		s, stop := again.sequencer(again.signing(vault))
		again.published(20)
		eventually(t, "they are there", func() bool { return len(again.topic()) >= len(want)+2 })
		stop()
		if got := again.audit(); !slices.Equal(got, want) {
			t.Errorf("it has %v, want %v", got, want)
		}
		if s.Counters().Signed.Load() != 0 {
			t.Error("something was signed again")
		}
	})
	t.Run("without the vault", func(t *testing.T) {
		if _, err := ledger.OpenLogKeys(t.Context(), w.pool, newSafe(), ""); !errors.Is(err, ledger.ErrLogKey) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("with another vault", func(t *testing.T) {
		again := worldOver(t, embeddedtest.NewDatabase(t), w.cfg)
		s, _ := again.sequencer(again.signing(newSafe()))
		eventually(t, "it halts", func() bool { return s.Health().Halted != "" })
	})
}

// A record that does not keep what was signed stops everything.
func TestBrokenCheckpointHalts(t *testing.T) {
	for name, damage := range map[string]func(*world){
		"rolled back": func(w *world) {
			w.restore(3, false)
			other := newCluster(w.t)
			must(w.t, kafka.EnsureTopics(w.t.Context(), other))
			pub := kafka.NewPublisher(other)
			for _, e := range w.topic() {
				must(w.t, pub.Publish(ledger.TopicCheckpoints, &message.Message{Payload: e.Body, Metadata: message.Metadata{ledger.MetaSeq: fmt.Sprint(e.Seq)}}))
			}
			must(w.t, pub.Close())
			w.cfg = other
		},
		"two over as many facts": func(w *world) {
			all := w.topic()
			pub := kafka.NewPublisher(w.cfg)
			must(w.t, pub.Publish(ledger.TopicCheckpoints, &message.Message{Payload: all[len(all)-1].Body, Metadata: message.Metadata{ledger.MetaSeq: fmt.Sprint(len(all) + 1)}}))
			must(w.t, pub.Close())
		},
		"another entry in Kafka": func(w *world) {
			w.exec(`update ledger.checkpoints set note = note || 'x' where n = (select max(n) from ledger.checkpoints)`)
		},
		"a forged one": func(w *world) {
			key, err := merkle.NewSigningKey("somebody.example")
			must(w.t, err)
			note, err := merkle.SignCheckpoint(merkle.Checkpoint{Origin: "somebody.example", Size: 9}, key)
			must(w.t, err)
			pub := kafka.NewPublisher(w.cfg)
			must(w.t, pub.Publish(ledger.TopicCheckpoints, &message.Message{Payload: note, Metadata: message.Metadata{ledger.MetaSeq: fmt.Sprint(len(w.topic()) + 1)}}))
			must(w.t, pub.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			vault := newSafe()
			_, stop := w.sequencer(w.signing(vault))
			w.uploads(3)
			w.covered(3)
			w.uploads(3)
			w.covered(6)
			stop()
			damage(w)
			s, _ := w.sequencer(w.signing(vault))
			eventually(t, "it halts", func() bool { return s.Health().Halted != "" })
			if !strings.Contains(s.Health().Halted, "forked") {
				t.Error(s.Health().Halted)
			}
			if name == "rolled back" && w.end() != 0 {
				t.Errorf("%d facts were published before it was known that they are those that were signed", w.end())
			}
		})
	}
}

func TestLogKeys(t *testing.T) {
	w := newWorld(t)
	vault := newSafe()
	keys, err := ledger.OpenLogKeys(t.Context(), w.pool, vault, "log.example.org/1")
	must(t, err)
	if keys.Origin() != "log.example.org/1" {
		t.Errorf("it is named %s", keys.Origin())
	}
	for _, origin := range []string{"", "log.example.org/1"} {
		again, err := ledger.OpenLogKeys(t.Context(), w.pool, vault, origin)
		if err != nil || again.Origin() != "log.example.org/1" {
			t.Errorf("%q: %v", origin, err)
		}
	}
	if _, err := ledger.OpenLogKeys(t.Context(), w.pool, vault, "log.example.org/2"); !errors.Is(err, ledger.ErrOrigin) || !strings.Contains(err.Error(), "log.example.org/1") {
		t.Errorf("another name: %v", err)
	}
	if _, err := ledger.OpenLogKeys(t.Context(), openPool(t, migrated(t)), newSafe(), "no spaces"); err == nil {
		t.Error("a name that is none")
	}

	_, stop := w.sequencer(w.signing(vault))
	w.fill(5, 50)
	w.published(5)
	w.covered(5)
	// Interrupted once after the key was made: the next rotation takes it.
	orphan, err := merkle.NewSigningKey("log.example.org/1")
	must(t, err)
	must(t, vault.PutSecret(t.Context(), "log/key/0002", []byte(orphan.Secret())))
	next, err := w.ledger.RotateLogKey(t.Context(), keys, noon)
	if err != nil || next != orphan.Verifier() {
		t.Fatalf("%s, %v", next, err)
	}
	third, err := w.ledger.RotateLogKey(t.Context(), keys, noon)
	must(t, err)
	w.published(7) // both are facts
	h := w.covered(7)
	if _, err := merkle.OpenCheckpoint(h.Note, third); err != nil {
		t.Errorf("the new key does not sign: %v", err)
	}
	stop()
	w.audit()
	first, rotations, err := ledger.NewTree(w.pool).Keys(t.Context())
	must(t, err)
	if vkeys, err := merkle.Verifiers(first, rotations); err != nil || len(vkeys) != 3 || vkeys[2] != third {
		t.Errorf("%v, %v", vkeys, err)
	}
	facts, err := w.ledger.Load(t.Context(), system.LogStream(first))
	must(t, err)
	if len(facts) != 2 || facts[0].Fact.(system.LogKeyRotated).New != facts[1].Fact.(system.LogKeyRotated).Old {
		t.Errorf("%+v", facts)
	}
	must(t, w.ledger.RecordRotations(t.Context(), noon)) // nothing is left to record
}

func migrated(t *testing.T) string {
	t.Helper()
	dsn := embeddedtest.NewDatabase(t)
	pool := openPool(t, dsn)
	must(t, ledger.Migrate(t.Context(), pool))
	return dsn
}

// witness is one in this process.
type witness struct {
	name  string
	lines string
	errs  []error // of one request after the other; the last of them again and again
	asked chan int64
}

func (w *witness) Name() string { return w.name }

func (w *witness) Cosign(ctx context.Context, note []byte, prove func(context.Context, int64) ([]merkle.Hash, error)) (string, error) {
	c, err := merkle.ReadCheckpoint(note)
	if err != nil {
		return "", err
	}
	if _, err := prove(ctx, c.Size/2); err != nil {
		return "", err
	}
	w.asked <- c.Size
	if len(w.errs) == 0 {
		return w.lines, nil
	}
	err = w.errs[0]
	w.errs = w.errs[min(1, len(w.errs)-1):]
	return "", err
}

func TestWitnessesSignWhatIsPublic(t *testing.T) {
	w := newWorld(t)
	var said bytes.Buffer
	w.log = slog.New(slog.NewTextHandler(&said, nil))
	good := &witness{name: "witness.example", lines: "— witness.example AAAAAAECAwQFBgcI\n", asked: make(chan int64, 100)}
	away := &witness{name: "away", errs: []error{errors.New("away")}, asked: make(chan int64, 100)}
	another := &witness{name: "another", errs: []error{errors.New("away"), ledger.ErrContradicted}, asked: make(chan int64, 100)}
	_, stop := w.sequencer(w.signing(newSafe(), func(c *ledger.Signing) { c.Witnesses = []ledger.Witness{good, away, another} }))
	for size := int64(10); size <= 30; size += 10 {
		w.fill(10, 50)
		w.published(size)
		eventually(t, "it is cosigned", func() bool {
			h, err := ledger.NewTree(w.pool).Head(t.Context())
			return err == nil && h.Size == size && strings.HasSuffix(string(h.Note), good.lines)
		})
	}
	stop()
	if len(good.asked) < 3 || len(away.asked) < 3 {
		t.Errorf("asked %d and %d times", len(good.asked), len(away.asked))
	}
	for text, times := range map[string]int{
		"level=WARN msg=\"a witness does not sign; it is asked again with each checkpoint\" witness=away":    1,
		"level=WARN msg=\"a witness does not sign; it is asked again with each checkpoint\" witness=another": 1,
		"level=ERROR msg=\"ALARM: a witness saw another record\" witness=another":                            1,
		"witness=witness.example": 0,
	} {
		if n := strings.Count(said.String(), text); n != times {
			t.Errorf("%d times %q in\n%s", n, text, &said)
		}
	}
	w.audit()
}
