package evidence_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/internal/evidence"
	"github.com/bgremover/bgremover/internal/merkle"
)

const (
	origin  = "log.example.org/2026"
	picture = id.Image("0190b0a0-0000-7000-8000-0000000000aa")
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// fataler is a test, or a property's.
type fataler interface{ Fatalf(string, ...any) }

// keyOf makes the same key from the same word, as note.GenerateKey writes it.
func keyOf(t fataler, name, word string) merkle.SigningKey {
	seed := sha256.Sum256([]byte(word))
	public := ed25519.NewKeyFromSeed(seed[:]).Public().(ed25519.PublicKey)
	sum := sha256.Sum256(append([]byte(name+"\n\x01"), public...))
	key, err := merkle.ParseSigningKey(fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", name, binary.BigEndian.Uint32(sum[:]),
		base64.StdEncoding.EncodeToString(append([]byte{1}, seed[:]...))))
	if err != nil {
		t.Fatalf("make a key: %v", err)
	}
	return key
}

// tree holds the leaves of a small tree.
type tree []merkle.Hash

// Tile implements [merkle.Tiles].
func (tr tree) Tile(_ context.Context, tile merkle.Tile) ([]merkle.Hash, error) {
	from := tile.Index * merkle.TileWidth
	switch tile.Level {
	case 0:
		return tr[from : from+int64(tile.Width)], nil
	case 1:
		hashes := make([]merkle.Hash, tile.Width)
		for i := range hashes {
			var below merkle.Frontier
			for _, leaf := range tr[(from+int64(i))*merkle.TileWidth:][:merkle.TileWidth] {
				below.Append(leaf)
			}
			hashes[i] = below.Root()
		}
		return hashes, nil
	}
	return nil, fmt.Errorf("no tile %s in a small tree", tile.Path())
}

func (tr tree) checkpoint(t fataler, size int64, key merkle.SigningKey) []byte {
	root, err := merkle.RootOf(context.Background(), tr, size)
	if err != nil {
		t.Fatalf("root: %v", err)
	}
	signed, err := merkle.SignCheckpoint(merkle.Checkpoint{Origin: key.Origin(), Size: size, Root: root}, key)
	if err != nil {
		t.Fatalf("sign: %v", err)
	}
	return signed
}

// world is a log with one deleted picture in it.
type world struct {
	key    merkle.SigningKey
	leaves tree
	record evidence.Receipt // without a proof
}

// newWorld makes a log of a size in which the deletion stands at a place.
func newWorld(t fataler, seq, size int64) world {
	w := world{key: keyOf(t, origin, "first")}
	w.record = evidence.Receipt{
		Log: origin, Issued: noon.Add(2 * time.Minute), Image: picture,
		Uploaded: noon.Add(-time.Minute), Due: noon.Add(24*time.Hour - time.Minute), Deleted: noon, Why: image.BecauseDownloaded,
		Copies:      []evidence.Copy{{Kind: image.Original}, {Kind: image.Result}},
		Deletion:    evidence.Fact{Seq: seq, Body: deletion("downloaded")},
		Destruction: evidence.Fact{Seq: seq + 1, Body: destruction(picture)},
		Keys:        evidence.Keys{First: w.key.Verifier()},
	}
	for i := range size {
		w.leaves = append(w.leaves, merkle.Leaf(fmt.Appendf(nil, "fact %d", i)))
	}
	w.leaves[seq-1] = merkle.Leaf([]byte(w.record.Deletion.Body))
	w.leaves[seq] = merkle.Leaf([]byte(w.record.Destruction.Body))
	return w
}

func deletion(why string) string {
	return `{"specversion":"1.0","id":"0190b0a0-0000-7000-8000-000000000001","source":"bgremover","type":"image.deleted.v1",` +
		`"subject":"image/0190b0a0-0000-7000-8000-0000000000aa","time":"2026-03-02T12:00:00.000Z","datacontenttype":"application/json",` +
		`"streamversion":4,"causationid":"0190b0a0-0000-7000-8000-000000000002","data":{"fact":{"why":"` + why + `",` +
		`"due":"2026-03-03T11:59:00.000Z","actual":"2026-03-02T12:00:00.000Z","copies":["original","result"]},"actor":{"role":"visitor"},` +
		`"decision":{"rule":"retention.downloaded","promises":["image.delete-on-download"],"revision":1,"outcome":"allow","input":{"whole":true}},` +
		`"salt":"5e997eb45f46fdf1d5eb5de75fd92571"}}`
}

func destruction(img id.Image) string {
	return `{"specversion":"1.0","id":"0190b0a0-0000-7000-8000-000000000003","source":"bgremover","type":"vault.key_destroyed.v1",` +
		`"subject":"vault/` + string(img) + `","time":"2026-03-02T12:00:00.000Z","datacontenttype":"application/json",` +
		`"streamversion":1,"causationid":"0190b0a0-0000-7000-8000-000000000002","data":{"fact":{"key":"image/` + string(img) + `","why":"image.deleted"},` +
		`"actor":{"role":"visitor"},"salt":"9f01c63cd3f8502e03d3e94e19969fd5"}}`
}

// proven adds what a checkpoint of a size makes possible; with older, also that its tree
// begins with one of that size.
func (w world) proven(t fataler, size, older int64) evidence.Receipt {
	ctx, r := context.Background(), w.record
	p := evidence.Proof{Checkpoint: string(w.leaves.checkpoint(t, size, w.key)), Older: older}
	var err error
	if p.Deletion, err = merkle.Inclusion(ctx, w.leaves, size, r.Deletion.Seq-1); err != nil {
		t.Fatalf("inclusion: %v", err)
	}
	if p.Destruction, err = merkle.Inclusion(ctx, w.leaves, size, r.Destruction.Seq-1); err != nil {
		t.Fatalf("inclusion: %v", err)
	}
	if older > 0 {
		if p.Consistency, err = merkle.Consistency(ctx, w.leaves, older, size); err != nil {
			t.Fatalf("consistency: %v", err)
		}
	}
	r.Proof = &p
	return r
}

func sign(t fataler, r evidence.Receipt, key merkle.SigningKey) []byte {
	signed, err := evidence.Sign(r, key)
	if err != nil {
		t.Fatalf("sign: %v", err)
	}
	return signed
}

// forge signs what [evidence.Sign] would not.
func forge(t *testing.T, text string, key merkle.SigningKey) []byte {
	t.Helper()
	signature, err := key.Sign([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	id, err := hex.DecodeString(fmt.Sprintf("%08x", key.KeyHash()))
	if err != nil {
		t.Fatal(err)
	}
	return []byte(text + "\n— " + key.Name() + " " + base64.StdEncoding.EncodeToString(append(id, signature...)) + "\n")
}
