package fake

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/internal/usecase"
)

// HeldKeys are the keys of a vault, all of one age.
type HeldKeys struct {
	*Vault
	Age time.Duration
}

var _ usecase.HeldKeys = HeldKeys{}

// LiveKeys implements [usecase.HeldKeys].
func (k HeldKeys) LiveKeys(_ context.Context, after personal.KeyID, limit int) ([]usecase.LiveKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var live []usecase.LiveKey
	for _, key := range slices.Sorted(maps.Keys(k.keys)) {
		if k.keys[key] != nil && key > after && len(live) < limit {
			live = append(live, usecase.LiveKey{ID: key, Age: k.Age})
		}
	}
	return live, nil
}

// Alive implements [usecase.AliveKeys].
func (k HeldKeys) Alive(_ context.Context, keys []personal.KeyID) ([]personal.KeyID, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var alive []personal.KeyID
	for _, key := range slices.Compact(slices.Sorted(slices.Values(keys))) {
		if k.keys[key] != nil {
			alive = append(alive, key)
		}
	}
	return alive, nil
}

// Custody is what a record says must be there, worked out anew whenever it is asked.
type Custody struct {
	Record *Record
	// Behind is how far it says that it is behind; Lacks is how many of the newest facts it lacks.
	Behind time.Duration
	Lacks  int
}

var _ usecase.Custody = (*Custody)(nil)

// Through implements [usecase.Custody].
func (c *Custody) Through(context.Context) (int64, time.Duration, error) {
	return int64(len(c.Record.All()) - c.Lacks), c.Behind, nil
}

func (c *Custody) all() (pictures map[id.Image]usecase.InCustody, ended map[personal.KeyID]bool) {
	pictures, ended = map[id.Image]usecase.InCustody{}, map[personal.KeyID]bool{}
	facts := c.Record.All()
	for _, env := range facts[:max(0, len(facts)-c.Lacks)] {
		img, _ := image.OfStream(env.Stream)
		p := pictures[img]
		p.Image = img
		switch f := env.Fact.(type) {
		case image.Uploaded:
			p.UploadedSeq, p.Due = env.Seq, f.Due
		case image.Deleted:
			p.Deleted = true
		case system.KeyDestroyed:
			ended[f.Key] = true
			continue
		default:
			continue
		}
		pictures[img] = p
	}
	return pictures, ended
}

// Pictures implements [usecase.Custody].
func (c *Custody) Pictures(_ context.Context, wanted []id.Image) (found []usecase.InCustody, err error) {
	all, _ := c.all()
	for _, img := range wanted {
		if p, ok := all[img]; ok {
			found = append(found, p)
		}
	}
	return found, nil
}

// Kept implements [usecase.Custody].
func (c *Custody) Kept(_ context.Context, after id.Image, limit int) (kept []usecase.InCustody, err error) {
	all, _ := c.all()
	for _, p := range all {
		if !p.Deleted && p.Image > after {
			kept = append(kept, p)
		}
	}
	slices.SortFunc(kept, func(a, b usecase.InCustody) int { return strings.Compare(string(a.Image), string(b.Image)) })
	return kept[:min(limit, len(kept))], nil
}

// Ended implements [usecase.Custody].
func (c *Custody) Ended(_ context.Context, keys []personal.KeyID) (ended []personal.KeyID, err error) {
	_, all := c.all()
	for _, key := range keys {
		if all[key] {
			ended = append(ended, key)
		}
	}
	return ended, nil
}
