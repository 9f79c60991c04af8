package postgres

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/internal/usecase"
)

func TestLiveKeysInPages(t *testing.T) {
	v := newVault(t, newDatabase(t))
	var want []personal.KeyID
	for n := range 10 {
		id := personal.KeyID(fmt.Sprintf("image/%d", n))
		made(t, v, id)
		if n%3 == 0 {
			must(t, destroy(t, v, id))
			continue
		}
		want = append(want, id)
	}
	_, err := v.pool.Exec(t.Context(), `update vault.keys set made_at = made_at - interval '2 hours' where id = 'image/1'`)
	must(t, err)
	var got []personal.KeyID
	for after := personal.KeyID(""); ; after = got[len(got)-1] {
		page, err := v.LiveKeys(t.Context(), after, 4)
		must(t, err)
		if len(page) == 0 {
			break
		}
		for _, k := range page {
			if old := k.Age > time.Hour; old != (k.ID == "image/1") || k.Age < 0 {
				t.Errorf("%s is %s old", k.ID, k.Age)
			}
			got = append(got, k.ID)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("live are %v; want %v", got, want)
	}
	alive, err := v.Alive(t.Context(), []personal.KeyID{"image/2", "image/3", "image/99", "image/1"})
	if err != nil || !slices.Equal(alive, []personal.KeyID{"image/1", "image/2"}) {
		t.Errorf("alive are %v, %v", alive, err)
	}
}

// A tombstone for a key that the vault never had makes its facts read as erased, and nothing else.
func TestBury(t *testing.T) {
	v := newVault(t, newDatabase(t))
	made(t, v, "image/live")
	made(t, v, "image/dead")
	must(t, destroy(t, v, "image/dead"))
	var graves []usecase.Grave
	for _, id := range []personal.KeyID{"image/live", "image/dead", "image/unknown"} {
		graves = append(graves, usecase.Grave{ID: id, At: noon(), Why: "retention.image"})
	}
	wantKey(t, v, "image/unknown", personal.ErrNoKey)
	for want := range []int{1, 0} {
		if n, err := v.Bury(t.Context(), graves); err != nil || n != 1-want {
			t.Errorf("buried %d, %v; want %d", n, err, 1-want)
		}
	}
	wantKey(t, v, "image/live", nil)
	wantKey(t, v, "image/dead", personal.ErrDestroyed)
	wantKey(t, v, "image/unknown", personal.ErrDestroyed)
	if err := lock(t, v, "image/unknown"); !errors.Is(err, personal.ErrDestroyed) {
		t.Errorf("locked: %v", err)
	}
	k, err := v.New("image/unknown")
	must(t, err)
	if err := in(t, v.app, func(tx pgx.Tx) error { return v.Make(t.Context(), tx, k) }); !errors.Is(err, event.ErrConflict) {
		t.Errorf("made again: %v", err)
	}
	var why string
	must(t, v.pool.QueryRow(t.Context(), `select destroyed_why from vault.keys where id = 'image/dead'`).Scan(&why))
	if why != "image.deleted" {
		t.Errorf("the older tombstone says %s now", why)
	}
}

func TestEndForgotten(t *testing.T) {
	v := newVault(t, newDatabase(t))
	made(t, v, "image/1")
	made(t, v, "image/2")
	wantKey(t, v, "image/1", nil) // it is in the cache
	if n, err := v.EndForgotten(t.Context(), []personal.KeyID{"image/1", "image/9"}, "record.displaced"); n != 1 || err != nil {
		t.Errorf("ended %d, %v", n, err)
	}
	if n, err := v.EndForgotten(t.Context(), nil, "record.displaced"); n != 0 || err != nil {
		t.Errorf("ended %d of none, %v", n, err)
	}
	wantKey(t, v, "image/1", personal.ErrDestroyed)
	wantKey(t, v, "image/2", nil)
}

func TestComparedNeverGoesBack(t *testing.T) {
	v := newVault(t, newDatabase(t))
	for _, step := range []struct{ set, want int64 }{{0, 0}, {7, 7}, {3, 7}, {9, 9}} {
		must(t, v.SetCompared(t.Context(), step.set))
		if got, err := v.Compared(t.Context()); err != nil || got != step.want {
			t.Errorf("compared up to %d, %v; want %d", got, err, step.want)
		}
	}
}

func TestDueKeys(t *testing.T) {
	a := newAging(t)
	made(t, a.testVault, "visit/2")
	a.later(t, time.Minute)
	made(t, a.testVault, "visit/1")
	made(t, a.testVault, "visit/3")
	made(t, a.testVault, "image/1") // a fact ends it
	must(t, destroy(t, a.testVault, "visit/3"))
	due := noon().Add(24 * time.Hour)
	for name, tt := range map[string]struct {
		now   time.Time
		limit int
		but   []string
		want  []personal.KeyID
	}{
		"but visits":    {now: due.Add(time.Minute), limit: 9, but: []string{"visit"}},
		"but others":    {now: due.Add(time.Minute), limit: 9, but: []string{"disclosure", "image"}, want: []personal.KeyID{"visit/2", "visit/1"}},
		"before":        {now: due.Add(-time.Microsecond), limit: 9},
		"the first":     {now: due, limit: 9, want: []personal.KeyID{"visit/2"}},
		"both":          {now: due.Add(time.Minute), limit: 9, want: []personal.KeyID{"visit/2", "visit/1"}},
		"one at a time": {now: due.Add(time.Minute), limit: 1, want: []personal.KeyID{"visit/2"}},
	} {
		keys, err := a.DueKeys(t.Context(), tt.now, tt.limit, tt.but...)
		must(t, err)
		var got []personal.KeyID
		for _, k := range keys {
			got = append(got, k.ID)
			if k.Kind != "visit" || k.Due.Before(due) {
				t.Errorf("%s: %+v", name, k)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: due are %v; want %v", name, got, tt.want)
		}
	}
	status, err := a.Status(t.Context())
	must(t, err)
	if len(status.Kinds) != 2 || status.Kinds[1] != (usecase.KeyKind{Kind: "visit", Live: 2, Destroyed: 1, Due: status.Kinds[1].Due}) || !status.Kinds[1].Due.Equal(due) {
		t.Errorf("status %+v", status.Kinds)
	}
}

// Deny by default: what nobody has set a lifetime for is not kept.
func TestUnknownKindsGetNoKey(t *testing.T) {
	v := newVault(t, newDatabase(t))
	if _, err := v.New("hologram/1"); !errors.Is(err, usecase.ErrKeyKind) {
		t.Errorf("a new key: %v", err)
	}
	k, err := deriveKey("hologram/1", make([]byte, keySize))
	must(t, err)
	if err := in(t, v.app, func(tx pgx.Tx) error { return v.Make(t.Context(), tx, k) }); !errors.Is(err, usecase.ErrKeyKind) {
		t.Errorf("a key made: %v", err)
	}
	if n := count(t, v.pool, "vault.keys"); n != 0 {
		t.Errorf("%d keys appeared", n)
	}
}

// Before it was compared with the record, a vault gives no key, but goes on destroying.
func TestWithheld(t *testing.T) {
	v := newVault(t, newDatabase(t))
	made(t, v, keyID)
	wantKey(t, v, keyID, nil)
	v.Withhold()
	wantKey(t, v, keyID, event.ErrUnavailable) // the cache gives none either
	must(t, destroy(t, v, keyID))
	v.Release()
	wantKey(t, v, keyID, personal.ErrDestroyed)
}
