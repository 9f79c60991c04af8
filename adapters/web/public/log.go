package public

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/bgremover/bgremover/adapters/web/answer"
	"github.com/bgremover/bgremover/domain/refusal"
	"github.com/bgremover/bgremover/internal/ledger"
	"github.com/bgremover/bgremover/internal/merkle"
)

// Log is the tree over the record, as far as it is public.
type Log interface {
	merkle.Tiles
	Head(ctx context.Context) (ledger.Head, error)
	Keys(ctx context.Context) (first string, rotations [][]byte, err error)
}

// LogKeys is what GET /log/keys answers: whoever trusts the first key can follow the signed
// rotations to the newest.
type LogKeys struct {
	First     string   `json:"first"`
	Rotations []string `json:"rotations"`
}

// A checkpoint is soon followed by another; a tile never changes.
const (
	aFewSeconds = "public, max-age=5"
	forEver     = "public, max-age=31536000, immutable"
)

// Refusals of a tile.
var (
	errNoEntries = refusal.New(refusal.Missing, "log.no_entries",
		"This log serves the hashes of its entries, and not the entries.", "Those concern single people; ask for tiles at /log/tile/<level>/<index>.")
	errNoTile = refusal.New(refusal.Missing, "log.no_tile",
		"The newest checkpoint covers no such tile.", "Read /log/checkpoint first, and ask for tiles of a tree of that size, as https://c2sp.org/tlog-tiles says.")
)

// Checkpoint serves GET /log/checkpoint.
func Checkpoint(log Log) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		head, err := log.Head(r.Context())
		if err != nil {
			answer.Fail(w, r, err)
			return
		}
		share(w, "text/plain; charset=utf-8", aFewSeconds, head.Note)
	}
}

// Keys serves GET /log/keys.
func Keys(log Log) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		first, rotations, err := log.Keys(r.Context())
		if err != nil {
			answer.Fail(w, r, err)
			return
		}
		keys := LogKeys{First: first, Rotations: make([]string, len(rotations))}
		for i, signed := range rotations {
			keys.Rotations[i] = string(signed)
		}
		body, err := json.Marshal(keys)
		if err != nil {
			answer.Fail(w, r, err)
			return
		}
		share(w, "application/json", aFewSeconds, body)
	}
}

// Tile serves GET /log/tile/{path...}: only what the newest public checkpoint covers.
func Tile(log Log) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		path := r.PathValue("path")
		if strings.HasPrefix(path, "entries/") {
			answer.Fail(w, r, errNoEntries)
			return
		}
		tile, err := merkle.ParseTile(path)
		if err != nil {
			answer.Fail(w, r, errNoTile)
			return
		}
		head, err := log.Head(r.Context())
		if err == nil && !tile.Within(head.Size) {
			err = errNoTile
		}
		if err != nil {
			answer.Fail(w, r, err)
			return
		}
		hashes, err := log.Tile(r.Context(), tile)
		if err != nil {
			answer.Fail(w, r, err)
			return
		}
		body := make([]byte, 0, len(hashes)*len(merkle.Hash{}))
		for _, h := range hashes {
			body = append(body, h[:]...)
		}
		share(w, "application/octet-stream", forEver, body)
	}
}

// share answers with what anybody may keep, and any page may read.
func share(w http.ResponseWriter, kind, keep string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", keep)
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	_, _ = w.Write(body) //nolint:gosec // G705: no kind is HTML, and it is not to be sniffed. The client may be gone.
}
