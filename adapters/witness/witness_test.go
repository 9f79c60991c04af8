package witness_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/bgremover/bgremover/adapters/witness"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/merkle"
)

// strict is a witness that checks everything that https://c2sp.org/tlog-witness has it
// check, with other people's code: x/mod's proofs and torchwood's cosignatures.
type strict struct {
	t      *testing.T
	origin string
	log    note.Verifier
	signer *torchwood.CosignatureSigner

	mu       sync.Mutex
	tree     tlog.Tree
	requests int
	spoil    func(http.ResponseWriter) bool // answers instead
}

func newStrict(t *testing.T, log merkle.SigningKey) (*strict, string) {
	t.Helper()
	_, secret, err := ed25519.GenerateKey(nil)
	must(t, err)
	signer, err := torchwood.NewCosignatureSigner("witness.example/w1", secret)
	must(t, err)
	verifier, err := note.NewVerifier(log.Verifier())
	must(t, err)
	s := &strict{t: t, origin: log.Origin(), log: verifier, signer: signer}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, server.URL + "/prefix#" + signer.Verifier().String()
}

func (s *strict) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if s.spoil != nil && s.spoil(w) {
		return
	}
	if r.Method != http.MethodPost || r.URL.Path != "/prefix/add-checkpoint" {
		http.Error(w, "not here", http.StatusNotImplemented)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Error(err)
	}
	head, signed, _ := bytes.Cut(body, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	size, ok := strings.CutPrefix(lines[0], "old ")
	old, err := strconv.ParseInt(size, 10, 64)
	if !ok || err != nil || strconv.FormatInt(old, 10) != size || len(lines) > 64 {
		http.Error(w, "old size", http.StatusBadRequest)
		return
	}
	var proof tlog.TreeProof
	for _, line := range lines[1:] {
		h, err := tlog.ParseHash(line)
		if err != nil {
			http.Error(w, "proof", http.StatusBadRequest)
			return
		}
		proof = append(proof, h)
	}
	if origin, _, _ := strings.Cut(string(signed), "\n"); origin != s.origin {
		http.Error(w, "origin", http.StatusNotFound)
		return
	}
	n, err := note.Open(signed, note.VerifierList(s.log))
	if err != nil {
		http.Error(w, "signature", http.StatusForbidden)
		return
	}
	c, err := torchwood.ParseCheckpoint(n.Text)
	switch {
	case err != nil || old > c.N:
		http.Error(w, "checkpoint", http.StatusBadRequest)
		return
	case old != s.tree.N, old == c.N && old > 0 && c.Hash != s.tree.Hash:
		w.Header().Set("Content-Type", "text/x.tlog.size")
		w.WriteHeader(http.StatusConflict)
		fmt.Fprintf(w, "%d\n", s.tree.N)
		return
	case old == 0 && len(proof) > 0, old > 0 && tlog.CheckTree(proof, c.N, c.Hash, old, s.tree.Hash) != nil:
		http.Error(w, "proof", http.StatusUnprocessableEntity)
		return
	}
	s.tree = c.Tree
	cosigned, err := note.Sign(&note.Note{Text: n.Text}, s.signer)
	if err != nil {
		s.t.Error(err)
	}
	_, _ = w.Write(cosigned[len(n.Text)+1:])
}

// log is a record that grows.
type log struct {
	t     *testing.T
	key   merkle.SigningKey
	tiles rows
	edge  merkle.Edge
}

type rows struct{ levels [][]merkle.Hash }

func (r *rows) Tile(_ context.Context, t merkle.Tile) ([]merkle.Hash, error) {
	from := t.Index * merkle.TileWidth
	if t.Level >= len(r.levels) || from+int64(t.Width) > int64(len(r.levels[t.Level])) {
		return nil, errors.New("no such tile")
	}
	return r.levels[t.Level][from : from+int64(t.Width)], nil
}

func newLog(t *testing.T) *log {
	t.Helper()
	key, err := merkle.NewSigningKey("log.example.org/1")
	must(t, err)
	return &log{t: t, key: key, tiles: rows{levels: make([][]merkle.Hash, 3)}}
}

// grow adds facts and signs.
func (l *log) grow(n int, kind string) []byte {
	l.t.Helper()
	for range n {
		leaf := merkle.Leaf(fmt.Appendf(nil, "%s %d", kind, l.edge.Size()))
		l.tiles.levels[0] = append(l.tiles.levels[0], leaf)
		l.edge.Append(leaf, func(f merkle.FullTile) { l.tiles.levels[f.Level+1] = append(l.tiles.levels[f.Level+1], f.Root) })
	}
	signed, err := merkle.SignCheckpoint(merkle.Checkpoint{Origin: l.key.Origin(), Size: l.edge.Size(), Root: l.edge.Root()}, l.key)
	must(l.t, err)
	return signed
}

func (l *log) prove(ctx context.Context, old int64) ([]merkle.Hash, error) {
	return merkle.Consistency(ctx, &l.tiles, old, l.edge.Size())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWitnessSigns(t *testing.T) {
	l := newLog(t)
	theirs, address := newStrict(t, l.key)
	w, err := witness.Parse(address)
	must(t, err)
	for i, n := range []int{1, 1, 300, 5, 700} {
		signed := l.grow(n, "fact")
		lines, err := w.Cosign(t.Context(), signed, l.prove)
		must(t, err)
		cosigned := append(signed, lines...)
		n, err := note.Open(cosigned, note.VerifierList(theirs.signer.Verifier()))
		if err != nil || len(n.Sigs) != 1 || theirs.tree.N != l.edge.Size() || theirs.requests != i+1 {
			t.Errorf("%d: %v\n%s", i, err, cosigned)
		}
	}
	again, err := w.Cosign(t.Context(), l.grow(0, ""), l.prove) // the same size again
	if err != nil || again == "" {
		t.Errorf("%q, %v", again, err)
	}

	// After a restart we do not know what it saw; it says so, once.
	w, err = witness.Parse(address)
	must(t, err)
	before := theirs.requests
	_, err = w.Cosign(t.Context(), l.grow(7, "fact"), l.prove)
	must(t, err)
	if theirs.requests != before+2 {
		t.Errorf("%d requests", theirs.requests-before)
	}
}

// A witness signs no record that was changed or rolled back, and we say what it says.
func TestWitnessRefuses(t *testing.T) {
	l := newLog(t)
	theirs, address := newStrict(t, l.key)
	w, err := witness.Parse(address)
	must(t, err)
	_, err = w.Cosign(t.Context(), l.grow(100, "fact"), l.prove)
	must(t, err)

	forked, shorter, other := newLog(t), newLog(t), newLog(t)
	forked.key, shorter.key = l.key, l.key
	for name, c := range map[string]struct {
		log    *log
		signed []byte
		says   string
		alarm  bool
	}{
		"forked":        {forked, forked.grow(200, "another"), "consistency proof", true},
		"rolled back":   {shorter, shorter.grow(50, "fact"), "100 facts last", true},
		"another's key": {other, other.grow(120, "fact"), "newest key", false},
	} {
		if lines, err := w.Cosign(t.Context(), c.signed, c.log.prove); err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "witness.example") {
			t.Errorf("%s: %q, %v", name, lines, err)
		} else if errors.Is(err, ledger.ErrContradicted) != c.alarm {
			t.Errorf("%s: an alarm? %v", name, err)
		}
	}
	if theirs.tree.N != 100 {
		t.Errorf("it took %d facts in", theirs.tree.N)
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	l := newLog(t)
	signed := l.grow(10, "fact")
	foreign, err := note.Sign(&note.Note{Text: "hello\n"}, l.key)
	must(t, err)
	for name, spoil := range map[string]func(http.ResponseWriter){
		"nothing":              func(http.ResponseWriter) {},
		"an error":             func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) },
		"a redirect":           func(w http.ResponseWriter) { w.Header().Set("Location", "/"); w.WriteHeader(http.StatusFound) },
		"an unknown log":       func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) },
		"no size":              func(w http.ResponseWriter) { w.WriteHeader(http.StatusConflict) },
		"the log's signature":  func(w http.ResponseWriter) { _, _ = w.Write(foreign) },
		"something very long":  func(w http.ResponseWriter) { _, _ = w.Write(bytes.Repeat([]byte("— a AAAAAAA=\n"), 10_000)) },
		"not a signature line": func(w http.ResponseWriter) { _, _ = io.WriteString(w, "thanks\n") },
		"a size without end": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/x.tlog.size")
			w.WriteHeader(http.StatusConflict)
			_, _ = io.WriteString(w, "3\n")
		},
	} {
		theirs, address := newStrict(t, l.key)
		theirs.spoil = func(w http.ResponseWriter) bool { spoil(w); return true }
		w, err := witness.Parse(address)
		must(t, err)
		if lines, err := w.Cosign(t.Context(), signed, l.prove); err == nil {
			t.Errorf("%s: %q", name, lines)
		}
		if theirs.requests > 2 {
			t.Errorf("%s: asked %d times", name, theirs.requests)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, address := newStrict(t, l.key)
	w, err := witness.Parse(address)
	must(t, err)
	if _, err := w.Cosign(ctx, signed, l.prove); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestParse(t *testing.T) {
	l := newLog(t)
	_, address := newStrict(t, l.key)
	_, vkey, _ := strings.Cut(address, "#")
	if w, err := witness.Parse("https://witness.example/a/b/#" + vkey); err != nil || w.Name() != "witness.example/w1" {
		t.Errorf("%v, %v", w, err)
	}
	for bad, says := range map[string]string{
		"https://witness.example/add":                            "has no key",
		"https://witness.example/add#":                           "has no key",
		"https://witness.example/add#hello":                      "<name>+<hash>+<key>",
		"https://witness.example/add#" + l.key.Verifier():        "key of a log",
		"witness.example#" + vkey:                                "no address",
		"ftp://witness.example#" + vkey:                          "no address",
		"https://user:secret@witness.example#" + vkey:            "no address",
		"https://witness.example?x=1#" + vkey:                    "no address",
		"https://witness.example/#" + "x" + vkey:                 "hash",
		"https://witness.example/#" + vkey + base64Tail("extra"): "understood",
	} {
		if _, err := witness.Parse(bad); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func base64Tail(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
