package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/bgremover/bgremover/internal/merkle"
)

// webTiles asks a log that serves its tiles (https://c2sp.org/tlog-tiles). What it answers
// is a hint until a proof bears it out.
type webTiles struct {
	base   string // ends before "/tile/…"
	client *http.Client

	mu   sync.Mutex
	full map[merkle.Tile][]merkle.Hash // tiles that were asked for; a bisection comes back to the same
}

// keptTiles bounds how many are kept, at 8 KiB each.
const keptTiles = 1024

func newWebTiles(address string) (*webTiles, error) {
	base, err := url.Parse(address)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.RawQuery != "" {
		return nil, fmt.Errorf("%q is not the address of a log; --tiles wants one such as https://bgremover.example.org/log", address)
	}
	return &webTiles{
		base: strings.TrimRight(address, "/"), client: &http.Client{Timeout: 30 * time.Second}, full: map[merkle.Tile][]merkle.Hash{},
	}, nil
}

var errNoTile = errors.New("the log does not serve this tile")

// Tile implements [merkle.Tiles]. A log need not serve the partial form of a tile that is
// full by now, so that is asked for first.
func (t *webTiles) Tile(ctx context.Context, tile merkle.Tile) ([]merkle.Hash, error) {
	whole := tile
	whole.Width = merkle.TileWidth
	hashes, err := t.get(ctx, whole)
	if errors.Is(err, errNoTile) && tile.Width < merkle.TileWidth {
		hashes, err = t.get(ctx, tile)
	}
	if err != nil {
		return nil, fmt.Errorf("tile %s: %w", tile.Path(), err)
	}
	return hashes[:tile.Width], nil
}

func (t *webTiles) get(ctx context.Context, tile merkle.Tile) ([]merkle.Hash, error) {
	t.mu.Lock()
	hashes, known := t.full[tile]
	t.mu.Unlock()
	if known && hashes == nil {
		return nil, errNoTile
	}
	if known {
		return hashes, nil
	}
	hashes, err := t.fetch(ctx, tile)
	if err != nil && !errors.Is(err, errNoTile) {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.full) >= keptTiles {
		clear(t.full)
	}
	t.full[tile] = hashes
	return hashes, err
}

func (t *webTiles) fetch(ctx context.Context, tile merkle.Tile) (_ []merkle.Hash, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.base+"/tile/"+tile.Path(), nil)
	if err != nil {
		return nil, err
	}
	answer, err := t.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	switch answer.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return nil, errNoTile
	default:
		return nil, fmt.Errorf("the log answered %s", answer.Status)
	}
	const size = len(merkle.Hash{})
	raw, err := io.ReadAll(io.LimitReader(answer.Body, merkle.TileWidth*int64(size)+1))
	if err != nil {
		return nil, err
	}
	if len(raw) != tile.Width*size {
		return nil, fmt.Errorf("the log answered %d bytes instead of %d", len(raw), tile.Width*size)
	}
	hashes := make([]merkle.Hash, tile.Width)
	for i := range hashes {
		copy(hashes[i][:], raw[i*size:])
	}
	return hashes, nil
}
