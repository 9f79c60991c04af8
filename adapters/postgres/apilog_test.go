package postgres

import (
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bgremover/bgremover/internal/usecase"
)

// The log has these columns and no other: a new one is a decision about the privacy policy.
func TestAPILogHasNoOtherColumns(t *testing.T) {
	pool := database(t)
	rows, err := pool.Query(t.Context(), `
		select column_name || ' ' || data_type
		from information_schema.columns
		where table_schema = 'work' and table_name = 'api_log'
		order by ordinal_position`)
	must(t, err)
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(t, err)
	want := []string{
		"at timestamp with time zone", "method text", "route text", "status_class smallint",
		"duration_class_ms integer", "bytes_class bigint",
	}
	if !slices.Equal(got, want) {
		t.Errorf("columns %q, want %q", got, want)
	}
}

func TestAPILogIsDroppedByTheDay(t *testing.T) {
	ctx, log := t.Context(), NewAPILog(database(t))
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	if kept, err := log.Oldest(ctx); err != nil || kept != (usecase.Kept{}) {
		t.Fatalf("before the first: %+v, %v", kept, err)
	}
	must(t, log.Prepare(ctx, noon))
	must(t, log.Prepare(ctx, noon))
	var calls []usecase.Call
	for day := range 5 { // two days ahead there is no partition yet
		at := noon.AddDate(0, 0, day)
		calls = append(calls, usecase.NewCall(at, "GET", "/", 200, time.Second, 10), usecase.NewCall(at, "POST", "/i", 429, time.Second, 10))
	}
	must(t, log.Add(ctx, calls))
	must(t, NewAPILog(log.pool).Add(ctx, calls[:1])) // another process

	first := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	if kept, err := log.Oldest(ctx); err != nil || kept != (usecase.Kept{Oldest: first, Count: 5}) {
		t.Errorf("%+v, %v", kept, err)
	}
	counts, err := log.ByStatus(ctx, noon.AddDate(0, 0, 4))
	if hour := noon.AddDate(0, 0, 4); err != nil || len(counts) != 2 || !counts[0].Hour.Equal(hour) || counts[0].Status != 2 || counts[1].Status != 4 || counts[1].N != 1 {
		t.Errorf("%+v, %v", counts, err)
	}
	for _, step := range []struct {
		upTo   time.Time
		purged int64
		left   int64
	}{
		{first.Add(-time.Second), 0, 5},
		{first, 1, 4},
		{first, 0, 4},
		{first.AddDate(0, 0, 2).Add(23 * time.Hour), 2, 2},
	} {
		var purged int64
		err := pgx.BeginFunc(ctx, log.pool, func(tx pgx.Tx) (err error) {
			purged, err = log.Purge(ctx, tx, step.upTo)
			return err
		})
		kept, lookErr := log.Oldest(ctx)
		if err != nil || lookErr != nil || purged != step.purged || kept.Count != step.left {
			t.Errorf("up to %s: %d days dropped, %d left, %v, %v", step.upTo, purged, kept.Count, err, lookErr)
		}
	}
	must(t, log.Add(ctx, calls)) // a row that comes late begins its day anew
	if kept, err := log.Oldest(ctx); err != nil || kept.Count != 5 {
		t.Errorf("%+v, %v", kept, err)
	}
}

func TestAPILogTakesNothingElse(t *testing.T) {
	log := NewAPILog(database(t))
	call := usecase.NewCall(time.Now(), "GET", "/", 200, 0, 0)
	call.Status = 6
	if err := log.Add(t.Context(), []usecase.Call{call}); err == nil {
		t.Error("a status of no class is stored")
	}
}
