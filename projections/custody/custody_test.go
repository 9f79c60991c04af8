package custody_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"pgregory.net/rapid"

	"github.com/bgremover/bgremover/domain/event"
	"github.com/bgremover/bgremover/domain/id"
	"github.com/bgremover/bgremover/domain/image"
	"github.com/bgremover/bgremover/domain/personal"
	"github.com/bgremover/bgremover/domain/system"
	"github.com/bgremover/bgremover/domain/visit"
	"github.com/bgremover/bgremover/internal/projector"
	"github.com/bgremover/bgremover/internal/projector/projectortest"
	"github.com/bgremover/bgremover/projections/custody"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func open(t *testing.T) *pgxpool.Pool {
	t.Helper()
	return projectortest.Open(t, projector.View{Name: custody.Name, Schema: custody.Schema, Apply: custody.Apply})
}

// record gives facts their places.
type record struct{ facts []event.Envelope }

func (r *record) add(stream event.Stream, fact event.Fact) int64 {
	r.facts = append(r.facts, event.Envelope{Seq: int64(len(r.facts)) + 1, Stream: stream, At: noon, Fact: fact})
	return int64(len(r.facts))
}

func apply(t interface{ Fatal(...any) }, db *pgxpool.Pool, facts ...event.Envelope) {
	b := &pgx.Batch{}
	custody.Apply(b, facts)
	if err := db.SendBatch(context.Background(), b).Close(); err != nil {
		t.Fatal(err)
	}
}

func newImage() id.Image { return id.Image(uuid.NewString()) }

func TestWhatMustBeThere(t *testing.T) {
	db := open(t)
	kept, deleted, never := newImage(), newImage(), newImage()
	var r record
	due := noon.Add(24 * time.Hour)
	keptSeq := r.add(image.Stream(kept), image.Uploaded{Due: due})
	deletedSeq := r.add(image.Stream(deleted), image.Uploaded{Due: due})
	r.add(image.Stream(deleted), image.Downloaded{Whole: true})
	r.add(image.Stream(deleted), image.Deleted{Why: image.BecauseDownloaded, Due: due, Actual: noon.Add(time.Minute)})
	r.add(system.VaultStream(image.Key(deleted)), system.KeyDestroyed{Key: image.Key(deleted)})
	ended, going := id.Visit(uuid.NewString()), id.Visit(uuid.NewString())
	r.add(visit.Stream(going), visit.Began{})
	r.add(visit.Stream(ended), visit.Began{})
	r.add(system.VaultStream(visit.Key(ended)), system.KeyDestroyed{Key: visit.Key(ended)})
	r.add(image.Stream(kept), event.Unknown{Name: "image.unheard_of.v1"})
	apply(t, db, r.facts...)

	want := map[id.Image]custody.Picture{
		kept:    {Image: kept, UploadedSeq: keptSeq, Due: due},
		deleted: {Image: deleted, UploadedSeq: deletedSeq, Due: due, DeletedAt: noon.Add(time.Minute), KeyEnded: true},
	}
	got, err := custody.Pictures(t.Context(), db, []id.Image{kept, deleted, never})
	if err != nil || len(got) != len(want) {
		t.Fatalf("got %+v, %v", got, err)
	}
	for _, p := range got {
		if p != want[p.Image] {
			t.Errorf("got  %+v\nwant %+v", p, want[p.Image])
		}
	}
	there, err := custody.Kept(t.Context(), db, "", 10)
	if err != nil || !slices.Equal(there, []custody.Picture{want[kept]}) {
		t.Errorf("kept %+v, %v", there, err)
	}
	if after, err := custody.Kept(t.Context(), db, kept, 10); err != nil || len(after) != 0 {
		t.Errorf("after the last: %+v, %v", after, err)
	}
	keys, err := custody.Ended(t.Context(), db, []personal.KeyID{visit.Key(ended), visit.Key(going), "visit/another"})
	if err != nil || !slices.Equal(keys, []personal.KeyID{visit.Key(ended)}) {
		t.Errorf("ended %v, %v", keys, err)
	}
	for range 2 { // applied again, nothing comes back
		var days []id.Visit
		err := db.QueryRow(t.Context(), `select array_agg(visit::text) from visitor_day`).Scan(&days)
		if err != nil || !slices.Equal(days, []id.Visit{going}) {
			t.Errorf("days that go on: %v, %v; want %s", days, err, going)
		}
		apply(t, db, r.facts...)
	}
	if seq, err := custody.Through(t.Context(), db); err != nil || seq != 0 {
		t.Errorf("rests on %d, %v", seq, err) // the projector raises it
	}
}

// However the facts are cut into batches, and however often some arrive again, the rows are what the facts say.
func TestRowsFollowFromFactsAlone(t *testing.T) {
	db := open(t)
	rapid.Check(t, func(t *rapid.T) {
		var r record
		want := map[id.Image]custody.Picture{}
		var pictures []id.Image
		for range rapid.IntRange(1, 4).Draw(t, "pictures") {
			pictures = append(pictures, newImage())
		}
		for range rapid.IntRange(1, 12).Draw(t, "facts") {
			img := rapid.SampledFrom(pictures).Draw(t, "image")
			p, known := want[img]
			p.Image = img
			due := noon.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "due")) * time.Minute)
			if p.Due.IsZero() || due.Before(p.Due) {
				p.Due = due
			}
			switch rapid.IntRange(0, 4).Draw(t, "fact") {
			case 0:
				seq := r.add(image.Stream(img), image.Uploaded{Due: due})
				if p.UploadedSeq == 0 {
					p.UploadedSeq = seq
				}
			case 4:
				r.add(image.Stream(img), image.DeletionDueChanged{Due: due})
			case 1:
				r.add(image.Stream(img), image.Deleted{Actual: noon.Add(time.Hour)})
				p.DeletedAt, p.Due = noon.Add(time.Hour), want[img].Due
			case 2:
				r.add(system.VaultStream(image.Key(img)), system.KeyDestroyed{Key: image.Key(img)})
				p.KeyEnded, p.Due = true, want[img].Due
			case 3:
				p.Due = want[img].Due
				r.add(image.Stream(img), image.Processed{})
				if !known {
					continue
				}
			}
			want[img] = p
		}
		for done := 0; done < len(r.facts); {
			again := rapid.IntRange(0, done).Draw(t, "again")
			to := rapid.IntRange(done+1, len(r.facts)).Draw(t, "to")
			apply(t, db, r.facts[again:to]...)
			done = to
		}
		got, err := custody.Pictures(context.Background(), db, pictures)
		if err != nil || len(got) != len(want) {
			t.Fatalf("got %+v, %v; want %+v", got, err, want)
		}
		for _, p := range got {
			if p != want[p.Image] {
				t.Fatalf("got  %+v\nwant %+v", p, want[p.Image])
			}
		}
		kept, err := custody.Kept(context.Background(), db, "", 100_000)
		if err != nil || !slices.IsSortedFunc(kept, func(a, b custody.Picture) int { return strings.Compare(string(a.Image), string(b.Image)) }) {
			t.Fatalf("not by id, or %v", err)
		}
		for _, img := range pictures {
			p := want[img]
			listed := slices.Contains(kept, p)
			if listed != (p.UploadedSeq > 0 && p.DeletedAt.IsZero()) {
				t.Fatalf("%+v is listed: %v", p, listed)
			}
		}
	})
}
