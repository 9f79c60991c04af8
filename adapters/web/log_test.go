package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/bgremover/bgremover/adapters/web"
	"github.com/bgremover/bgremover/adapters/web/public"
	"github.com/bgremover/bgremover/internal/fake"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/merkle"
)

// tree is a log in memory that has more than it has signed.
type tree struct {
	key    merkle.SigningKey
	rows   [][]merkle.Hash
	head   ledger.Head
	broken error
}

const treeSize, headSize = 66_700, 66_500

func newTree(t *testing.T) *tree {
	t.Helper()
	key, err := merkle.NewSigningKey("example.com/log")
	if err != nil {
		t.Fatal(err)
	}
	l := &tree{key: key, rows: make([][]merkle.Hash, 4)}
	var edge merkle.Edge
	for i := range treeSize {
		leaf := merkle.Leaf(fmt.Appendf(nil, "fact %d", i))
		l.rows[0] = append(l.rows[0], leaf)
		edge.Append(leaf, func(f merkle.FullTile) { l.rows[f.Level+1] = append(l.rows[f.Level+1], f.Root) })
		if edge.Size() == headSize {
			l.head.Checkpoint = merkle.Checkpoint{Origin: key.Origin(), Size: headSize, Root: edge.Root()}
		}
	}
	if l.head.Note, err = merkle.SignCheckpoint(l.head.Checkpoint, key); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *tree) Tile(_ context.Context, t merkle.Tile) ([]merkle.Hash, error) {
	from := t.Index * merkle.TileWidth
	return l.rows[t.Level][from : from+int64(t.Width)], l.broken
}

func (l *tree) Head(context.Context) (ledger.Head, error) { return l.head, l.broken }

func (l *tree) Keys(context.Context) (string, [][]byte, error) {
	return l.key.Verifier(), [][]byte{[]byte("a rotation\n")}, l.broken
}

// Somebody else's client of tiled logs reads the checkpoint, checks it with the key, and
// checks every hash that it fetches against it.
func TestOthersClientsReadTheLog(t *testing.T) {
	l := newTree(t)
	w := newWorld(t, fake.Cutter{}, func(c *web.Config) { c.Tree = l })
	server := httptest.NewServer(w.site)
	defer server.Close()
	client, err := torchwood.NewTileFetcher(server.URL+"/log", torchwood.WithHTTPClient(server.Client()), torchwood.WithUserAgent("test (test@example.com)"))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := client.ReadEndpoint(t.Context(), "checkpoint")
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(l.key.Verifier())
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		t.Fatal(err)
	}
	checkpoint, err := torchwood.ParseCheckpoint(n.Text)
	if err != nil || checkpoint.N != headSize || checkpoint.Origin != "example.com/log" {
		t.Fatalf("%+v, %v", checkpoint, err)
	}
	hashes := torchwood.TileHashReaderWithContext(t.Context(), checkpoint.Tree, client)
	for _, index := range []int64{0, 255, 256, 65535, 65536, headSize - 1} {
		proof, err := tlog.ProveRecord(checkpoint.N, index, hashes)
		if err != nil {
			t.Fatal(err)
		}
		if err := tlog.CheckRecord(proof, checkpoint.N, checkpoint.Hash, index, tlog.RecordHash(fmt.Appendf(nil, "fact %d", index))); err != nil {
			t.Errorf("fact %d: %v", index, err)
		}
	}
	for _, old := range []int64{1, 256, 1000, 65536, headSize} {
		proof, err := tlog.ProveTree(checkpoint.N, old, hashes)
		if err != nil {
			t.Fatal(err)
		}
		root, err := merkle.RootOf(t.Context(), l, old)
		if err != nil || tlog.CheckTree(proof, checkpoint.N, checkpoint.Hash, old, root) != nil {
			t.Errorf("the tree of %d is not the beginning (%v)", old, err)
		}
	}
}

func TestLogAnswers(t *testing.T) {
	l := newTree(t)
	w := newWorld(t, fake.Cutter{}, func(c *web.Config) { c.Tree = l })
	for path, want := range map[string]struct {
		status int
		kind   string
		keep   string
		size   int // of the body; 0: any
		says   string
	}{
		"checkpoint":         {200, "text/plain; charset=utf-8", "public, max-age=5", len(l.head.Note), ""},
		"keys":               {200, "application/json", "public, max-age=5", 0, `"first":"example.com/log+`},
		"tile/0/000":         {200, "application/octet-stream", "public, max-age=31536000, immutable", 8192, ""},
		"tile/0/000.p/1":     {200, "application/octet-stream", "public, max-age=31536000, immutable", 32, ""},
		"tile/0/259.p/196":   {200, "application/octet-stream", "public, max-age=31536000, immutable", 196 * 32, ""},
		"tile/1/000":         {200, "application/octet-stream", "public, max-age=31536000, immutable", 8192, ""},
		"tile/1/001.p/3":     {200, "application/octet-stream", "public, max-age=31536000, immutable", 96, ""},
		"tile/2/000.p/1":     {200, "application/octet-stream", "public, max-age=31536000, immutable", 32, ""},
		"tile/0/259.p/197":   {404, "application/problem+json", "no-store", 0, "log.no_tile"}, // not signed yet
		"tile/0/259":         {404, "application/problem+json", "no-store", 0, "log.no_tile"},
		"tile/0/260.p/1":     {404, "application/problem+json", "no-store", 0, "log.no_tile"},
		"tile/1/001.p/4":     {404, "application/problem+json", "no-store", 0, "log.no_tile"},
		"tile/7/000":         {404, "application/problem+json", "no-store", 0, "log.no_tile"},
		"tile/0/0":           {404, "application/problem+json", "no-store", 0, "log.no_tile"},
		"tile/":              {404, "application/problem+json", "no-store", 0, "log.no_tile"},
		"tile/entries/000":   {404, "application/problem+json", "no-store", 0, "log.no_entries"},
		"tile/0/000.p/0":     {404, "application/problem+json", "no-store", 0, "log.no_tile"},
		"tile/0/x000/000":    {404, "application/problem+json", "no-store", 0, "log.no_tile"},
		"tile/00/000":        {404, "application/problem+json", "no-store", 0, "log.no_tile"},
		"tile/0/000.p/256":   {404, "application/problem+json", "no-store", 0, "log.no_tile"},
		"something-else":     {404, "", "", 0, ""},
		"tile/9/000.p/1?x=1": {404, "application/problem+json", "no-store", 0, "log.no_tile"},
	} {
		answer := w.do(t, "GET", "/log/"+path, nil)
		h := answer.Header()
		if answer.Code != want.status || want.kind != "" && h.Get("Content-Type") != want.kind || want.keep != "" && h.Get("Cache-Control") != want.keep {
			t.Errorf("%s: %d, %s, %s", path, answer.Code, h.Get("Content-Type"), h.Get("Cache-Control"))
		}
		if want.size > 0 && answer.Body.Len() != want.size || !strings.Contains(answer.Body.String(), want.says) {
			t.Errorf("%s: %d bytes: %.100s", path, answer.Body.Len(), answer.Body)
		}
	}
	var keys public.LogKeys
	if err := json.Unmarshal(w.do(t, "GET", "/log/keys", nil).Body.Bytes(), &keys); err != nil || keys.First != l.key.Verifier() || len(keys.Rotations) != 1 || keys.Rotations[0] != "a rotation\n" {
		t.Errorf("%+v, %v", keys, err)
	}
	l.broken = ledger.ErrNoCheckpoint
	if answer := w.do(t, "GET", "/log/checkpoint", nil); answer.Code != 404 || !strings.Contains(answer.Body.String(), "log.no_checkpoint") {
		t.Errorf("before the first: %d %s", answer.Code, answer.Body)
	}
	l.broken = errors.New("a table is missing")
	for _, path := range []string{"checkpoint", "keys", "tile/0/000"} {
		if answer := w.do(t, "GET", "/log/"+path, nil); answer.Code != 500 || strings.Contains(answer.Body.String(), "table") {
			t.Errorf("%s: %d %s", path, answer.Code, answer.Body)
		}
	}
}
