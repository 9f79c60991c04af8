package trail_test

import (
	"context"
	"errors"
	"fmt"
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
	"github.com/bgremover/bgremover/internal/projector"
	"github.com/bgremover/bgremover/internal/projector/projectortest"
	"github.com/bgremover/bgremover/projections/trail"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

var view = projector.View{Name: trail.Name, Schema: trail.Schema, Apply: trail.Apply}

func open(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return projectortest.Open(t, view)
}

type fataler interface {
	Fatalf(format string, args ...any)
}

func apply(t fataler, db *pgxpool.Pool, facts []event.Envelope) {
	b := &pgx.Batch{}
	trail.Apply(b, facts)
	if err := db.SendBatch(context.Background(), b).Close(); err != nil {
		t.Fatalf("apply: %v", err)
	}
}

func newID() id.Fact { return id.Fact(uuid.NewString()) }

// life is the record of one picture, followed by something else, an hour later.
func life() []event.Envelope {
	img := image.Stream(id.Image(uuid.NewString()))
	other := event.Stream("account/" + uuid.NewString())
	uploaded, processed := newID(), newID()
	return []event.Envelope{
		{ID: uploaded, Stream: img, Version: 1, At: noon, Cause: event.Cause{Request: "a-request"}, Fact: image.Uploaded{Owner: personal.Sealed}},
		{ID: processed, Stream: img, Version: 2, At: noon.Add(time.Second), Cause: event.Cause{Fact: uploaded}, Fact: image.Processed{}},
		{ID: newID(), Stream: other, Version: 1, At: noon.Add(time.Hour), Fact: event.Unknown{Name: "account.registered.v1"}},
		{ID: newID(), Stream: img, Version: 3, At: noon.Add(time.Hour), Cause: event.Cause{Fact: processed}, Fact: image.Downloaded{}},
		{ID: newID(), Stream: img, Version: 4, At: noon.Add(time.Hour), Cause: event.Cause{Fact: processed}, Fact: image.Deleted{}},
	}
}

func placed(facts ...event.Envelope) []event.Envelope {
	for i := range facts {
		facts[i].Seq = int64(i) + 1
	}
	return facts
}

func seqs(facts []trail.Fact) []int64 {
	all := []int64{}
	for _, f := range facts {
		all = append(all, f.Seq)
	}
	return all
}

func TestEveryFactHasItsPlace(t *testing.T) {
	db := open(t)
	facts := placed(life()...)
	apply(t, db, facts[:2])
	apply(t, db, facts[2:])
	for _, env := range facts {
		want := trail.Fact{
			Seq: env.Seq, ID: env.ID, Type: env.Fact.EventName(), Stream: env.Stream, Version: env.Version, At: env.At,
			Cause: env.Cause.Fact, Request: env.Cause.Request,
		}
		byID, err := trail.ByID(t.Context(), db, env.ID)
		if err != nil || byID != want {
			t.Errorf("by id: %+v, %v\nwant   %+v", byID, err, want)
		}
	}
}

func TestUnknownFact(t *testing.T) {
	db := open(t)
	for _, fact := range []id.Fact{newID(), "", "no id", "'; drop schema trail"} {
		if _, err := trail.ByID(t.Context(), db, fact); !errors.Is(err, trail.ErrUnknown) {
			t.Errorf("%q: %v", fact, err)
		}
		causes, err := trail.Causes(t.Context(), db, fact)
		effects, err2 := trail.Effects(t.Context(), db, fact)
		if len(causes)+len(effects) > 0 || err != nil || err2 != nil {
			t.Errorf("%q: causes %v, %v, effects %v, %v", fact, causes, err, effects, err2)
		}
	}
}

func TestList(t *testing.T) {
	db := open(t)
	facts := placed(life()...)
	apply(t, db, facts)
	tests := map[string]struct {
		filter trail.Filter
		then   []int64
	}{
		"everything":         {trail.Filter{}, []int64{5, 4, 3, 2, 1}},
		"a type":             {trail.Filter{Type: "image.processed.v1"}, []int64{2}},
		"a subject":          {trail.Filter{Subject: facts[0].Stream}, []int64{5, 4, 2, 1}},
		"from a moment on":   {trail.Filter{From: noon.Add(time.Hour)}, []int64{5, 4, 3}},
		"before a moment":    {trail.Filter{To: noon.Add(time.Second)}, []int64{1}},
		"between":            {trail.Filter{From: noon.Add(time.Second), To: noon.Add(time.Hour)}, []int64{2}},
		"a page":             {trail.Filter{Limit: 2}, []int64{5, 4}},
		"the page after it":  {trail.Filter{Limit: 2, Before: 4}, []int64{3, 2}},
		"the oldest first":   {trail.Filter{Limit: 2, Oldest: true}, []int64{1, 2}},
		"and then":           {trail.Filter{Limit: 2, Oldest: true, After: 2}, []int64{3, 4}},
		"between two":        {trail.Filter{After: 1, Before: 4}, []int64{3, 2}},
		"all of it together": {trail.Filter{Type: "image.deleted.v1", Subject: facts[0].Stream, From: noon, To: noon.AddDate(0, 0, 1), Before: 6, Limit: 9}, []int64{5}},
		"nothing":            {trail.Filter{Type: "image.deleted.v2"}, []int64{}},
		"no type at all":     {trail.Filter{Type: "\x00"}, []int64{}},
		"no subject at all":  {trail.Filter{Subject: "image/\xff"}, []int64{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := trail.List(t.Context(), db, tt.filter)
			if err != nil || !slices.Equal(seqs(got), tt.then) {
				t.Errorf("got %v, %v; want %v", seqs(got), err, tt.then)
			}
			if tt.filter.Limit > 0 {
				return // a page
			}
			if n, err := trail.Count(t.Context(), db, tt.filter); err != nil || n != int64(len(tt.then)) {
				t.Errorf("counted %d, %v; want %d", n, err, len(tt.then))
			}
		})
	}
}

func TestChain(t *testing.T) {
	db := open(t)
	facts := placed(life()...)
	apply(t, db, facts)
	tests := []struct{ causes, effects []int64 }{
		{[]int64{}, []int64{2, 4, 5}},
		{[]int64{1}, []int64{4, 5}},
		{[]int64{}, []int64{}},
		{[]int64{2, 1}, []int64{}},
		{[]int64{2, 1}, []int64{}},
	}
	for i, tt := range tests {
		t.Run(fmt.Sprint(i+1), func(t *testing.T) {
			causes, err := trail.Causes(t.Context(), db, facts[i].ID)
			if err != nil || !slices.Equal(seqs(causes), tt.causes) {
				t.Errorf("causes %v, %v; want %v", seqs(causes), err, tt.causes)
			}
			effects, err := trail.Effects(t.Context(), db, facts[i].ID)
			if err != nil || !slices.Equal(seqs(effects), tt.effects) {
				t.Errorf("effects %v, %v; want %v", seqs(effects), err, tt.effects)
			}
		})
	}
}

// A chain longer than anybody would read is cut off, at the end that is further away.
func TestLongChain(t *testing.T) {
	db := open(t)
	var facts []event.Envelope
	var before id.Fact
	for range trail.MostEffects + 2 {
		env := event.Envelope{ID: newID(), Stream: "a/b", At: noon, Cause: event.Cause{Fact: before}, Fact: event.Unknown{Name: "a.b.v1"}}
		before = env.ID
		facts = append(facts, env)
	}
	apply(t, db, placed(facts...))
	last := int64(len(facts))
	causes, err := trail.Causes(t.Context(), db, before)
	if err != nil || len(causes) != trail.MostCauses || causes[0].Seq != last-1 {
		t.Errorf("%d causes, %v: %v", len(causes), err, seqs(causes))
	}
	effects, err := trail.Effects(t.Context(), db, facts[0].ID)
	if err != nil || len(effects) != trail.MostEffects || effects[0].Seq != 2 {
		t.Errorf("%d effects, %v: %v", len(effects), err, seqs(effects))
	}
}

// Whatever the filter and however long the pages, the pages together are what a search of the
// same facts by hand finds, and each fact is there once.
func TestPagesHoldEverythingOnce(t *testing.T) {
	db := open(t)
	var facts []event.Envelope
	for i := range 60 {
		facts = append(facts, event.Envelope{
			ID: newID(), Stream: event.Stream(fmt.Sprintf("s/%d", i%3)), At: noon.Add(time.Duration(i/2) * time.Minute),
			Fact: event.Unknown{Name: event.Name(fmt.Sprintf("t.%d.v1", i%5))},
		})
	}
	apply(t, db, placed(facts...))
	rapid.Check(t, func(t *rapid.T) {
		filter := trail.Filter{Limit: rapid.IntRange(1, 20).Draw(t, "limit")}
		if rapid.Bool().Draw(t, "by type") {
			filter.Type = facts[rapid.IntRange(0, 4).Draw(t, "type")].Fact.EventName()
		}
		if rapid.Bool().Draw(t, "by subject") {
			filter.Subject = facts[rapid.IntRange(0, 2).Draw(t, "subject")].Stream
		}
		if rapid.Bool().Draw(t, "by time") {
			filter.From = noon.Add(time.Duration(rapid.IntRange(-1, 31).Draw(t, "from")) * time.Minute)
			filter.To = noon.Add(time.Duration(rapid.IntRange(-1, 31).Draw(t, "to")) * time.Minute)
		}
		want := []int64{}
		for _, env := range slices.Backward(facts) {
			if (filter.Type == "" || filter.Type == env.Fact.EventName()) && (filter.Subject == "" || filter.Subject == env.Stream) &&
				(filter.From.IsZero() || !env.At.Before(filter.From) && env.At.Before(filter.To)) {
				want = append(want, env.Seq)
			}
		}
		got := []int64{}
		for {
			page, err := trail.List(context.Background(), db, filter)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, seqs(page)...)
			if len(page) < filter.Limit {
				break
			}
			filter.Before = page[len(page)-1].Seq
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

// No column can hold anything that the codec seals.
func TestNothingSealed(t *testing.T) {
	db := open(t)
	rows, err := db.Query(t.Context(), `
		select column_name::text from information_schema.columns
		 where table_schema = 'trail' and table_name = 'fact' order by ordinal_position`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	want := []string{"seq", "id", "type", "stream", "version", "at", "cause", "request"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("columns %v, %v; a new one must be of the envelope, and in the open: %v", got, err, want)
	}
}
