package analytics_test

import (
	"context"
	"log/slog"
	"reflect"
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
	"github.com/bgremover/bgremover/projections/analytics"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

var view = projector.View{Name: analytics.Name, Schema: analytics.Schema, Apply: analytics.Apply, Purge: analytics.Purge}

func open(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return projectortest.Open(t, view)
}

func at(when time.Time, facts ...event.Fact) (all []event.Envelope) {
	for _, fact := range facts {
		all = append(all, event.Envelope{At: when, Stream: image.Stream(id.Image(uuid.NewString())), Fact: fact})
	}
	return all
}

func apply(t testing.TB, db *pgxpool.Pool, facts []event.Envelope) {
	t.Helper()
	b := &pgx.Batch{}
	analytics.Apply(b, facts)
	if err := db.SendBatch(t.Context(), b).Close(); err != nil {
		t.Fatal(err)
	}
}

func took(ms int64) image.Processed {
	return image.Processed{Model: "u2net", Dimensions: image.UpTo12MP, Stages: image.Stages{Total: ms}}
}

func one(class string) analytics.Breakdown {
	return analytics.Breakdown{Total: 1, Groups: []analytics.Group{{Class: class, N: 1}}}
}

func TestWhatCountsAsWhat(t *testing.T) {
	tests := map[string]struct {
		fact event.Fact
		then analytics.Hour
	}{
		"upload":      {image.Uploaded{SizeClass: image.UpTo5MiB, Owner: personal.Sealed}, analytics.Hour{Uploads: one("up to 5 MiB")}},
		"failure":     {image.ProcessingFailed{Code: "image.truncated", Attempts: 2}, analytics.Hour{Failures: one("image.truncated")}},
		"result":      {took(420), analytics.Hour{Results: one("up to 12 MP"), Durations: one("500")}},
		"quickest":    {took(0), analytics.Hour{Results: one("up to 12 MP"), Durations: one("100")}},
		"on a bound":  {took(500), analytics.Hour{Results: one("up to 12 MP"), Durations: one("500")}},
		"over it":     {took(501), analytics.Hour{Results: one("up to 12 MP"), Durations: one("750")}},
		"very long":   {took(10_001), analytics.Hour{Results: one("up to 12 MP"), Durations: one(analytics.Longer)}},
		"download":    {image.Downloaded{Whole: true}, analytics.Hour{Downloads: one(analytics.Whole)}},
		"broken off":  {image.Downloaded{}, analytics.Hour{Downloads: one(analytics.Broken)}},
		"deletion":    {image.Deleted{Why: image.BecauseDue}, analytics.Hour{Deletions: one("due")}},
		"other facts": {event.Unknown{Name: "account.registered.v1"}, analytics.Hour{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			db := open(t)
			apply(t, db, at(noon.Add(59*time.Minute), tt.fact))
			got, err := analytics.Hours(t.Context(), db, noon, noon.Add(time.Hour), 1)
			if err != nil {
				t.Fatal(err)
			}
			tt.then.Start = noon
			if want := []analytics.Hour{tt.then}; !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestHours(t *testing.T) {
	db := open(t)
	eastern := time.FixedZone("half an hour off", -int((3*time.Hour + 30*time.Minute).Seconds()))
	apply(t, db, at(noon.Add(-time.Nanosecond), took(1)))
	apply(t, db, at(noon.In(eastern), took(1), took(250), took(60_000), took(1)))
	apply(t, db, at(noon.Add(2*time.Hour), took(1)))

	tests := map[string]struct {
		from, to time.Time
		k        int64
		then     []analytics.Breakdown // durations, hour by hour
	}{
		"from the middle of an hour": {noon.Add(time.Minute), noon.Add(2 * time.Hour), 1, []analytics.Breakdown{
			{Total: 4, Groups: []analytics.Group{{"100", 2}, {"300", 1}, {analytics.Longer, 1}}}, {},
		}},
		"to the middle of an hour": {noon.Add(time.Hour), noon.Add(121 * time.Minute), 1, []analytics.Breakdown{{}, one("100")}},
		"small groups hidden": {noon, noon.Add(3 * time.Hour), 2, []analytics.Breakdown{
			{Total: 4, Groups: []analytics.Group{{"100", 2}}, Hidden: true}, {}, {Hidden: true},
		}},
		"no hours": {noon, noon, 1, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			hours, err := analytics.Hours(t.Context(), db, tt.from, tt.to, tt.k)
			if err != nil {
				t.Fatal(err)
			}
			var got []analytics.Breakdown
			for i, h := range hours {
				if want := tt.from.Truncate(time.Hour).Add(time.Duration(i) * time.Hour); h.Start != want {
					t.Errorf("hour %d starts at %s, want %s", i, h.Start, want)
				}
				got = append(got, h.Durations)
			}
			if !reflect.DeepEqual(got, tt.then) {
				t.Errorf("got  %+v\nwant %+v", got, tt.then)
			}
		})
	}
}

func TestPurge(t *testing.T) {
	tests := map[string]struct {
		upTo time.Time
		rows int64
	}{
		"an hour before":        {noon.Add(-time.Hour), 0},
		"a moment before":       {noon.Add(-time.Microsecond), 0},
		"when its hour began":   {noon, 2},
		"when it was long over": {noon.AddDate(3, 0, 0), 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			db := open(t)
			if hour, rows, err := analytics.Oldest(t.Context(), db); err != nil || !hour.IsZero() || rows != 0 {
				t.Errorf("of nothing: %v, %d, %v", hour, rows, err)
			}
			apply(t, db, at(noon.Add(59*time.Minute), took(1)))
			if hour, rows, err := analytics.Oldest(t.Context(), db); err != nil || hour != noon || rows != 2 {
				t.Errorf("the oldest hour: %v, %d, %v", hour, rows, err)
			}
			err := pgx.BeginFunc(t.Context(), db, func(tx pgx.Tx) error {
				got, err := analytics.Purge(t.Context(), tx, tt.upTo)
				if got != tt.rows {
					t.Errorf("purged %d, want %d", got, tt.rows)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// The tables have no column in which an id or a time finer than the hour could stand.
func TestOnlyHoursAndClasses(t *testing.T) {
	db := open(t)
	rows, err := db.Query(t.Context(),
		`select column_name || ' ' || data_type from information_schema.columns
		 where table_schema = 'analytics' and table_name <> 'checkpoint' order by ordinal_position`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	want := []string{"hour timestamp with time zone", "kind text", "class text", "n bigint"}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("columns %q, %v; want %q", got, err, want)
	}
	_, err = db.Exec(t.Context(), `insert into analytics.tally (hour, kind, class, n) values ($1, '', '', 1)`, noon.Add(time.Minute))
	if err == nil {
		t.Error("a time finer than the hour was taken")
	}
}

// batches is a record that gives its facts in the batches of one cut, and each some facts
// of the one before again.
type batches struct {
	facts []event.Envelope
	cuts  []int
	again int
	at    int64
}

func (r *batches) readFrom(after projector.Checkpoint) projector.Reading {
	r.at = after.Seq
	return r
}

func (r *batches) Next(ctx context.Context) ([]projector.Entry, error) {
	if int(r.at) == len(r.facts) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	n := len(r.facts)
	if len(r.cuts) > 0 {
		n, r.cuts = r.cuts[0], r.cuts[1:]
	}
	var entries []projector.Entry
	to := min(r.at+int64(n), int64(len(r.facts)))
	for i := max(0, r.at-int64(r.again)); i < to; i++ {
		entries = append(entries, projector.Entry{Seq: i + 1, Body: []byte{byte(i)}})
	}
	r.at = to
	return entries, nil
}

func (*batches) Close() error { return nil }

func (r *batches) decode(_ context.Context, _ int64, body []byte) (event.Envelope, error) {
	return r.facts[body[0]], nil
}

// However the same facts are cut into batches, and however many come twice, the figures are the same.
func TestFiguresDoNotDependOnBatches(t *testing.T) {
	db := open(t)
	rapid.Check(t, func(t *rapid.T) {
		if _, err := db.Exec(context.Background(), `drop schema if exists analytics cascade`); err != nil {
			t.Fatal(err)
		}
		kinds := []event.Fact{
			image.Uploaded{SizeClass: image.UpTo1MiB},
			image.ProcessingFailed{Code: "image.truncated"},
			took(1), took(700),
			image.Downloaded{Whole: true},
			image.Deleted{Why: image.BecauseRequested},
			event.Unknown{},
		}
		var r batches
		want := map[string]int64{}
		for _, kind := range rapid.SliceOfN(rapid.IntRange(0, len(kinds)-1), 1, 100).Draw(t, "facts") {
			r.facts = append(r.facts, at(noon, kinds[kind])...)
			want[string(kinds[kind].EventName())]++
		}
		r.cuts = rapid.SliceOf(rapid.IntRange(1, 30)).Draw(t, "cuts")
		r.again = rapid.IntRange(0, 10).Draw(t, "again")
		follow(t, db, &r)

		hours, err := analytics.Hours(context.Background(), db, noon, noon.Add(time.Hour), 1)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int64{}
		for name, b := range map[string]analytics.Breakdown{
			"image.uploaded.v1": hours[0].Uploads, "image.processing_failed.v1": hours[0].Failures, "image.processed.v1": hours[0].Results,
			"image.downloaded.v1": hours[0].Downloads, "image.deleted.v1": hours[0].Deletions,
		} {
			if b.Total > 0 {
				got[name] = b.Total
			}
		}
		delete(want, "")
		if !reflect.DeepEqual(got, want) || hours[0].Durations.Total != want["image.processed.v1"] {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func follow(t *rapid.T, db *pgxpool.Pool, r *batches) {
	p, err := projector.New(projector.Config{DB: db, Record: r.readFrom, Decode: r.decode, Log: slog.New(slog.DiscardHandler)}, view)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Run(ctx)
	}()
	if err := p.WaitFor(ctx, analytics.Name, int64(len(r.facts))); err != nil {
		t.Fatalf("%v (%+v)", err, p.Health())
	}
	cancel()
	<-done
}
