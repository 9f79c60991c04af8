package images_test

import (
	"context"
	"errors"
	"slices"
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
	"github.com/bgremover/bgremover/internal/projector"
	"github.com/bgremover/bgremover/internal/projector/projectortest"
	"github.com/bgremover/bgremover/projections/images"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// record gives facts their places.
type record struct{ facts []event.Envelope }

func (r *record) add(stream event.Stream, at time.Time, facts ...event.Fact) {
	version := int64(0)
	for _, env := range r.facts {
		if env.Stream == stream {
			version = env.Version
		}
	}
	for _, fact := range facts {
		version++
		r.place(stream, version, at, fact)
	}
}

func (r *record) place(stream event.Stream, version int64, at time.Time, fact event.Fact) {
	r.facts = append(r.facts, event.Envelope{
		Seq: int64(len(r.facts)) + 1, Stream: stream, Version: version, At: at, Fact: fact,
	})
}

func newImage() id.Image { return id.Image(uuid.NewString()) }

var view = projector.View{Name: images.Name, Schema: images.Schema, Apply: images.Apply, Purge: images.Purge}

func open(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return projectortest.Open(t, view)
}

type fataler interface {
	Fatalf(format string, args ...any)
}

func apply(t fataler, db *pgxpool.Pool, facts ...event.Envelope) {
	b := &pgx.Batch{}
	images.Apply(b, facts)
	if err := db.SendBatch(context.Background(), b).Close(); err != nil {
		t.Fatalf("apply: %v", err)
	}
}

func TestPictureThroughItsLife(t *testing.T) {
	img := newImage()
	uploaded := image.Uploaded{
		SizeClass: image.UpTo5MiB, Due: noon.Add(24 * time.Hour), Basis: "contract",
		Capability: image.HashCapability("token"), Owner: personal.Sealed, FileName: personal.Sealed,
	}
	processed := image.Processed{Model: "u2net", Dimensions: image.UpTo4MP, Stages: image.Stages{Total: 420}}
	deleted := image.Deleted{Why: image.BecauseDownloaded, Due: uploaded.Due, Actual: noon.Add(time.Minute), Copies: image.Copies()}
	destroyed := system.KeyDestroyed{Key: image.Key(img), Why: "image.deleted"}

	waiting := images.Picture{
		Image: img, Status: image.Waiting, Version: 1, SizeClass: image.UpTo5MiB, UploadedAt: noon,
		Due: noon.Add(24 * time.Hour), Capability: image.HashCapability("token"), UploadedSeq: 1,
	}
	after := func(p images.Picture, change func(*images.Picture)) images.Picture {
		change(&p)
		return p
	}
	tests := map[string]struct {
		facts   []event.Fact
		destroy bool
		then    images.Picture
	}{
		"uploaded": {then: waiting},
		"ready": {
			facts: []event.Fact{processed},
			then:  after(waiting, func(p *images.Picture) { p.Status, p.Version, p.Took = image.Ready, 2, 420*time.Millisecond }),
		},
		"failed": {
			facts: []event.Fact{image.ProcessingFailed{Code: "image.truncated", Attempts: 1}},
			then:  after(waiting, func(p *images.Picture) { p.Status, p.Version, p.Failure = image.Failed, 2, "image.truncated" }),
		},
		"gone": {
			facts:   []event.Fact{processed, image.Downloaded{Whole: true}, deleted},
			destroy: true,
			then: after(waiting, func(p *images.Picture) {
				p.Status, p.Version, p.Took = image.Gone, 4, 420*time.Millisecond
				p.DeletedWhy, p.DeletedAt, p.DeletedSeq, p.KeyDestroyedSeq = image.BecauseDownloaded, deleted.Actual, 4, 5
			}),
		},
		"due earlier": {
			facts: []event.Fact{image.DeletionDueChanged{Due: noon.Add(2 * time.Hour)}, processed, image.DeletionDueChanged{Due: noon.Add(time.Hour)}},
			then: after(waiting, func(p *images.Picture) {
				p.Status, p.Version, p.Took, p.Due = image.Ready, 4, 420*time.Millisecond, noon.Add(time.Hour)
			}),
		},
		"a fact of a newer release": {
			facts: []event.Fact{event.Unknown{Name: "image.turned.v1"}},
			then:  after(waiting, func(p *images.Picture) { p.Version = 2 }),
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			db := open(t)
			var r record
			r.add(image.Stream(img), noon, uploaded)
			r.add(image.Stream(img), noon, tt.facts...)
			if tt.destroy {
				r.add(system.VaultStream(image.Key(img)), noon, destroyed)
			}
			r.add("account/"+event.Stream(uuid.NewString()), noon, event.Unknown{Name: "account.registered.v1"})
			apply(t, db, r.facts...)
			got, err := images.Get(t.Context(), db, img)
			if err != nil {
				t.Fatal(err)
			}
			if got != tt.then {
				t.Errorf("got  %+v\nwant %+v", got, tt.then)
			}
		})
	}
}

func TestUnknownPicture(t *testing.T) {
	if _, err := images.Get(t.Context(), open(t), newImage()); !errors.Is(err, image.ErrUnknown) {
		t.Errorf("got %v", err)
	}
}

// Whatever happened to a picture, in whatever batches its facts arrive and however often some
// arrive again, the view shows the state that the domain makes of the same facts.
func TestViewAgreesWithDomain(t *testing.T) {
	db := open(t)
	rapid.Check(t, func(t *rapid.T) {
		img := newImage()
		var r record
		r.add(image.Stream(img), noon, image.Uploaded{
			SizeClass: image.UpTo1MiB, Due: noon.Add(time.Hour), Capability: image.HashCapability("token"),
		})
		for _, what := range rapid.SliceOfN(rapid.IntRange(0, 5), 0, 8).Draw(t, "facts") {
			r.add(image.Stream(img), noon, []event.Fact{
				image.ProcessingFailed{Code: "image.truncated", Attempts: 2},
				image.Processed{Stages: image.Stages{Total: 7}},
				image.Downloaded{},
				image.Deleted{Why: image.BecauseRequested, Due: noon.Add(time.Hour), Actual: noon},
				event.Unknown{Name: "image.unheard_of.v1"},
				image.DeletionDueChanged{Due: noon.Add(time.Duration(60-len(r.facts)) * time.Minute)},
			}[what])
		}
		for done := 0; done < len(r.facts); {
			again := rapid.IntRange(0, done).Draw(t, "again")
			to := rapid.IntRange(done+1, len(r.facts)).Draw(t, "to")
			apply(t, db, r.facts[again:to]...)
			done = to
		}
		got, err := images.Get(context.Background(), db, img)
		if err != nil {
			t.Fatal(err)
		}
		want := image.FromRecord(r.facts)
		if got.Status != want.Status() || got.Version != want.Version() || !got.Due.Equal(want.Due()) || !want.OpensWith(got.Capability) {
			t.Errorf("view %+v, domain %s at version %d", got, want.Status(), want.Version())
		}
	})
}

func TestDueAndOverdue(t *testing.T) {
	db := open(t)
	var r record
	upload := func(due time.Time) id.Image {
		img := newImage()
		r.add(image.Stream(img), noon, image.Uploaded{SizeClass: image.UpTo1MiB, Due: due})
		return img
	}
	second, first, later, gone := upload(noon.Add(time.Hour)), upload(noon), upload(noon.Add(3*time.Hour)), upload(noon)
	r.add(image.Stream(gone), noon, image.Deleted{Why: image.BecauseDue, Due: noon, Actual: noon})
	apply(t, db, r.facts...)

	tests := map[string]struct {
		at    time.Time
		limit int
		due   []id.Image
		late  images.Late
	}{
		"nothing yet":             {at: noon.Add(-time.Second), limit: 10},
		"due at this moment":      {at: noon, limit: 10, due: []id.Image{first}},
		"the longest due first":   {at: noon.Add(2 * time.Hour), limit: 10, due: []id.Image{first, second}, late: images.Late{Count: 2, Oldest: noon}},
		"no more than asked for":  {at: noon.Add(4 * time.Hour), limit: 1, due: []id.Image{first}, late: images.Late{Count: 3, Oldest: noon}},
		"everything not yet gone": {at: noon.Add(4 * time.Hour), limit: 10, due: []id.Image{first, second, later}, late: images.Late{Count: 3, Oldest: noon}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			due, err := images.DueBefore(t.Context(), db, tt.at, tt.limit)
			if err != nil || !slices.Equal(due, tt.due) {
				t.Errorf("due %v, %v; want %v", due, err, tt.due)
			}
			late, err := images.Overdue(t.Context(), db, tt.at)
			if err != nil || late != tt.late {
				t.Errorf("overdue %+v, %v; want %+v", late, err, tt.late)
			}
		})
	}
}

func TestPurge(t *testing.T) {
	deletedAt := noon.Add(time.Hour)
	tests := map[string]struct {
		deleted bool
		upTo    time.Time
		kept    bool
	}{
		"not deleted":            {upTo: noon.AddDate(1, 0, 0), kept: true},
		"deleted after that":     {deleted: true, upTo: deletedAt.Add(-time.Millisecond), kept: true},
		"deleted just then":      {deleted: true, upTo: deletedAt},
		"deleted a while before": {deleted: true, upTo: noon.AddDate(1, 0, 0)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			db, img := open(t), newImage()
			capability := image.HashCapability("token")
			var r record
			r.add(image.Stream(img), noon, image.Uploaded{SizeClass: image.UpTo1MiB, Due: noon.Add(time.Hour), Capability: capability})
			if tt.deleted {
				r.add(image.Stream(img), noon, image.Deleted{Why: image.BecauseDue, Due: noon.Add(time.Hour), Actual: deletedAt})
			}
			apply(t, db, r.facts...)
			oldest, hashes, err := images.OldestCapability(t.Context(), db)
			if err != nil || tt.deleted != (hashes == 1) || tt.deleted != oldest.Equal(deletedAt) {
				t.Errorf("the oldest capability: %v, %d, %v", oldest, hashes, err)
			}
			for range 2 { // the second time there is nothing left to purge
				purge(t, db, tt.upTo)
				apply(t, db, r.facts...)
			}
			got, err := images.Get(t.Context(), db, img)
			if err != nil {
				t.Fatal(err)
			}
			if kept := got.Capability.Matches(capability); kept != tt.kept {
				t.Errorf("capability kept: %v, want %v", kept, tt.kept)
			}
			if purged := purge(t, db, tt.upTo); purged != 0 {
				t.Errorf("purged %d more", purged)
			}
		})
	}
}

func purge(t *testing.T, db *pgxpool.Pool, upTo time.Time) (n int64) {
	t.Helper()
	err := pgx.BeginFunc(t.Context(), db, func(tx pgx.Tx) (err error) {
		n, err = images.Purge(t.Context(), tx, upTo)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
