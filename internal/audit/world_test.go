package audit

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/merkle"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// tape is a partition in memory.
type tape []ledger.Entry

// page is how many entries a tape hands out at once.
const tapePage = 300

// Fetch implements [ledger.Source].
func (t tape) Fetch(_ context.Context, from int64, _ time.Duration) (ledger.Fetched, error) {
	f := ledger.Fetched{Next: from}
	if len(t) > 0 {
		f.Start, f.End = t[0].Offset, t[len(t)-1].Offset+1
	}
	first, _ := slices.BinarySearchFunc(t, from, func(e ledger.Entry, offset int64) int { return int(e.Offset - offset) })
	if from < f.Start || first == len(t) {
		return f, nil
	}
	f.Entries = slices.Clone(t[first:min(first+tapePage, len(t))])
	f.Next = f.Entries[len(f.Entries)-1].Offset + 1
	return f, nil
}

// number gives a tape its offsets anew.
func (t tape) number() tape {
	for i := range t {
		t[i].Offset = int64(i)
	}
	return t
}

// clone copies a tape, but no bodies: who changes one replaces it.
func (t tape) clone() tape { return slices.Clone(t) }

// logbook is a log as its service keeps it: facts, their tree, and what was signed.
type logbook struct {
	t           testing.TB
	key         merkle.SigningKey
	record      tape
	leaves      tiles
	checkpoints tape
}

// tiles is the tree as the service stores it: independent of how the auditor does.
type tiles []merkle.Hash

// Tile implements [merkle.Tiles].
func (t tiles) Tile(_ context.Context, tile merkle.Tile) ([]merkle.Hash, error) {
	if !tile.Within(int64(len(t))) {
		return nil, fmt.Errorf("no tile %s", tile.Path())
	}
	span := 1 << (8 * tile.Level)
	hashes := make([]merkle.Hash, tile.Width)
	for i := range hashes {
		var f merkle.Frontier
		first := (int(tile.Index)*merkle.TileWidth + i) * span
		for _, leaf := range t[first : first+span] {
			f.Append(leaf)
		}
		hashes[i] = f.Root()
	}
	return hashes, nil
}

func (t tiles) root(size int) merkle.Hash {
	var f merkle.Frontier
	for _, leaf := range t[:size] {
		f.Append(leaf)
	}
	return f.Root()
}

// newLog makes a log of so many facts, in lives of pictures that are mixed.
func newLog(t testing.TB, facts int, seed uint64) *logbook {
	t.Helper()
	key, err := merkle.NewSigningKey("log.example.org/test")
	must(t, err)
	l := &logbook{t: t, key: key}
	codec, random := ledger.NewCodec("test", ledger.Facts(), nil), rand.New(rand.NewPCG(seed, 1))
	type life struct {
		img   id.Image
		facts int64
	}
	var lives []life
	for seq := range facts {
		if len(lives) == 0 || random.IntN(4) == 0 {
			lives = append(lives, life{img: id.Image(newID(random))})
		}
		i := random.IntN(len(lives))
		one := &lives[i]
		env := event.Envelope{
			ID: id.Fact(newID(random)), At: noon.Add(time.Duration(seq) * time.Second), Stream: image.Stream(one.img), Version: one.facts + 1,
			Actor: event.Actor{Role: event.Processor}, Cause: event.Cause{Request: "r-" + id.Request(newID(random))},
			Fact: nextFact(one.img, one.facts),
		}
		if one.facts == 4 {
			env.Stream, env.Version = system.VaultStream(image.Key(one.img)), 1
			lives = slices.Delete(lives, i, i+1)
		} else {
			one.facts++
		}
		body, err := codec.Encode(env, testKey(image.Key(image0(env))))
		must(t, err)
		l.add(body)
	}
	return l
}

func image0(env event.Envelope) id.Image { img, _ := image.OfStream(env.Stream); return img }

func nextFact(img id.Image, n int64) event.Fact {
	switch n {
	case 0:
		return image.Uploaded{
			SizeClass: image.UpTo1MiB, Due: noon, Basis: "contract", Capability: image.HashCapability(string(img)),
			FileName: personal.Of("a name"),
		}
	case 1:
		return image.Processed{Model: "u2net", Dimensions: image.UpTo1MP}
	case 2:
		return image.Downloaded{Whole: true}
	case 3:
		return image.Deleted{Why: image.BecauseDue, Due: noon, Actual: noon, Copies: image.Copies()}
	}
	return system.KeyDestroyed{Key: image.Key(img), Why: "image.deleted"}
}

func (l *logbook) add(body []byte) {
	l.record = append(l.record, ledger.Entry{Seq: int64(len(l.leaves) + 1), Offset: int64(len(l.record)), Body: body})
	l.leaves = append(l.leaves, merkle.Leaf(body))
}

// at is the log's head at a size.
func (l *logbook) at(size int) merkle.Checkpoint {
	return merkle.Checkpoint{Origin: l.key.Origin(), Size: int64(size), Root: l.leaves.root(size)}
}

// sign signs a checkpoint.
func (l *logbook) sign(c merkle.Checkpoint) []byte {
	signed, err := merkle.SignCheckpoint(c, l.key)
	must(l.t, err)
	return signed
}

// checkpoint publishes one at each size.
func (l *logbook) checkpoint(sizes ...int) {
	for _, size := range sizes {
		l.note(l.sign(l.at(size)))
	}
}

func (l *logbook) note(signed []byte) {
	l.checkpoints = append(l.checkpoints, ledger.Entry{Seq: int64(len(l.checkpoints) + 1), Offset: int64(len(l.checkpoints)), Body: signed})
}

// options verify the log as it is.
func (l *logbook) options() Options {
	return Options{Record: l.record, Checkpoints: l.checkpoints, Key: l.key.Verifier(), Pinned: true, Dir: l.t.TempDir()}
}

// head is what the service's Postgres says.
func (l *logbook) head() func(context.Context) (Head, error) {
	h := Head{Published: int64(len(l.leaves)), Size: int64(len(l.leaves)), Root: l.leaves.root(len(l.leaves))}
	return func(context.Context) (Head, error) { return h, nil }
}

func verify(t testing.TB, o Options) Report {
	t.Helper()
	r, err := Verify(t.Context(), o)
	must(t, err)
	return r
}

// holds wants nothing found.
func holds(t testing.TB, o Options) Report {
	t.Helper()
	r := verify(t, o)
	if r.Finding != nil {
		t.Fatalf("found %s", r.Finding)
	}
	return r
}

func newID(random *rand.Rand) string {
	a, b := random.Uint64(), random.Uint64()
	return fmt.Sprintf("%08x-%04x-7%03x-8%03x-%012x", uint32(a), uint16(a>>32), a>>48&0xfff, b&0xfff, b>>16)
}

// testKey seals under a secret that everybody knows.
type testKey personal.KeyID

func (k testKey) aead() cipher.AEAD {
	block, err := aes.NewCipher([]byte("an AES-256 key that all can read"))
	if err != nil {
		panic(err) // the length is right
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // AES fits GCM
	}
	return aead
}

func (k testKey) ID() personal.KeyID { return personal.KeyID(k) }
func (k testKey) Seal(plain, context []byte) ([]byte, error) {
	return k.aead().Seal(nil, nil, plain, context), nil
}

func (k testKey) Open(sealed, context []byte) ([]byte, error) {
	return k.aead().Open(nil, nil, sealed, context)
}

func (testKey) SealTo(io.Writer, []byte) (io.WriteCloser, error) { panic("not used here") }
func (testKey) OpenFrom(io.Reader, []byte) (io.Reader, error)    { panic("not used here") }
func (testKey) PlainSize(int64) int64                            { panic("not used here") }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var errAway = errors.New("away")

// away is a topic of a Kafka that does not answer.
type away struct{}

func (away) Fetch(context.Context, int64, time.Duration) (ledger.Fetched, error) {
	return ledger.Fetched{}, errAway
}

func headOf(h Head) func(context.Context) (Head, error) {
	return func(context.Context) (Head, error) { return h, nil }
}

func noHead(context.Context) (Head, error) { return Head{}, errAway }
